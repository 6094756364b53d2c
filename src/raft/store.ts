// The durable half of a member of the quorum, in the `meta` database: its vote (and the copy in the vote file), the log, the last snapshot.
// Keys under "raft/": vote · log/BASE (u64) · snapshot · chunk/END (u64) INDEX (u32). One log value holds the entries of one proposal, so that a
// proposal is on disk wholly or not at all. What does not fit together is refused at open, with what to do; nothing is repaired by guessing.
// The vote says how much of the log was on disk when it was written. So who cuts the log below that writes the vote anew, in the same batch.
import { type Disk, EnvError, type Kv, type KvOperation } from '../env/env.ts'
import { PackError, pack, unpack } from '../util/pack.ts'
import type { QuorumSnapshot } from './quorum.ts'
import { decodeVote, encodeVote, type Vote, VoteFile } from './vote-file.ts'

/** What one write to the disk holds. Its parts take effect together, or after a crash not at all. */
export interface LogWrite {
  readonly vote?: { readonly epoch: number; readonly votedFor: number } | undefined
  /** Base offsets of batches on disk that are to go; with them goes all that lies behind. */
  readonly removed?: readonly number[]
  readonly append?: readonly EntryBatch[]
  /** Where the log ends then. */
  readonly endOffset: number
}

/** The entries of one proposal. */
export interface EntryBatch {
  readonly baseOffset: number
  readonly epoch: number
  readonly payloads: readonly Uint8Array[]
}

export interface SnapshotParts {
  readonly endOffset: number
  /** Of the entry before `endOffset`. */
  readonly epoch: number
  readonly chunks: readonly Uint8Array[]
}

export interface LoadedLog {
  readonly vote: Vote
  readonly snapshot: QuorumSnapshot | undefined
  /** From the snapshot's end (or 0) on, without gaps. */
  readonly batches: readonly EntryBatch[]
  readonly endOffset: number
}

const BATCH = 1
const SNAPSHOT = 2
const VERSION = 1
/** Of one read: the store may copy all it finds before it gives the first. */
const MAX_READ_BATCHES = 1000
const NO_VOTE: Vote = { sequence: 0, epoch: 0, votedFor: -1, logEndOffset: 0 }

const VOTE_KEY = Buffer.from('raft/vote')
const SNAPSHOT_KEY = Buffer.from('raft/snapshot')
const LOG_PREFIX = 'raft/log/'
const CHUNK_PREFIX = 'raft/chunk/'

export class QuorumStore {
  readonly #meta: Kv
  readonly #file: VoteFile
  readonly #directory: string
  /** As it was given to the disk last. */
  #vote = NO_VOTE
  /** Where the log begins: the end of the last snapshot. */
  #startOffset = 0

  private constructor(meta: Kv, file: VoteFile, directory: string) {
    this.#meta = meta
    this.#file = file
    this.#directory = directory
  }

  /** @throws EnvError ECORRUPT when vote, file and log do not fit together */
  static async open(disk: Disk, o: { readonly directory: string; readonly meta: Kv }): Promise<{ store: QuorumStore; log: LoadedLog }> {
    const store = new QuorumStore(o.meta, await VoteFile.open(disk, o.directory), o.directory)
    try {
      return { store, log: await store.#load() }
    } catch (error) {
      await store.close()
      throw error instanceof PackError ? store.#refusal(error.message) : error
    }
  }

  /** Where the log on disk begins: the end of the last snapshot. */
  get startOffset(): number {
    return this.#startOffset
  }

  /** Settles when all of it is on disk, the vote in both places. One write at a time. */
  async write({ vote, removed = [], append = [], endOffset }: LogWrite): Promise<void> {
    const operations: KvOperation[] = removed.map(base => ({ type: 'delete', key: logKey(base) }))
    for (const { baseOffset, epoch, payloads } of append) {
      operations.push({ type: 'put', key: logKey(baseOffset), value: pack(BATCH, VERSION, [epoch, payloads]) })
    }
    const isNewVote = vote !== undefined || endOffset < this.#vote.logEndOffset
    if (isNewVote) operations.push(this.#nextVote(vote ?? this.#vote, endOffset))
    await this.#meta.batch(operations, { sync: true })
    if (isNewVote) await this.#file.write(this.#vote)
  }

  /** The vote stays; it says now that the log ends here. */
  noteEnd(endOffset: number): Promise<void> {
    return this.write({ vote: this.#vote, endOffset })
  }

  /** Settles when the snapshot is on disk. Goes on beside other writes, but not beside another snapshot; `forgetBefore` is to follow. */
  async saveSnapshot(o: SnapshotParts): Promise<void> {
    await this.#writeChunks(o)
    await this.#meta.batch([snapshotOperation(o)], { sync: true })
    this.#startOffset = o.endOffset
  }

  /** Deletes what the snapshot that ends there replaces. A crash may undo it. */
  async forgetBefore(endOffset: number): Promise<void> {
    await this.#meta.clear({ gte: Buffer.from(CHUNK_PREFIX), lt: chunkKey(endOffset, 0) })
    await this.#meta.clear({ gte: logKey(0), lt: logKey(endOffset) })
  }

  /**
   * The leader's snapshot takes the place of the whole log. Settles when that is on disk. No other write goes on beside it.
   * @param o.removed  base offsets of the batches on disk at and after its end
   */
  async installSnapshot(o: SnapshotParts & { readonly removed: readonly number[] }): Promise<void> {
    await this.#writeChunks(o)
    const removed = o.removed.map((base): KvOperation => ({ type: 'delete', key: logKey(base) }))
    await this.#meta.batch([...removed, snapshotOperation(o), this.#nextVote(this.#vote, o.endOffset)], { sync: true })
    await this.#file.write(this.#vote)
    this.#startOffset = o.endOffset
    await this.forgetBefore(o.endOffset)
  }

  /** Batches on disk from `offset` (the base of one) up to `endOffset`, until they are `maxBytes` long; at least one if there is any. */
  async readBatches(offset: number, o: { readonly endOffset: number; readonly maxBytes: number }): Promise<EntryBatch[]> {
    const batches: EntryBatch[] = []
    let bytes = 0
    for await (const [key, value] of this.#meta.entries({ gte: logKey(offset), lt: logKey(o.endOffset), limit: MAX_READ_BATCHES })) {
      batches.push(batchOf(key, value))
      bytes += value.length
      if (bytes >= o.maxBytes) break
    }
    return batches
  }

  /** One part of the snapshot that ends there; undefined when it is not here any more. */
  readChunk(endOffset: number, index: number): Promise<Buffer | undefined> {
    return this.#meta.get(chunkKey(endOffset, index))
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #nextVote({ epoch, votedFor }: { readonly epoch: number; readonly votedFor: number }, logEndOffset: number): KvOperation {
    this.#vote = { epoch, votedFor, logEndOffset, sequence: this.#vote.sequence + 1 }
    return { type: 'put', key: VOTE_KEY, value: encodeVote(this.#vote) }
  }

  async #writeChunks({ endOffset, chunks }: SnapshotParts): Promise<void> {
    for (const [index, value] of chunks.entries()) {
      await this.#meta.batch([{ type: 'put', key: chunkKey(endOffset, index), value }], { sync: false })
    }
  }

  async #load(): Promise<LoadedLog> {
    await this.#loadVote()
    const snapshot = await this.#loadSnapshot()
    this.#startOffset = snapshot?.endOffset ?? 0
    const batches = await this.#loadBatches(snapshot)
    const last = batches.at(-1)
    const endOffset = last === undefined ? this.#startOffset : last.baseOffset + last.payloads.length
    const lastEpoch = last?.epoch ?? snapshot?.epoch ?? 0
    if (endOffset < this.#vote.logEndOffset)
      throw this.#refusal(`the metadata log ends at ${endOffset}, but ${this.#vote.logEndOffset} was on disk before`)
    if (lastEpoch > this.#vote.epoch)
      throw this.#refusal(`the metadata log holds epoch ${lastEpoch}, but the vote is of epoch ${this.#vote.epoch}`)
    return { vote: this.#vote, snapshot, batches, endOffset }
  }

  async #loadVote(): Promise<void> {
    const bytes = await this.#meta.get(VOTE_KEY)
    const inMeta = bytes === undefined ? NO_VOTE : decodeVote(bytes)
    const inFile = (await this.#file.read()) ?? NO_VOTE
    this.#vote = inMeta
    if (inFile.sequence === inMeta.sequence - 1) return this.#file.write(inMeta)
    if (inFile.sequence === inMeta.sequence && encodeVote(inFile).equals(encodeVote(inMeta))) return
    throw this.#refusal(
      `the vote in ${this.#directory}/meta (epoch ${inMeta.epoch}, number ${inMeta.sequence}) and the one in ${this.#directory}/vote ` +
        `(epoch ${inFile.epoch}, number ${inFile.sequence}) do not agree`,
    )
  }

  async #loadSnapshot(): Promise<QuorumSnapshot | undefined> {
    const bytes = await this.#meta.get(SNAPSHOT_KEY)
    if (bytes === undefined) return undefined
    const [endOffset, epoch, count] = fieldsOf(bytes, SNAPSHOT, 'metadata snapshot') as readonly [number, number, number]
    const chunks: Buffer[] = []
    const range = { gte: chunkKey(endOffset, 0), lt: chunkKey(endOffset, count) }
    for await (const [, value] of this.#meta.entries(range)) chunks.push(value)
    if (chunks.length !== count) throw this.#refusal(`the snapshot at ${endOffset} has ${chunks.length} of its ${count} parts`)
    return { endOffset, epoch, chunks }
  }

  async #loadBatches(snapshot: QuorumSnapshot | undefined): Promise<EntryBatch[]> {
    const batches: EntryBatch[] = []
    let next = this.#startOffset
    let lastEpoch = snapshot?.epoch ?? 0
    for await (const [key, value] of this.#meta.entries({ gte: logKey(0), lt: logKey(Number.MAX_SAFE_INTEGER) })) {
      const baseOffset = baseOffsetOf(key)
      // A crash may have undone the deletion of what the snapshot replaced.
      if (baseOffset < this.#startOffset) continue
      const { epoch, payloads } = batchOf(key, value)
      if (baseOffset !== next) throw this.#refusal(`the metadata log goes on at ${baseOffset} where ${next} is expected`)
      if (epoch < lastEpoch) throw this.#refusal(`the metadata log goes back from epoch ${lastEpoch} to ${epoch} at ${baseOffset}`)
      batches.push({ baseOffset, epoch, payloads })
      next = baseOffset + payloads.length
      lastEpoch = epoch
    }
    return batches
  }

  #refusal(what: string): EnvError {
    return new EnvError(
      'ECORRUPT',
      `${this.#directory} is damaged: ${what}. This node does not start, because it might contradict what it agreed to. ` +
        `Restore the directory from a copy, or move it away and start with an empty one (what only this node held is lost then).`,
    )
  }
}

function fieldsOf(bytes: Buffer, type: number, what: string): readonly unknown[] {
  const unpacked = unpack(bytes, what)
  if (unpacked.type !== type || unpacked.version !== VERSION)
    throw new PackError(`${what} of type ${unpacked.type} version ${unpacked.version} is not known here: start a newer Ottla`)
  return unpacked.fields
}

function batchOf(key: Buffer, value: Buffer): EntryBatch {
  const baseOffset = baseOffsetOf(key)
  const [epoch, payloads] = fieldsOf(value, BATCH, `metadata log at ${baseOffset}`) as readonly [number, readonly Buffer[]]
  return { baseOffset, epoch, payloads }
}

function baseOffsetOf(key: Buffer): number {
  return Number(key.readBigUInt64BE(LOG_PREFIX.length))
}

function snapshotOperation(o: SnapshotParts): KvOperation {
  return { type: 'put', key: SNAPSHOT_KEY, value: pack(SNAPSHOT, VERSION, [o.endOffset, o.epoch, o.chunks.length]) }
}

function logKey(baseOffset: number): Buffer {
  const key = Buffer.alloc(LOG_PREFIX.length + 8)
  key.write(LOG_PREFIX)
  key.writeBigUInt64BE(BigInt(baseOffset), LOG_PREFIX.length)
  return key
}

function chunkKey(endOffset: number, index: number): Buffer {
  const key = Buffer.alloc(CHUNK_PREFIX.length + 12)
  key.write(CHUNK_PREFIX)
  key.writeBigUInt64BE(BigInt(endOffset), CHUNK_PREFIX.length)
  key.writeUInt32BE(index, CHUNK_PREFIX.length + 8)
  return key
}
