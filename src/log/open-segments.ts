// How many segment files of a node are open. Idle ones (read, or written to and flushed) are closed again, the least recently used first. A file to be
// written to waits for its turn while too many are open: ten thousand partitions may be written to at once, and a process that runs out of files
// fails in LevelDB and in its sockets too.
import type { Clock, Timer } from '../env/env.ts'

/** What is bounded. */
export interface OpenSegment {
  /** In the writer's hands. */
  readonly pinned: boolean
  /** In nobody's. */
  readonly idle: boolean
  release(): Promise<void>
}

/** Files of logs that promise unflushed bytes stay open until their flush, whenever that is. When nothing is closed for so long a few more are opened. */
const PATIENCE_MS = 2000

export class OpenSegments {
  readonly #clock: Clock
  readonly #maxIdle: number
  readonly #maxOpen: number
  readonly #fail: (error: Error) => void
  /** Open and not pinned when last looked at, in order of use. */
  readonly #used = new Set<OpenSegment>()
  /** Open for writing, or about to be. */
  readonly #admitted = new Set<OpenSegment>()
  readonly #line = new Map<OpenSegment, () => void>()
  #patience: Timer | undefined

  constructor(clock: Clock, o: { maxIdle: number; maxOpen: number; fail: (error: Error) => void }) {
    this.#clock = clock
    this.#maxIdle = o.maxIdle
    this.#maxOpen = o.maxOpen
    this.#fail = o.fail
  }

  /** Settles when the segment's file, and its folder, may be made or opened to be written to. */
  admit(segment: OpenSegment): Promise<void> {
    if (this.#admitted.has(segment)) return Promise.resolve()
    if (this.#admitted.size >= this.#maxOpen) this.#closeOne(segment)
    if (this.#admitted.size < this.#maxOpen) {
      this.#admitted.add(segment)
      return Promise.resolve()
    }
    this.#patience ??= this.#clock.setTimer(PATIENCE_MS, () => this.#giveWay())
    return new Promise(enter => void this.#line.set(segment, enter))
  }

  noteUse(segment: OpenSegment): void {
    if (segment.pinned) return
    this.#used.delete(segment)
    this.#used.add(segment)
    if (this.#used.size > this.#maxIdle) this.#closeOne(segment)
    else if (this.#line.size > 0) this.#closeOne(undefined)
  }

  /** It is being closed. Who waits for its turn need not any more. */
  forget(segment: OpenSegment): void {
    this.#used.delete(segment)
    this.#enter(segment)
    this.#admitted.delete(segment)
    this.#admitWaiting()
  }

  #admitWaiting(): void {
    while (this.#line.size > 0 && this.#admitted.size < this.#maxOpen) this.#enter(this.#line.keys().next().value!)
  }

  #giveWay(): void {
    this.#patience = undefined
    for (let more = Math.max(1, this.#maxOpen / 4); more >= 1 && this.#line.size > 0; more--) this.#enter(this.#line.keys().next().value!)
  }

  #enter(segment: OpenSegment): void {
    const enter = this.#line.get(segment)
    if (enter === undefined) return
    this.#line.delete(segment)
    this.#admitted.add(segment)
    this.#patience?.cancel()
    this.#patience = this.#line.size === 0 ? undefined : this.#clock.setTimer(PATIENCE_MS, () => this.#giveWay())
    enter()
  }

  #closeOne(notThis: OpenSegment | undefined): void {
    for (const candidate of this.#used) {
      if (candidate === notThis) continue
      // It comes back when it is unpinned.
      if (candidate.pinned) this.#used.delete(candidate)
      if (!candidate.idle) continue
      this.#used.delete(candidate)
      this.#admitted.delete(candidate)
      candidate.release().then(() => this.#admitWaiting(), this.#fail)
      return
    }
  }
}
