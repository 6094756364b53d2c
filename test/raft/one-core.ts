// Conversations with one core. A line is an event; the lines beginning with `>` are what it asks for in answer, those that time caused begin with it.
//   node 1 voters=1,2,3 [directory=d] [epoch=4] [voted=2] [log=1+5,4+2] [snapshot=3@20]   as on disk; log: epoch and number of entries, oldest first
//   start · tick · propose N [N …] (one proposal of N entries each) · resign · show
//   saved [EPOCH VOTED]            the last vote (or that one) is on disk · flushed N [generation=G]
//   snapshot E@N [start=E@N]       the driver has stored one
//   lost 2 refused|restarted · connected 2
//   wait MS                        time passes, with every tick that is due · sleep MS: without
//   2>1 vote epoch=5 last=4@7 [from=d]     a message as src/testing/raft-sim/told.ts writes it; `from`: the directory of who sent it
// A log is written EPOCH@OFFSET: its last epoch, its end. Random numbers are always the middle of their range.
import type { RaftMessage } from '../../src/raft/messages.ts'
import { createRaft, nextDeadline, type RaftState, step } from '../../src/raft/raft.ts'
import type { RaftEffect, RaftEvent } from '../../src/raft/types.ts'
import { batchText, idText, messageText } from '../../src/testing/raft-sim/told.ts'

const MIDDLE = { integer: (bound: number) => Math.floor(bound / 2), fraction: () => 0.5, bytes: (length: number) => Buffer.alloc(length) }

export class OneCore {
  #state!: RaftState
  #now = 0
  #vote: { epoch: number; votedFor: number } | undefined

  say(line: string): string[] {
    const [verb = '', ...words] = line.split(/\s+/)
    if (/^\d>\d$/.test(verb)) return this.#step({ type: 'received', message: parseMessage(verb, words) })
    const { plain, named } = parse(words)
    switch (verb) {
      case 'node':
        return this.#open(Number(plain[0]), named)
      case 'start':
      case 'tick':
      case 'resign':
        return this.#step({ type: verb })
      case 'saved':
        return this.#step({
          type: 'voteSaved',
          ...(plain.length === 0 ? this.#vote! : { epoch: Number(plain[0]), votedFor: Number(plain[1]) }),
        })
      case 'flushed':
        return this.#step({
          type: 'flushed',
          endOffset: Number(plain[0]),
          generation: Number(named.get('generation') ?? this.#state.log.generation),
        })
      case 'propose':
        return this.#step({ type: 'proposed', proposals: plain.map(count => payloadsOf(Number(count))) })
      case 'snapshot': {
        const snapshot = logEnd(plain[0]!)
        const start = logEnd(named.get('start') ?? plain[0]!)
        return this.#step({ type: 'snapshotSaved', snapshot, startOffset: start.endOffset, startEpoch: start.epoch })
      }
      case 'lost':
        return this.#step({ type: 'peerLost', nodeId: Number(plain[0]), why: plain[1] as 'refused' })
      case 'connected':
        return this.#step({ type: 'peerConnected', nodeId: Number(plain[0]) })
      case 'hint':
        return this.#step({
          type: 'hinted',
          leaderId: Number(plain[0]),
          epoch: Number(named.get('epoch')),
          committedOffset: Number(named.get('to') ?? 0),
        })
      case 'wait':
        return this.#wait(Number(plain[0]))
      case 'sleep':
        this.#now += Number(plain[0])
        return []
      case 'show':
        return [this.#show()]
      default:
        throw new Error(`no such event: ${line}`)
    }
  }

  #open(nodeId: number, named: ReadonlyMap<string, string>): string[] {
    const snapshot = named.has('snapshot') ? logEnd(named.get('snapshot')!) : undefined
    const startOffset = snapshot?.endOffset ?? 0
    const batches: { baseOffset: number; epoch: number; payloads: Uint8Array[] }[] = []
    for (const part of (named.get('log') ?? '').split(',').filter(text => text !== '')) {
      const [epoch, count] = part.split('+').map(Number) as [number, number]
      for (let i = 0; i < count; i++) batches.push({ baseOffset: startOffset + batches.length, epoch, payloads: payloadsOf(1) })
    }
    const epoch = Number(named.get('epoch') ?? batches.at(-1)?.epoch ?? snapshot?.epoch ?? 0)
    const votedFor = Number(named.get('voted') ?? -1)
    this.#vote = { epoch, votedFor }
    this.#state = createRaft({
      nodeId,
      directoryId: named.get('directory') ?? `d${nodeId}`,
      voters: (named.get('voters') ?? '').split(',').map(id => ({ nodeId: Number(id), directoryId: `d${id}` })),
      fetchTimeoutMs: 1000,
      electionTimeoutMs: 300,
      durable: { epoch, votedFor, snapshot, startOffset, startEpoch: snapshot?.epoch ?? 0, batches },
    })
    return []
  }

  #wait(ms: number): string[] {
    const until = this.#now + ms
    const told: string[] = []
    for (;;) {
      const at = Math.max(nextDeadline(this.#state), this.#now)
      if (at > until) break
      this.#now = at
      told.push(...this.#step({ type: 'tick' }).map(text => `${Math.round(at)}: ${text}`))
    }
    this.#now = until
    return told
  }

  #step(event: RaftEvent): string[] {
    return step(this.#state, event, this.#now, MIDDLE).map(effect => this.#told(effect))
  }

  #told(effect: RaftEffect): string {
    switch (effect.type) {
      case 'send':
        return messageText(effect.message)
      case 'sendBatches':
        return `${messageText(effect.answer)} with entries`
      case 'sendChunk':
        return `${messageText(effect.answer)} with its bytes`
      case 'saveVote':
        this.#vote = { epoch: effect.epoch, votedFor: effect.votedFor }
        return `save epoch ${effect.epoch}${effect.votedFor === -1 ? '' : `, a vote for ${effect.votedFor}`}`
      case 'append':
        return `append ${effect.batches.map(batchText).join(' ')}`
      case 'truncate':
        return `truncate to ${effect.endOffset}`
      case 'installSnapshot':
        return `install snapshot ${idText(effect.snapshot)}`
      case 'committed':
        return `committed ${effect.endOffset}`
      case 'leaderChanged':
        return effect.isLeader
          ? `leads epoch ${effect.epoch}`
          : `leader ${effect.leaderId === -1 ? 'unknown' : effect.leaderId} in epoch ${effect.epoch}`
    }
  }

  #show(): string {
    const { role, epoch, votedFor, leaderId, log, highWatermark } = this.#state
    const { startOffset, endOffset, flushedOffset } = log
    return `${role} epoch=${epoch} voted=${votedFor} leader=${leaderId} log=${startOffset}..${endOffset} flushed=${flushedOffset} hw=${highWatermark}`
  }
}

function parse(words: readonly string[]): { plain: string[]; named: Map<string, string> } {
  const named = new Map<string, string>()
  const plain: string[] = []
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals < 0) plain.push(word)
    else named.set(word.slice(0, equals), word.slice(equals + 1))
  }
  return { plain, named }
}

function logEnd(text: string): { epoch: number; endOffset: number } {
  const [epoch, endOffset] = text.split('@').map(Number) as [number, number]
  return { epoch, endOffset }
}

function payloadsOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => Buffer.from('entry'))
}

function parseMessage(route: string, words: readonly string[]): RaftMessage {
  const [type, ...rest] = words
  const { plain, named } = parse(rest)
  const number = (name: string, absent = -1) => Number(named.get(name) ?? absent)
  const log = logEnd(named.get('last') ?? named.get('to') ?? '0@0')
  const [part, parts] = (named.get('part') ?? '0/0').split('/').map(Number)
  const body = {
    type,
    from: Number(route[0]),
    to: Number(route[2]),
    directoryId: named.get('from') ?? `d${route[0]}`,
    epoch: number('epoch'),
    lastEpoch: log.epoch,
    endOffset: log.endOffset,
    fetchOffset: log.endOffset,
    flushedOffset: number('flushed', 0),
    highWatermark: number('hw', 0),
    granted: plain.includes('granted'),
    leaderId: number('leader'),
    successors: (named.get('successors') ?? '').split(',').map(Number),
    diverging: named.has('diverging') ? logEnd(named.get('diverging')!) : null,
    snapshot: named.has('snapshot') ? logEnd(named.get('snapshot')!) : type === 'fetchAnswer' ? null : logEnd(plain[0] ?? '0@0'),
    index: part,
    chunkCount: parts,
    chunk: Buffer.from('part'),
    batches: plain.filter(word => word.includes('+')).map(batchOf),
  }
  return body as unknown as RaftMessage
}

function batchOf(text: string) {
  const [, epoch, base, count] = /^(\d+)@(\d+)\+(\d+)$/.exec(text)!.map(Number) as [number, number, number, number]
  return { baseOffset: base, epoch, payloads: payloadsOf(count) }
}
