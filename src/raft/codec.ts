// Raft messages on the wire: `[type, version, epoch, …fields]` (util/pack.ts). Who sent one, and to whom, is known from the connection.
// What does not decode is the sender's fault; a version that is not known here is refused, not guessed at.
import { ProtocolError } from '../protocol/errors.ts'
import { type Packable, PackError, pack, type Unpacked, unpack } from '../util/pack.ts'
import type { RaftMessage, SnapshotId } from './messages.ts'
import type { EntryBatch } from './store.ts'

const VERSION = 1
/** Longer than any message: a fetch is answered with about 1 MiB, a proposal is a fraction of that, a part of a snapshot half of it. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024

/** Never used again for something else. */
const NUMBERS = {
  preVote: 1,
  preVoteAnswer: 2,
  vote: 3,
  voteAnswer: 4,
  beginQuorumEpoch: 5,
  endQuorumEpoch: 6,
  fetch: 7,
  flushNews: 8,
  fetchRefused: 9,
  fetchAnswer: 10,
  fetchSnapshot: 11,
  snapshotChunk: 12,
} as const satisfies Record<RaftMessage['type'], number>

/** The connection's two ends. */
export interface Ends {
  readonly from: number
  readonly directoryId: string
  readonly to: number
}

export function encodeMessage(message: RaftMessage): Buffer {
  return pack(NUMBERS[message.type], VERSION, [message.epoch, ...fieldsOf(message)])
}

/** @throws ProtocolError */
export function decodeMessage(bytes: Uint8Array, ends: Ends): RaftMessage {
  try {
    const { type, version, fields } = unpack(bytes, 'raft message', MAX_MESSAGE_BYTES)
    if (version !== VERSION) throw new PackError(`a raft message of version ${version}, this node knows version ${VERSION}`)
    return messageOf(type, new Fields(fields), ends)
  } catch (error) {
    if (!(error instanceof PackError)) throw error
    throw new ProtocolError(error.message, { cause: error })
  }
}

function fieldsOf(m: RaftMessage): Packable[] {
  switch (m.type) {
    case 'preVote':
    case 'vote':
      return [m.lastEpoch, m.endOffset]
    case 'preVoteAnswer':
    case 'voteAnswer':
      return [m.granted, m.leaderId]
    case 'beginQuorumEpoch':
      return []
    case 'endQuorumEpoch':
      return [m.successors]
    case 'fetch':
      return [m.fetchOffset, m.lastEpoch, m.flushedOffset, m.highWatermark]
    case 'flushNews':
      return [m.fetchOffset, m.lastEpoch, m.flushedOffset]
    case 'fetchRefused':
      return [m.leaderId]
    case 'fetchAnswer':
      return [m.fetchOffset, m.lastEpoch, m.highWatermark, pairOf(m.diverging), pairOf(m.snapshot), m.batches.map(packBatch)]
    case 'fetchSnapshot':
      return [pairOf(m.snapshot), m.index]
    case 'snapshotChunk':
      return [pairOf(m.snapshot), m.index, m.chunkCount, m.chunk]
  }
}

function messageOf(type: number, f: Fields, ends: Ends): RaftMessage {
  const envelope = { ...ends, epoch: f.count() }
  switch (type) {
    case NUMBERS.preVote:
      return { type: 'preVote', ...envelope, lastEpoch: f.count(), endOffset: f.count() }
    case NUMBERS.vote:
      return { type: 'vote', ...envelope, lastEpoch: f.count(), endOffset: f.count() }
    case NUMBERS.preVoteAnswer:
      return { type: 'preVoteAnswer', ...envelope, granted: f.flag(), leaderId: f.id() }
    case NUMBERS.voteAnswer:
      return { type: 'voteAnswer', ...envelope, granted: f.flag(), leaderId: f.id() }
    case NUMBERS.beginQuorumEpoch:
      return { type: 'beginQuorumEpoch', ...envelope }
    case NUMBERS.endQuorumEpoch:
      return { type: 'endQuorumEpoch', ...envelope, successors: f.ids() }
    case NUMBERS.fetch:
      return {
        type: 'fetch',
        ...envelope,
        fetchOffset: f.count(),
        lastEpoch: f.count(),
        flushedOffset: f.count(),
        highWatermark: f.count(),
      }
    case NUMBERS.flushNews:
      return { type: 'flushNews', ...envelope, fetchOffset: f.count(), lastEpoch: f.count(), flushedOffset: f.count() }
    case NUMBERS.fetchRefused:
      return { type: 'fetchRefused', ...envelope, leaderId: f.id() }
    case NUMBERS.fetchAnswer:
      return {
        type: 'fetchAnswer',
        ...envelope,
        fetchOffset: f.count(),
        lastEpoch: f.count(),
        highWatermark: f.count(),
        diverging: f.pair(),
        snapshot: f.pair(),
        batches: f.batches(),
      }
    case NUMBERS.fetchSnapshot:
      return { type: 'fetchSnapshot', ...envelope, snapshot: f.somePair(), index: f.count() }
    case NUMBERS.snapshotChunk:
      return { type: 'snapshotChunk', ...envelope, snapshot: f.somePair(), index: f.count(), chunkCount: f.count(), chunk: f.bytes() }
    default:
      throw new PackError(`a raft message of type ${type}, which is not known here`)
  }
}

function pairOf(pair: SnapshotId | null): Packable {
  return pair === null ? null : [pair.endOffset, pair.epoch]
}

function packBatch({ baseOffset, epoch, payloads }: EntryBatch): Packable {
  return [baseOffset, epoch, payloads]
}

/** Fields one after another, each of the kind that is asked for. */
class Fields {
  readonly #fields: readonly Unpacked[]
  #next = 0

  constructor(fields: readonly Unpacked[]) {
    this.#fields = fields
  }

  count(): number {
    return countOf(this.#take())
  }

  /** A node id, or -1. */
  id(): number {
    return idOf(this.#take())
  }

  ids(): number[] {
    return listOf(this.#take()).map(idOf)
  }

  flag(): boolean {
    const value = this.#take()
    return typeof value === 'boolean' ? value : fail('a flag', value)
  }

  bytes(): Buffer {
    return bytesOf(this.#take())
  }

  pair(): SnapshotId | null {
    const value = this.#take()
    if (value === null) return null
    const [endOffset, epoch] = listOf(value)
    return { endOffset: countOf(endOffset), epoch: countOf(epoch) }
  }

  somePair(): SnapshotId {
    return this.pair() ?? fail('a snapshot', null)
  }

  batches(): EntryBatch[] {
    return listOf(this.#take()).map(value => {
      const [baseOffset, epoch, payloads] = listOf(value)
      return { baseOffset: countOf(baseOffset), epoch: countOf(epoch), payloads: listOf(payloads).map(bytesOf) }
    })
  }

  #take(): Unpacked | undefined {
    return this.#fields[this.#next++]
  }
}

function countOf(value: Unpacked | undefined): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : fail('a count', value)
}

function idOf(value: Unpacked | undefined): number {
  return Number.isSafeInteger(value) && (value as number) >= -1 ? (value as number) : fail('a node id', value)
}

function listOf(value: Unpacked | undefined): readonly Unpacked[] {
  return Array.isArray(value) ? value : fail('a list', value)
}

function bytesOf(value: Unpacked | undefined): Buffer {
  return Buffer.isBuffer(value) ? value : fail('bytes', value)
}

function fail(expected: string, value: unknown): never {
  throw new PackError(`a raft message with ${typeof value} where ${expected} is expected`)
}
