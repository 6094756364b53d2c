// Which leader epoch wrote which part of a log: the start offset of every epoch that has records (or has just begun). Followers and consumers
// find with it where two logs part (KIP-101, KIP-279, KIP-320; Kafka's LeaderEpochFileCache).
//
// Entries are in ascending order of epoch and, strictly, of start offset. An epoch ends where the next one starts, the latest at the log's end.

import { assert } from '../util/assert.ts'

export interface EpochEntry {
  readonly epoch: number
  readonly startOffset: number
}

/** -1 and -1: the log knows no such epoch. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

const UNKNOWN: EpochEnd = { epoch: -1, endOffset: -1 }

export class LeaderEpochs {
  #entries: EpochEntry[] = []
  #log: { readonly logEndOffset: number } | undefined

  /** @param entries  as `entries` gave them to be kept, in any order */
  constructor(entries: readonly EpochEntry[]) {
    for (const entry of [...entries].sort((a, b) => a.epoch - b.epoch)) this.assign(entry.epoch, entry.startOffset)
  }

  /** Names the log whose end is the end of the latest epoch, before endOffsetFor is asked. */
  follow(log: { readonly logEndOffset: number }): this {
    this.#log = log
    return this
  }

  /** To be persisted after each call that changed them. */
  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  /** -1 when there is none. */
  get latestEpoch(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  /**
   * The epoch begins, or its first batch arrives, at `startOffset`. Known and not earlier: nothing changes. Otherwise entries that contradict
   * it (later epochs, or ones that start at or behind it) go: nothing was written under them, or it was cut away.
   * @returns whether the entries changed
   */
  assign(epoch: number, startOffset: number): boolean {
    assert(epoch >= 0 && startOffset >= 0, `leader epoch ${epoch} at offset ${startOffset}`)
    const latest = this.#entries.at(-1)
    if (latest !== undefined && latest.epoch === epoch && startOffset >= latest.startOffset) return false
    let kept = this.#entries.length
    while (kept > 0 && contradicts(this.#entries[kept - 1]!, epoch, startOffset)) kept--
    this.#entries = [...this.#entries.slice(0, kept), { epoch, startOffset }]
    return true
  }

  /**
   * The end of `epoch` in this log: for the latest epoch the log end; for one between two known ones the epoch below it and the start of the next; for
   * one before all of them itself and the start of the first, since its records are gone; for one not reached yet, or -1, unknown.
   */
  endOffsetFor(epoch: number): EpochEnd {
    const log = this.#log
    assert(log !== undefined, 'the end of an epoch is asked of no log')
    if (epoch === -1 || epoch > this.latestEpoch) return UNKNOWN
    if (epoch === this.latestEpoch) return { epoch, endOffset: log.logEndOffset }
    const next = this.#entries.findIndex(entry => entry.epoch > epoch)
    const endOffset = this.#entries[next]!.startOffset
    return { epoch: next === 0 ? epoch : this.#entries[next - 1]!.epoch, endOffset }
  }

  /** The epoch under which the record at `offset` was (or the next one will be) written; -1 before the first entry. */
  epochAt(offset: number): number {
    return this.#entries.findLast(entry => entry.startOffset <= offset)?.epoch ?? -1
  }

  /** The log was cut back to end at `endOffset`: epochs that start there or later go. @returns whether the entries changed */
  truncateFromEnd(endOffset: number): boolean {
    const kept = this.#entries.filter(entry => entry.startOffset < endOffset)
    if (kept.length === this.#entries.length) return false
    this.#entries = kept
    return true
  }

  /** The log now starts at `startOffset`: the epoch it lies in starts there too, those before it go. @returns whether the entries changed */
  truncateFromStart(startOffset: number): boolean {
    const at = this.#entries.findLastIndex(entry => entry.startOffset <= startOffset)
    if (at < 0) return false
    const first = this.#entries[at]!
    if (at === 0 && first.startOffset === startOffset) return false
    this.#entries = [{ epoch: first.epoch, startOffset }, ...this.#entries.slice(at + 1)]
    return true
  }

  clear(): void {
    this.#entries = []
  }
}

function contradicts(entry: EpochEntry, epoch: number, startOffset: number): boolean {
  return entry.epoch >= epoch || entry.startOffset >= startOffset
}
