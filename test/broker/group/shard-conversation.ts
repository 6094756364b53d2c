// A conversation with one shard, over a log in memory: every line that is not a comment or an expectation is a request or an event; what comes of it
// follows as `> ` lines. Records go through their bytes, so a `crash` reads what a log would hold.
import { encodeGroupRecords, GroupLogReader, type GroupRecord } from '../../../src/broker/group/records.ts'
import { type MemberMemory, Shard, type ShardEffect, type ShardSettings } from '../../../src/broker/group/shard.ts'
import { errorName } from '../../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { subscription } from './group-client.ts'

const SETTINGS: ShardSettings = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 100,
  initialRebalanceDelayMs: 0,
  maxRecordBytes: 1_000_000,
  metadataMaxBytes: 10,
  retentionMs: 60_000,
}

type Append = Extract<ShardEffect, { readonly type: 'append' }>

export class ShardConversation {
  readonly #memory = { heldBytes: 0, maxBytes: 1 << 20 }
  #shard = loadedShard([], 0, this.#memory)
  /** One batch a decision. */
  readonly #log: (readonly GroupRecord[])[] = []
  #highWatermark = 0
  #now = 0
  /** The log takes nothing. */
  #refusal = 0
  #lastToken = 0
  /** Of commits that are told to go `together`, until the `turn`. */
  readonly #gathered: Append[] = []
  readonly #told: string[] = []
  readonly #names = new Map<number, string>()

  say(line: string): string[] {
    this.#told.length = 0
    const [verb = '', ...words] = line.split(/\s+/)
    this.#do(verb, words, line)
    return [...this.#told]
  }

  #do(verb: string, words: string[], line: string): void {
    const [groupId = ''] = words
    const options = new Map(words.filter(word => /^[a-z]+:/.test(word)).map(word => [word.split(':')[0]!, word.split(':')[1]!]))
    const places = words.slice(1).filter(word => word.includes('/'))
    const number = (key: string, otherwise: number) => Number(options.get(key) ?? otherwise)
    switch (verb) {
      case 'commit': {
        const topics = places.map(place => {
          const [topic, rest] = place.split('/') as [string, string]
          const [partition, offset, metadata] = rest.split(/[=~]/)
          const it = {
            partitionIndex: Number(partition),
            committedOffset: Number(offset),
            committedLeaderEpoch: -1,
            committedMetadata: metadata ?? null,
          }
          return { name: topic, topicId: ZERO_UUID, partitions: [it] }
        })
        const body = {
          groupId,
          generationIdOrMemberEpoch: number('generation', -1),
          memberId: options.get('member') ?? '',
          groupInstanceId: null,
          retentionTimeMs: number('retention', -1),
          topics,
        }
        const request = this.#token(line)
        const effects = this.#shard.commit({ request, apiVersion: number('v', 9), body, topicIdOf: () => ZERO_UUID }, this.#at())
        if (words.includes('together')) for (const effect of effects) this.#gathered.push(...(effect.type === 'append' ? [effect] : []))
        else this.#perform(effects)
        break
      }
      case 'join': {
        const protocols = [{ name: 'range', metadata: subscription(options.get('topic') ?? 'orders') }]
        const [, member = ''] = words
        const timeouts = { sessionTimeoutMs: number('session', 10_000), rebalanceTimeoutMs: 20_000 }
        const body = {
          groupId,
          memberId: options.get('as') ?? '',
          groupInstanceId: null,
          protocolType: 'consumer',
          protocols,
          reason: null,
          ...timeouts,
        }
        const client = { apiVersion: 3, clientId: 'c', clientHost: '/h', newMemberId: member }
        this.#perform(this.#shard.request({ type: 'join', request: this.#token(line), ...client, body }, this.#at()))
        break
      }
      case 'sync': {
        const assignments = [{ memberId: words[1]!, assignment: Buffer.from('all') }]
        const names = { protocolType: null, protocolName: null, groupInstanceId: null }
        const body = { groupId, memberId: words[1]!, generationId: number('generation', 1), assignments, ...names }
        this.#perform(this.#shard.request({ type: 'sync', request: this.#token(line), body }, this.#at()))
        break
      }
      case 'heartbeat': {
        const body = { groupId, memberId: words[1]!, generationId: number('generation', 1), groupInstanceId: null }
        this.#perform(this.#shard.request({ type: 'heartbeat', request: this.#token(line), body }, this.#at()))
        break
      }
      case 'leave': {
        const body = { groupId, memberId: words[1]!, members: [] }
        this.#perform(this.#shard.request({ type: 'leave', request: this.#token(line), apiVersion: 0, body }, this.#at()))
        break
      }
      case 'forget': {
        const topics = places.map(place => ({ name: place.split('/')[0]!, partitions: [{ partitionIndex: Number(place.split('/')[1]) }] }))
        this.#perform(this.#shard.deleteOffsets({ request: this.#token(line), body: { groupId, topics } }))
        break
      }
      case 'delete':
        this.#perform(this.#shard.deleteGroup({ request: this.#token(line), groupId }))
        break
      case 'gone':
        this.#perform(this.#shard.topicsDeleted(topic => topic === words[0]))
        break
      case 'expire':
        this.#perform(this.#shard.expire(this.#at()))
        break
      case 'flushed':
        this.#highWatermark = words[0] === undefined ? this.#log.length : Number(words[0])
        this.#perform(this.#shard.durable(this.#highWatermark, this.#at()))
        break
      case 'memory':
        this.#memory.maxBytes = Number(words[0])
        break
      case 'held':
        this.#tell(this.#memory.heldBytes === 0 ? 'no memory is held' : 'memory is held')
        break
      case 'turn':
        this.#append(this.#gathered.splice(0))
        break
      case 'refuse':
        this.#refusal = Number(words[0])
        break
      case 'pass':
        this.#now += Number(words[0])
        if (this.#shard.deadline !== undefined && this.#shard.deadline <= this.#now) this.#perform(this.#shard.tick(this.#at()))
        this.#tell(this.#shard.deadline === undefined ? 'nothing is timed' : `next at ${this.#shard.deadline}`)
        break
      case 'unload':
        this.#perform(this.#shard.unload(Number(words[0]), this.#at()))
        break
      case 'crash':
        this.#log.length = this.#highWatermark
        this.#memory.heldBytes = 0
        this.#shard = loadedShard(this.#log, this.#now, this.#memory)
        this.#show()
        break
      case 'show':
        this.#show()
        break
      default:
        throw new Error(`what is "${line}"?`)
    }
  }

  #show(): void {
    const groups = this.#shard.list()
    if (groups.length === 0) this.#tell('no groups')
    for (const { groupId, groupState, protocolType } of groups) {
      const offsets = this.#shard.allCommitted(groupId).flatMap(({ topic, partitions }) => {
        return partitions.map(
          ({ partition, value }) => `${topic}/${partition}=${value.offset}${value.metadata === '' ? '' : `~${value.metadata}`}`,
        )
      })
      this.#tell([groupId, groupState, protocolType, ...offsets].filter(word => word !== '').join(' '))
    }
  }

  #perform(effects: readonly ShardEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'answer') this.#tell(`${this.#names.get(effect.request)}: ${answered(effect.body)}`)
      else if (effect.type === 'log') continue
      else this.#append([effect])
    }
  }

  #append(appends: readonly Append[]): void {
    const records = appends.flatMap(append => append.records)
    if (this.#refusal !== 0) {
      this.#tell(`refused by the log: ${records.map(written).join(', ')}`)
      const ids = appends.map(({ id }) => id)
      this.#perform(this.#shard.failed(ids, this.#refusal, this.#at()))
    } else {
      encodeGroupRecords(records, 0)
      this.#log.push(records)
      this.#tell(`append ${this.#log.length}: ${records.map(written).join(', ')}`)
      for (const { id } of appends) this.#shard.appended(id, this.#log.length)
    }
  }

  #token(line: string): number {
    this.#names.set(++this.#lastToken, line.split(/\s+/).slice(0, 2).join(' '))
    return this.#lastToken
  }

  #tell(text: string): void {
    this.#told.push(text)
  }

  #at() {
    return { now: this.#now, wallTime: this.#now }
  }
}

function loadedShard(log: readonly (readonly GroupRecord[])[], now: number, memory: MemberMemory): Shard {
  const shard = new Shard(() => SETTINGS, memory)
  const reader = new GroupLogReader(shard)
  for (const records of log) reader.read(encodeGroupRecords(records, 0))
  shard.loaded({ now, wallTime: now })
  return shard
}

function written(record: GroupRecord): string {
  const { groupId, value } = record
  if (record.type === 'offset')
    return `${groupId} ${record.topic}/${record.partition}${record.value === null ? ' forgotten' : `=${record.value.offset}`}`
  if (value === null) return `${groupId} deleted`
  return `${groupId} generation ${record.value!.generation}: ${record.value!.members.map(({ memberId }) => memberId).join(' ') || 'nobody'}`
}

function answered(body: unknown): string {
  const it = (Array.isArray(body) ? body[0] : body) as {
    errorCode?: number
    topics?: readonly { name: string; partitions: readonly { partitionIndex: number; errorCode: number }[] }[]
    generationId?: number
    assignment?: Buffer
  }
  const parts = [it.errorCode === undefined ? '' : errorName(it.errorCode)]
  for (const { name, partitions } of it.topics ?? []) {
    for (const { partitionIndex, errorCode } of partitions) parts.push(`${name}/${partitionIndex} ${errorName(errorCode)}`)
  }
  if (it.generationId !== undefined && it.generationId > 0) parts.push(`generation ${it.generationId}`)
  if (it.assignment !== undefined && it.assignment.length > 0) parts.push(it.assignment.toString())
  return parts.filter(part => part !== '').join(' ')
}
