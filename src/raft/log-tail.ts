// The newest entries in memory: all that is not both on disk and agreed, and some before it, for followers that are nearly there.
import { assert } from '../util/assert.ts'
import type { EntryBatch } from './store.ts'

/** Kept of what is on disk and agreed, where others may want it. */
const KEPT_BYTES = 1024 * 1024

export class LogTail {
  /** Without gaps, in order. */
  #batches: EntryBatch[]
  #bytes = 0
  #endOffset: number
  #keptBytes = 0

  /** @param batches  without gaps, up to `endOffset` */
  constructor(batches: readonly EntryBatch[], endOffset: number) {
    this.#batches = [...batches]
    this.#endOffset = endOffset
    for (const batch of batches) this.#bytes += sizeOf(batch)
  }

  /** Where it begins. */
  get startOffset(): number {
    return this.#batches[0]?.baseOffset ?? this.#endOffset
  }
  get endOffset(): number {
    return this.#endOffset
  }

  append(batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      assert(batch.baseOffset === this.#endOffset, `entries at ${batch.baseOffset} appended at ${this.#endOffset}`)
      this.#batches.push(batch)
      this.#bytes += sizeOf(batch)
      this.#endOffset = endOf(batch)
    }
  }

  /** @returns what was cut off */
  truncate(endOffset: number): readonly EntryBatch[] {
    assert(endOffset >= this.startOffset, `cut at ${endOffset}, kept from ${this.startOffset}`)
    const removed = this.#batches.splice(this.#indexOf(endOffset))
    for (const batch of removed) this.#bytes -= sizeOf(batch)
    this.#endOffset = Math.min(this.#endOffset, endOffset)
    return removed
  }

  /** Empty, at this offset. */
  restartAt(offset: number): void {
    this.#batches = []
    this.#bytes = 0
    this.#endOffset = offset
  }

  /** Whole batches from one offset to another; both are ends of batches. */
  between(fromOffset: number, endOffset: number): readonly EntryBatch[] {
    assert(fromOffset >= this.startOffset, `entries from ${fromOffset} asked for, kept from ${this.startOffset}`)
    return this.#batches.slice(this.#indexOf(fromOffset), this.#indexOf(endOffset))
  }

  /** Batches from this offset on until they are so long, at least one if there is any; undefined when they are not kept any more. */
  from(offset: number, maxBytes: number): readonly EntryBatch[] | undefined {
    if (offset < this.startOffset) return undefined
    const begin = this.#indexOf(offset)
    let [end, bytes] = [begin, 0]
    while (end < this.#batches.length && bytes < maxBytes) bytes += sizeOf(this.#batches[end++]!)
    return this.#batches.slice(begin, end)
  }

  /** Somebody may ask for what is on disk and agreed. */
  keepSome(): void {
    this.#keptBytes = KEPT_BYTES
  }

  /** Where what is kept begins if only the bound counts. */
  get boundedStartOffset(): number {
    let [first, bytes] = [0, this.#bytes]
    while (bytes > this.#keptBytes) bytes -= sizeOf(this.#batches[first++]!)
    return this.#batches[first]?.baseOffset ?? this.#endOffset
  }

  /** Lets go of the oldest beyond a bound, as far as the owner allows. */
  trim(mayGo: (batch: EntryBatch) => boolean): void {
    let [count, bytes] = [0, this.#bytes]
    while (bytes > this.#keptBytes && count < this.#batches.length && mayGo(this.#batches[count]!)) bytes -= sizeOf(this.#batches[count++]!)
    if (count === 0) return
    this.#batches.splice(0, count)
    this.#bytes = bytes
  }

  /** Of the first batch that does not begin before this offset. */
  #indexOf(offset: number): number {
    let [low, high] = [0, this.#batches.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#batches[middle]!.baseOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function endOf(batch: EntryBatch): number {
  return batch.baseOffset + batch.payloads.length
}

export function sizeOf(batch: EntryBatch): number {
  let size = 0
  for (const payload of batch.payloads) size += payload.length
  return size
}
