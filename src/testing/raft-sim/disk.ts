// The disk of a simulated node: writes are done in their order, together with what came while one ran, and a crash keeps a first part of them.
import type { SeededRandom } from '../../env/sim/random.ts'
import type { SnapshotId } from '../../raft/messages.ts'
import type { EntryBatch } from '../../raft/store.ts'
import type { RaftEvent } from '../../raft/types.ts'
import { StoredLog } from './stored-log.ts'

export interface StoredSnapshot extends SnapshotId {
  readonly hash: number
}

type Write =
  | { readonly type: 'vote'; readonly epoch: number; readonly votedFor: number }
  | { readonly type: 'append'; readonly batch: EntryBatch; readonly generation: number }
  | { readonly type: 'truncate'; readonly endOffset: number; readonly generation: number }
  | { readonly type: 'install'; readonly snapshot: StoredSnapshot; readonly generation: number }
  /** Our own snapshot; the log begins at `startOffset` then. */
  | { readonly type: 'snapshot'; readonly snapshot: StoredSnapshot; readonly startOffset: number }

export class SimulatedDisk {
  epoch = 0
  votedFor = -1
  snapshot: StoredSnapshot | undefined
  log = new StoredLog()
  readonly #random: SeededRandom
  #waiting: Write[] = []
  #running: Write[] | undefined

  constructor(random: SeededRandom) {
    this.#random = random
  }

  get isBusy(): boolean {
    return this.#running !== undefined
  }

  write(...writes: readonly Write[]): void {
    this.#waiting.push(...writes)
  }

  /** @returns whether there is anything to write */
  maybeStart(): boolean {
    if (this.#running !== undefined || this.#waiting.length === 0) return false
    this.#running = this.#waiting
    this.#waiting = []
    return true
  }

  /** What runs is on disk now; the events tell of it. */
  finish(): RaftEvent[] {
    const done = this.#running ?? []
    this.#running = undefined
    for (const write of done) this.#perform(write)
    const events: RaftEvent[] = []
    const vote = done.findLast(write => write.type === 'vote')
    if (vote?.type === 'vote') events.push({ type: 'voteSaved', epoch: vote.epoch, votedFor: vote.votedFor })
    const last = done.findLast(write => write.type === 'append' || write.type === 'truncate' || write.type === 'install')
    if (last !== undefined && 'generation' in last)
      events.push({ type: 'flushed', endOffset: this.log.endOffset, generation: last.generation })
    for (const write of done) {
      if (write.type !== 'snapshot') continue
      const { startOffset, startEpoch } = this.log
      events.push({ type: 'snapshotSaved', snapshot: write.snapshot, startOffset, startEpoch })
    }
    return events
  }

  /** Some of what was not finished may have reached the disk: a first part, whole writes. */
  crash(): void {
    const open = [...(this.#running ?? []), ...this.#waiting]
    const kept = this.#random.chance(0.5) ? 0 : this.#random.integer(open.length + 1)
    for (const write of open.slice(0, kept)) this.#perform(write)
    this.#running = undefined
    this.#waiting = []
  }

  #perform(write: Write): void {
    switch (write.type) {
      case 'vote':
        this.epoch = write.epoch
        this.votedFor = write.votedFor
        return
      case 'append':
        return void this.log.append([write.batch])
      case 'truncate':
        return void this.log.truncate(write.endOffset)
      case 'install':
        this.snapshot = write.snapshot
        return void this.log.restart(write.snapshot)
      case 'snapshot':
        if (write.snapshot.endOffset <= (this.snapshot?.endOffset ?? 0)) return
        this.snapshot = write.snapshot
        this.log.moveStart(Math.min(write.startOffset, this.log.boundaryAtMost(write.startOffset)))
    }
  }
}
