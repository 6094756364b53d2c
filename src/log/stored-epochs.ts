// The leader epochs of one log, kept in `meta` as they change.

import type { DurableState } from './durable-state.ts'
import type { LeaderEpochs } from './epochs.ts'

export class StoredEpochs {
  readonly #epochs: LeaderEpochs
  readonly #durable: DurableState
  readonly #stored: () => void
  readonly #fail: (error: Error) => void
  #writes = 0
  #waiting: (() => void)[] = []

  /** @param stored  called when `isStored` has become true */
  constructor(o: { epochs: LeaderEpochs; durable: DurableState; stored: () => void; fail: (error: Error) => void }) {
    this.#epochs = o.epochs
    this.#durable = o.durable
    this.#stored = o.stored
    this.#fail = o.fail
  }

  /** Whether `meta` holds, durably, what the epochs are now. */
  get isStored(): boolean {
    return this.#writes === 0
  }

  /** A batch of this epoch, or its beginning, at this offset. */
  note(epoch: number, startOffset: number): void {
    if (epoch > this.#epochs.latestEpoch) this.change(epochs => epochs.assign(epoch, startOffset))
  }

  /** Settles when `isStored`, or when that has failed: the node stops then. */
  settled(): Promise<void> {
    return this.isStored ? Promise.resolve() : new Promise(resolve => void this.#waiting.push(resolve))
  }

  change(change: (epochs: LeaderEpochs) => void): void {
    const before = this.#epochs.entries
    change(this.#epochs)
    const after = this.#epochs.entries
    if (before === after) return
    const kept = new Set(after.map(({ epoch }) => epoch))
    const removed = before.filter(({ epoch }) => !kept.has(epoch)).map(({ epoch }) => epoch)
    const put = after.filter(entry => !before.includes(entry))
    this.#writes++
    this.#durable.changeEpochs(put, removed).then(
      () => {
        if (--this.#writes > 0) return
        this.#wake()
        this.#stored()
      },
      (error: Error) => {
        this.#fail(error)
        this.#wake()
      },
    )
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
