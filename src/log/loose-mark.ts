// Whether a log may promise records that are only written. Before the first such promise `meta` says so durably, because after a power cut
// nobody else could tell; the mark goes after everything was flushed under flush.messages = 1.

import type { DurableState } from './durable-state.ts'

export class LooseMark {
  readonly #durable: DurableState
  readonly #changed: () => void
  readonly #fail: (error: Error) => void
  #wanted: boolean
  /** What `meta` holds, or will once the write under way is done. */
  #marked: boolean
  #isDurable: boolean
  /** The mark may go when everything before this offset is flushed. */
  #promisedUpTo = 0

  /** @param changed  called when `allowsPromises` became true */
  constructor(o: { durable: DurableState; marked: boolean; wanted: boolean; changed: () => void; fail: (error: Error) => void }) {
    this.#durable = o.durable
    this.#changed = o.changed
    this.#fail = o.fail
    this.#marked = o.marked
    this.#isDurable = o.marked
    this.#wanted = o.wanted
  }

  get allowsPromises(): boolean {
    return this.#wanted && this.#isDurable
  }

  /** @param writtenOffset  up to which unflushed records may have been promised so far */
  want(wanted: boolean, writtenOffset: number): void {
    if (this.#wanted && !wanted) this.#promisedUpTo = writtenOffset
    this.#wanted = wanted
  }

  /** Records are about to be appended. */
  appending(): void {
    if (!this.#wanted || this.#marked) return
    this.#marked = true
    this.#durable.setMark('loose', true).then(() => {
      if (!this.#marked) return
      this.#isDurable = true
      this.#changed()
    }, this.#fail)
  }

  flushed(offset: number): void {
    if (this.#wanted || !this.#marked || offset < this.#promisedUpTo) return
    this.#marked = false
    this.#isDurable = false
    this.#durable.setMark('loose', false).catch(this.#fail)
  }
}
