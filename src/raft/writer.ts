// What goes to the disk, in order: votes, appended batches, cuts, the leader's snapshot. What came while a write ran goes into the next one together
// (group commit), up to a bound, so that the first of many waiting proposals does not wait for the last.
import { endOf, sizeOf } from './log-tail.ts'
import type { EntryBatch, QuorumStore, SnapshotParts } from './store.ts'

const FLUSH_BYTES = 4 * 1024 * 1024

/** What a finished write has made durable. */
export interface Written {
  readonly vote: { readonly epoch: number; readonly votedFor: number } | undefined
  /** Where the log on disk ends, and its generation then. */
  readonly endOffset: number
  readonly generation: number
}

type Queued =
  | { readonly type: 'vote'; readonly epoch: number; readonly votedFor: number }
  | { readonly type: 'append'; readonly batch: EntryBatch }
  | { readonly type: 'truncate'; readonly endOffset: number; readonly generation: number; readonly removed: readonly number[] }
  | Install

interface Install {
  readonly type: 'install'
  readonly snapshot: SnapshotParts
  readonly generation: number
  readonly removed: readonly number[]
}

export interface WriterOptions {
  /** Where the log on disk ends at first; its generation is 0. */
  readonly endOffset: number
  readonly written: (written: Written) => void
  /** Once; nothing is written after it. */
  readonly failed: (error: Error) => void
}

export class LogWriter {
  readonly #store: QuorumStore
  readonly #options: WriterOptions
  #queue: Queued[] = []
  #endOffset: number
  #generation = 0
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(store: QuorumStore, options: WriterOptions) {
    this.#store = store
    this.#options = options
    this.#endOffset = options.endOffset
  }

  /** Of the log on disk. */
  get endOffset(): number {
    return this.#endOffset
  }
  /** The leader's snapshot waits or is being written: no other may be. */
  get isInstalling(): boolean {
    return this.#queue.some(({ type }) => type === 'install')
  }

  vote(vote: { readonly epoch: number; readonly votedFor: number }): void {
    this.#queue.push({ ...vote, type: 'vote' })
  }

  append(batches: readonly EntryBatch[]): void {
    for (const batch of batches) this.#queue.push({ type: 'append', batch })
  }

  /** @param o.removed  base offsets of what is cut off */
  truncate(o: { readonly endOffset: number; readonly generation: number; readonly removed: readonly number[] }): void {
    this.#queue.push({ ...o, type: 'truncate' })
  }

  /** @param o.removed  base offsets of what lies at and behind the snapshot's end */
  install(o: { readonly snapshot: SnapshotParts; readonly generation: number; readonly removed: readonly number[] }): void {
    this.#queue.push({ ...o, type: 'install' })
  }

  /**
   * Begins to write what waits.
   * @param beforeInstall  what must have ended before the leader's snapshot is written
   */
  start(beforeInstall: () => Promise<void> | undefined): void {
    if (this.#running === undefined && this.#queue.length > 0 && !this.#isStopped) this.#running = this.#run(beforeInstall)
  }

  /** What waits is dropped. Settles when the write under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(beforeInstall: () => Promise<void> | undefined): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#isStopped) {
        const first = this.#queue[0]!
        if (first.type === 'install') {
          await beforeInstall()
          await this.#install(first)
        } else await this.#writeTogether()
      }
    } catch (error) {
      this.#isStopped = true
      this.#options.failed(error as Error)
    }
    this.#running = undefined
  }

  async #install({ snapshot, generation, removed }: Install): Promise<void> {
    await this.#store.installSnapshot({ ...snapshot, removed })
    this.#queue.shift()
    this.#endOffset = snapshot.endOffset
    this.#generation = generation
    this.#options.written({ vote: undefined, endOffset: this.#endOffset, generation })
  }

  async #writeTogether(): Promise<void> {
    const { vote, append, removed, endOffset, generation } = this.#take()
    await this.#store.write({ vote, removed, append, endOffset })
    this.#endOffset = endOffset
    this.#generation = generation
    this.#options.written({ vote, endOffset, generation })
  }

  /** The net effect of as much as goes into one write. */
  #take() {
    let vote: { readonly epoch: number; readonly votedFor: number } | undefined
    let append: EntryBatch[] = []
    const removed: number[] = []
    let [endOffset, generation, bytes, count] = [this.#endOffset, this.#generation, 0, 0]
    for (const queued of this.#queue) {
      if (queued.type === 'install' || (queued.type === 'append' && bytes >= FLUSH_BYTES)) break
      count++
      if (queued.type === 'vote') vote = { epoch: queued.epoch, votedFor: queued.votedFor }
      else if (queued.type === 'append') {
        append.push(queued.batch)
        bytes += sizeOf(queued.batch)
        endOffset = endOf(queued.batch)
      } else {
        const cut = queued.endOffset
        append = append.filter(({ baseOffset }) => baseOffset < cut)
        removed.push(...queued.removed)
        endOffset = cut
        generation = queued.generation
      }
    }
    this.#queue.splice(0, count)
    return { vote, append, removed, endOffset, generation }
  }
}
