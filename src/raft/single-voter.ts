// A quorum of one: what this node has on disk is agreed. It leads from its start on, in an epoch of its own (DESIGN rule 2: a restarted leader
// never resumes its epoch), and its first entry there is empty. Proposals made while a flush runs go to disk together in the next one.
import type { Env, Kv } from '../env/env.ts'
import { KafkaError, NOT_CONTROLLER } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { CommittedEntry, Quorum, QuorumListener } from './quorum.ts'
import { type EntryBatch, type LoadedLog, QuorumStore } from './store.ts'

export interface SingleVoterOptions {
  /** The node's data directory; the vote file is in it. */
  readonly directory: string
  readonly meta: Kv
  readonly nodeId: number
  /** A snapshot of the state replaces the log after so many entries. */
  readonly snapshotEveryEntries?: number
  /** Told once of a failed write: the node must stop, for what is on disk is not known any more. */
  readonly fail: (error: Error) => void
}

/** One flush takes at most this much, so that the first of many waiting proposals does not wait for the last. */
const FLUSH_BYTES = 4 * 1024 * 1024
const HANDED_OVER_AT_ONCE = 10_000

export class SingleVoterQuorum implements Quorum {
  readonly nodeId: number
  readonly #env: Env
  readonly #store: QuorumStore
  readonly #options: SingleVoterOptions
  #loaded: LoadedLog | undefined
  #listener: QuorumListener | undefined
  #role: 'starting' | 'leader' | 'stopped' = 'starting'
  #epoch: number
  #committedOffset = 0
  #logEndOffset: number
  /** Proposed and not yet given to the disk. */
  #queue: EntryBatch[] = []
  /** The flush under way, or the one that starts after this turn. */
  #flushing: Promise<void> | undefined
  #entriesSinceSnapshot = 0
  #savingSnapshot: Promise<void> | undefined
  /** A write failed: nothing is written any more. */
  #broken = false

  private constructor(env: Env, store: QuorumStore, log: LoadedLog, options: SingleVoterOptions) {
    this.nodeId = options.nodeId
    this.#env = env
    this.#store = store
    this.#options = options
    this.#loaded = log
    this.#epoch = log.vote.epoch
    this.#logEndOffset = log.endOffset
  }

  /** @throws EnvError ECORRUPT when what is on disk does not fit together */
  static async open(env: Env, options: SingleVoterOptions): Promise<SingleVoterQuorum> {
    const { store, log } = await QuorumStore.open(env.disk, options)
    return new SingleVoterQuorum(env, store, log, options)
  }

  get epoch(): number {
    return this.#epoch
  }
  get isLeader(): boolean {
    return this.#role === 'leader'
  }
  get leaderId(): number {
    return this.isLeader ? this.nodeId : -1
  }
  get committedOffset(): number {
    return this.#committedOffset
  }
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  async start(listener: QuorumListener): Promise<void> {
    const log = this.#loaded
    assert(log !== undefined && this.#role === 'starting', `started in role ${this.#role}`)
    this.#loaded = undefined
    this.#listener = listener
    // Before anything is handed over: entries found after a crash may have been in the system's cache only, and this sync covers them too.
    await this.#store.write({ vote: { epoch: log.vote.epoch + 1, votedFor: this.nodeId }, endOffset: log.endOffset })
    if (this.#isStopped()) return
    this.#epoch = log.vote.epoch + 1
    if (log.snapshot !== undefined) {
      this.#committedOffset = log.snapshot.endOffset
      listener.snapshotLoaded(log.snapshot)
    }
    this.#handOver(log.batches)
    this.#role = 'leader'
    this.#env.logger.log('info', 'became metadata leader', { nodeId: this.nodeId, epoch: this.#epoch, offset: this.#logEndOffset })
    this.#append([Buffer.alloc(0)])
    listener.leaderChanged(this.#leadership())
  }

  propose(payloads: readonly Uint8Array[]): number {
    if (!this.isLeader) throw new KafkaError(NOT_CONTROLLER)
    assert(payloads.length > 0 && payloads.every(payload => payload.length > 0), 'a proposal holds at least one entry, and none is empty')
    return this.#append(payloads)
  }

  async close(): Promise<void> {
    const wasLeader = this.#stop()
    await this.#flushing
    await this.#savingSnapshot
    if (wasLeader && !this.#broken)
      await this.#store.write({ vote: { epoch: this.#epoch, votedFor: this.nodeId }, endOffset: this.#committedOffset })
    await this.#store.close()
  }

  #append(payloads: readonly Uint8Array[]): number {
    this.#queue.push({ baseOffset: this.#logEndOffset, epoch: this.#epoch, payloads })
    this.#logEndOffset += payloads.length
    this.#flushing ??= new Promise(resolve => this.#env.clock.turn(() => resolve(this.#flushQueue())))
    return this.#logEndOffset
  }

  async #flushQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#isStopped()) {
        const batches = this.#takeFromQueue()
        await this.#store.write({ append: batches, endOffset: endOf(batches.at(-1)!) })
        this.#commit(batches)
      }
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#flushing = undefined
  }

  #takeFromQueue(): EntryBatch[] {
    let [count, size] = [0, 0]
    for (const { payloads } of this.#queue) {
      if (count > 0 && size >= FLUSH_BYTES) break
      count++
      for (const payload of payloads) size += payload.length
    }
    return this.#queue.splice(0, count)
  }

  #commit(batches: readonly EntryBatch[]): void {
    // Durable, and yet nobody is told any more: the next start will.
    if (this.#isStopped()) return void (this.#committedOffset = endOf(batches.at(-1)!))
    this.#handOver(batches)
    this.#maybeSnapshot()
  }

  #handOver(batches: readonly EntryBatch[]): void {
    let entries: CommittedEntry[] = []
    for (const [index, batch] of batches.entries()) {
      assert(batch.baseOffset === this.#committedOffset, `entries at ${batch.baseOffset} committed after ${this.#committedOffset}`)
      for (const [nth, payload] of batch.payloads.entries()) {
        entries.push({
          offset: batch.baseOffset + nth,
          epoch: batch.epoch,
          payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length),
        })
      }
      this.#committedOffset = endOf(batch)
      if (entries.length < HANDED_OVER_AT_ONCE && index < batches.length - 1) continue
      this.#entriesSinceSnapshot += entries.length
      this.#listener!.committed(entries)
      entries = []
    }
  }

  #maybeSnapshot(): void {
    const every = this.#options.snapshotEveryEntries ?? 20_000
    if (this.#entriesSinceSnapshot < every || this.#savingSnapshot !== undefined || this.#isStopped()) return
    this.#entriesSinceSnapshot = 0
    const snapshot = { endOffset: this.#committedOffset, epoch: this.#epoch, chunks: this.#listener!.takeSnapshot() }
    this.#savingSnapshot = this.#store
      .saveSnapshot(snapshot)
      .then(() => this.#store.forgetBefore(snapshot.endOffset))
      .catch(error => this.#fail(error as Error))
      .then(() => void (this.#savingSnapshot = undefined))
  }

  #fail(error: Error): void {
    this.#broken = true
    if (!this.#stop()) return
    this.#listener?.leaderChanged(this.#leadership())
    this.#options.fail(error)
  }

  /** Returns whether it led. */
  #stop(): boolean {
    const wasLeader = this.isLeader
    this.#role = 'stopped'
    this.#queue = []
    return wasLeader
  }

  /** A method, because the role changes while others wait. */
  #isStopped(): boolean {
    return this.#role === 'stopped'
  }

  #leadership() {
    return { epoch: this.#epoch, leaderId: this.leaderId, isLeader: this.isLeader }
  }
}

function endOf(batch: EntryBatch): number {
  return batch.baseOffset + batch.payloads.length
}
