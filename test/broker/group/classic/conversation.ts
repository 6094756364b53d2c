// Conversations with a classic group. A line is an event; the lines beginning with `>` are what the group does in answer.
//   group [delay=MS] [max=N] [record=BYTES] [disk=slow]    an empty group; a slow disk has stored nothing until the line says so
//   record generation=N [protocol=range] [leader=a-1] a-1=X b-1/i1=Y …   a group from its record: members with their assignment
//   join WHO [v=9] [instance=i1] [type=consumer] [range:META …] [session=MS] [rebalance=MS] [client=c] [reason=word]
//       WHO: `a` is the client a without a member id, `a-1` a member id. META `~t+u` is a consumer's subscription to the topics t and u
//   sync WHO GENERATION [instance=i1] [type=consumer] [protocol=range] [a-1=X …]     · beat WHO GENERATION [instance=i1]
//   leave [v=5] a-1 · /i1 · a-1/i1 …          · commit WHO|- GENERATION [instance=i1] [transaction]
//   stored · lost ERROR_NAME · stored last    the oldest record on its way (the newest) is in the log, or never will be
//   wait MS                                   time passes, the group is woken when it wants to be · late MS: without being woken
//   tick · gone #N · delete · unload ERROR_NAME · show · deadline · judge delete|offsets · subscribed TOPIC
// Requests are numbered from 1; member ids count up per client. Lines that a timer caused begin with the time.
import { ClassicGroup, newMemberId } from '../../../../src/broker/group/classic/classic-group.ts'
import type { GroupAnswer, GroupEffect, GroupEvent, GroupMetadataValue, GroupSettings } from '../../../../src/broker/group/classic/types.ts'
import { ERROR_CODES, errorName, NONE } from '../../../../src/protocol/errors.ts'
import { ConsumerProtocolSubscription } from '../../../../src/protocol/stored/consumer-protocol.ts'
import { decodeVersioned, encodeVersioned } from '../../../../src/protocol/stored/versioned.ts'

export class Conversation {
  #group: ClassicGroup
  #settings: GroupSettings = {
    minSessionTimeoutMs: 6000,
    maxSessionTimeoutMs: 1_800_000,
    maxSize: 1000,
    initialRebalanceDelayMs: 0,
    maxRecordBytes: 1_000_000,
  }
  #now = 0
  #requests = 0
  #slowDisk = false
  readonly #writes: number[] = []
  readonly #names = new Map<string, number>()

  constructor() {
    this.#group = ClassicGroup.create('g', this.#settings)
  }

  say(line: string): string[] {
    const [verb = '', ...words] = line.split(/\s+/)
    switch (verb) {
      case 'group':
        return this.#open(words)
      case 'record':
        return this.#load(words)
      case 'join':
        return this.#step(this.#join(words))
      case 'sync':
        return this.#step(this.#sync(words))
      case 'beat':
        return this.#step(this.#beat(words))
      case 'leave':
        return this.#step(this.#leave(words))
      case 'commit':
        return [this.#commit(words)]
      case 'stored':
        return this.#step({ type: 'persisted', id: (words[0] === 'last' ? this.#writes.pop() : this.#writes.shift())!, errorCode: NONE })
      case 'lost':
        return this.#step({ type: 'persisted', id: this.#writes.shift()!, errorCode: codeOf(words[0]!) })
      case 'wait':
        return this.#wait(Number(words[0]))
      case 'late':
        this.#now += Number(words[0])
        return []
      case 'tick':
        return this.#step({ type: 'tick' })
      case 'gone':
        return this.#step({ type: 'gone', request: Number(words[0]!.slice(1)) })
      case 'delete':
        return this.#step({ type: 'delete' })
      case 'unload':
        return this.#step({ type: 'unload', errorCode: codeOf(words[0]!) })
      case 'show':
        return [this.#show()]
      case 'deadline':
        return [this.#group.deadline === undefined ? 'nothing is timed' : `in ${this.#group.deadline - this.#now}`]
      case 'judge':
        return [errorName(words[0] === 'delete' ? this.#group.judgeDelete() : this.#group.judgeOffsetDelete())]
      case 'subscribed':
        return [`${this.#group.isSubscribedTo(words[0]!)}`]
      default:
        throw new Error(`no such event: ${line}`)
    }
  }

  get #at() {
    return { now: this.#now, wallTime: 1_000_000 + this.#now }
  }

  #open(words: readonly string[]): string[] {
    const { options } = parse(words)
    this.#settings = {
      ...this.#settings,
      initialRebalanceDelayMs: Number(options.get('delay') ?? 0),
      maxSize: Number(options.get('max') ?? 1000),
      maxRecordBytes: Number(options.get('record') ?? 1_000_000),
    }
    this.#slowDisk = options.get('disk') === 'slow'
    this.#group = ClassicGroup.create('g', this.#settings)
    return []
  }

  #load(words: readonly string[]): string[] {
    const { options } = parse(words)
    const number = (name: string, absent: number) => Number(options.get(name) ?? absent)
    const members = [...options].flatMap(([name, assignment]) => {
      const [, memberId, groupInstanceId] = /^(\w+-\d+)(?:\/(\w+))?$/.exec(name) ?? []
      if (memberId === undefined) return []
      return [
        {
          memberId,
          groupInstanceId: groupInstanceId ?? null,
          clientId: memberId.split('-')[0]!,
          clientHost: '/h',
          rebalanceTimeout: number('rebalance', 60_000),
          sessionTimeout: number('session', 10_000),
          subscription: metadataOf('~t'),
          assignment: Buffer.from(assignment),
        },
      ]
    })
    const value: GroupMetadataValue = {
      protocolType: options.get('type') ?? 'consumer',
      generation: number('generation', 0),
      protocol: options.get('protocol') ?? null,
      leader: options.get('leader') ?? null,
      currentStateTimestamp: 500,
      members,
    }
    this.#group = ClassicGroup.fromRecord('g', value, this.#at, this.#settings)
    return []
  }

  #join(words: readonly string[]): GroupEvent {
    const { options, plain } = parse(words)
    const { memberId, client } = whoIs(plain[0]!)
    const clientId = options.get('client') ?? client
    const groupInstanceId = options.get('instance') ?? null
    const protocols = plain.slice(1).map(protocol => {
      const colon = protocol.indexOf(':')
      return { name: protocol.slice(0, colon), metadata: metadataOf(protocol.slice(colon + 1)) }
    })
    const name = groupInstanceId ?? clientId
    return {
      type: 'join',
      request: ++this.#requests,
      apiVersion: Number(options.get('v') ?? 9),
      clientId,
      clientHost: '/h',
      newMemberId: memberId === '' ? newMemberId(clientId, groupInstanceId, `${this.#nextOf(name)}`) : '',
      body: {
        groupId: options.get('group') ?? 'g',
        sessionTimeoutMs: Number(options.get('session') ?? 10_000),
        rebalanceTimeoutMs: Number(options.get('rebalance') ?? 60_000),
        memberId,
        groupInstanceId,
        protocolType: options.get('type') ?? 'consumer',
        protocols: options.get('protocols') === 'none' ? [] : protocols.length > 0 ? protocols : [RANGE],
        reason: options.get('reason') ?? null,
      },
    }
  }

  #nextOf(name: string): number {
    const next = (this.#names.get(name) ?? 0) + 1
    this.#names.set(name, next)
    return next
  }

  #sync(words: readonly string[]): GroupEvent {
    const { options, plain } = parse(words)
    const assignments = [...options].filter(([name]) => /-\d+$/.test(name))
    return {
      type: 'sync',
      request: ++this.#requests,
      body: {
        groupId: options.get('group') ?? 'g',
        generationId: Number(plain[1]),
        memberId: plain[0]!,
        groupInstanceId: options.get('instance') ?? null,
        protocolType: options.get('type') ?? null,
        protocolName: options.get('protocol') ?? null,
        assignments: assignments.map(([memberId, assignment]) => ({ memberId, assignment: Buffer.from(assignment) })),
      },
    }
  }

  #beat(words: readonly string[]): GroupEvent {
    const { options, plain } = parse(words)
    const body = { groupId: options.get('group') ?? 'g', generationId: Number(plain[1]), memberId: plain[0]! }
    return {
      type: 'heartbeat',
      request: ++this.#requests,
      body: { ...body, groupInstanceId: options.get('instance') ?? null },
    }
  }

  #leave(words: readonly string[]): GroupEvent {
    const { options, plain } = parse(words)
    const members = plain.map(word => {
      const [memberId, groupInstanceId] = word.split('/')
      return { memberId: memberId!, groupInstanceId: groupInstanceId ?? null, reason: options.get('reason') ?? null }
    })
    const apiVersion = Number(options.get('v') ?? 5)
    const memberId = apiVersion < 3 ? members[0]!.memberId : ''
    return {
      type: 'leave',
      request: ++this.#requests,
      apiVersion,
      body: { groupId: options.get('group') ?? 'g', memberId, members: apiVersion < 3 ? [] : members },
    }
  }

  #commit(words: readonly string[]): string {
    const { options, plain } = parse(words)
    const committer = {
      memberId: plain[0] === '-' ? '' : plain[0]!,
      groupInstanceId: options.get('instance') ?? null,
      generationId: Number(plain[1]),
      transactional: plain.includes('transaction'),
    }
    return errorName(this.#group.judgeCommit(committer, this.#at))
  }

  #wait(ms: number): string[] {
    const lines: string[] = []
    const end = this.#now + ms
    for (;;) {
      const { deadline } = this.#group
      if (deadline === undefined || deadline > end) break
      this.#now = Math.max(this.#now, deadline)
      lines.push(...this.#step({ type: 'tick' }).map(line => `${this.#now} ${line}`))
    }
    this.#now = end
    return lines
  }

  #step(event: GroupEvent): string[] {
    const lines: string[] = []
    const effects = this.#group.step(event, this.#at)
    for (const effect of effects) {
      lines.push(show(effect))
      if (effect.type === 'persist') this.#writes.push(effect.id)
    }
    while (!this.#slowDisk && this.#writes.length > 0) {
      lines.push(...this.#step({ type: 'persisted', id: this.#writes.shift()!, errorCode: NONE }))
    }
    return lines
  }

  #show(): string {
    const { groupState, protocolType, protocolData, members } = this.#group.describe()
    const told = members.map(member => {
      const instance = member.groupInstanceId === null ? '' : `/${member.groupInstanceId}`
      const metadata = member.memberMetadata.length === 0 ? '' : `(${textOf(member.memberMetadata)})`
      return `${member.memberId}${instance}@${member.clientId}${metadata}=${member.memberAssignment}`
    })
    const { generationId, leaderId, offsetExpiry, isForgettable } = this.#group
    const type = `type=${protocolType} protocol=${protocolData}`
    const head = `${groupState} generation=${generationId} ${type} leader=${leaderId} expiry=${offsetExpiry}`
    return [head, ...told, ...(isForgettable ? ['forgettable'] : [])].join(' ')
  }
}

const RANGE = { name: 'range', metadata: metadataOf('~t') }

/** Words of the form name=value, and the others. */
function parse(words: readonly string[]) {
  const options = new Map<string, string>()
  const plain: string[] = []
  for (const word of words) {
    const [, name, value] = /^([\w/-]+)=(.*)$/.exec(word) ?? []
    if (name === undefined) plain.push(word)
    else options.set(name, value!)
  }
  return { options, plain }
}

function whoIs(word: string): { memberId: string; client: string } {
  return /-\d+$/.test(word) ? { memberId: word, client: word.replace(/-\d+$/, '') } : { memberId: '', client: word }
}

function metadataOf(text: string): Buffer {
  if (!text.startsWith('~')) return Buffer.from(text)
  return encodeVersioned(ConsumerProtocolSubscription, 3, {
    topics: text.slice(1).split('+'),
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  })
}

function textOf(metadata: Buffer): string {
  if (metadata[0] !== 0) return `${metadata}`
  return `~${decodeVersioned(ConsumerProtocolSubscription, metadata).value.topics.join('+')}`
}

function show(effect: GroupEffect): string {
  switch (effect.type) {
    case 'answer':
      return `#${effect.request} ${showAnswer(effect)}`
    case 'persist':
      return effect.value === null ? 'write a tombstone' : `write ${showValue(effect.value)}`
    case 'log': {
      const { memberId, reason } = effect.fields
      return `log: ${[effect.event, memberId, reason].filter(part => part !== undefined).join(', ')}`
    }
  }
}

function showValue(value: GroupMetadataValue): string {
  const members = value.members.map(member => {
    const instance = member.groupInstanceId === null ? '' : `/${member.groupInstanceId}`
    return ` ${member.memberId}${instance}(${textOf(member.subscription)})=${member.assignment}`
  })
  return `generation=${value.generation} ${value.protocolType}/${value.protocol} leader=${value.leader}${members.join('')}`
}

function showAnswer(answer: GroupAnswer): string {
  const { body } = answer
  const error = errorName(body.errorCode ?? NONE)
  switch (answer.api) {
    case 'JoinGroup': {
      const { memberId, leader, members, protocolType, protocolName, skipAssignment, generationId } = answer.body
      const rest = generationId === undefined ? '' : ` generation=${generationId} ${protocolType}/${protocolName} leader=${leader}`
      const roll = members.map(member => {
        const instance = member.groupInstanceId == null ? '' : `/${member.groupInstanceId}`
        return ` ${member.memberId}${instance}(${textOf(member.metadata as Buffer)})`
      })
      return `${error} '${memberId}'${rest}${skipAssignment === true ? ' skipAssignment' : ''}${roll.join('')}`
    }
    case 'SyncGroup': {
      const { protocolType, protocolName, assignment } = answer.body
      return error === 'NONE' ? `NONE ${protocolType}/${protocolName} '${assignment}'` : error
    }
    case 'Heartbeat':
      return error
    case 'LeaveGroup': {
      const members = (answer.body.members ?? []).map(member => {
        const instance = member.groupInstanceId === null ? '' : `/${member.groupInstanceId}`
        return ` ${member.memberId}${instance}=${errorName(member.errorCode ?? NONE)}`
      })
      return `${error}${members.join('')}`
    }
  }
}

function codeOf(name: string): number {
  const code = ERROR_CODES.find(candidate => errorName(candidate) === name)
  if (code === undefined) throw new Error(`no such error: ${name}`)
  return code
}
