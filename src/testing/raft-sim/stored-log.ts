// The log of a simulated node, once as its process has it and once as its disk has it. Every batch end has a hash of all that is before it: two
// logs with equal hashes at an offset are equal up to there, whatever was cut off or put into snapshots since.
import type { EntryBatch } from '../../raft/store.ts'
import { assert } from '../../util/assert.ts'

export class StoredLog {
  startOffset = 0
  startEpoch = 0
  startHash = 0
  /** Rising, without gaps. */
  readonly batches: EntryBatch[] = []
  /** At the end of each batch. */
  readonly hashes: number[] = []

  get endOffset(): number {
    const last = this.batches.at(-1)
    return last === undefined ? this.startOffset : last.baseOffset + last.payloads.length
  }

  append(batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      assert(batch.baseOffset === this.endOffset, `a batch at ${batch.baseOffset} after the end ${this.endOffset}`)
      const hash = this.hashes.at(-1) ?? this.startHash
      this.batches.push(batch)
      this.hashes.push(hashOf(batch, hash))
    }
  }

  truncate(endOffset: number): void {
    while (this.batches.length > 0 && this.batches.at(-1)!.baseOffset >= endOffset) {
      this.batches.pop()
      this.hashes.pop()
    }
    assert(this.endOffset === endOffset, `cut at ${endOffset}, inside the batch that ends at ${this.endOffset}`)
  }

  /** The entries before it are in a snapshot. */
  moveStart(offset: number): void {
    if (offset <= this.startOffset) return
    const count = this.#batchesUpTo(offset)
    this.startEpoch = this.batches[count - 1]!.epoch
    this.startHash = this.hashes[count - 1]!
    this.batches.splice(0, count)
    this.hashes.splice(0, count)
    this.startOffset = offset
  }

  restart(o: { readonly endOffset: number; readonly epoch: number; readonly hash: number }): void {
    this.batches.length = this.hashes.length = 0
    this.startOffset = o.endOffset
    this.startEpoch = o.epoch
    this.startHash = o.hash
  }

  /** Undefined: no batch ends there, or the log begins behind. */
  hashAt(offset: number): number | undefined {
    if (offset === this.startOffset) return this.startHash
    if (offset < this.startOffset || offset > this.endOffset) return undefined
    const count = this.#countUpTo(offset)
    return count > 0 && endOf(this.batches[count - 1]!) === offset ? this.hashes[count - 1] : undefined
  }

  /** The ends of batches in (from, to], with their hashes. */
  *endsWithin(from: number, to: number): Generator<[number, number]> {
    for (let i = this.#countUpTo(from); i < this.batches.length; i++) {
      const end = endOf(this.batches[i]!)
      if (end > to) return
      yield [end, this.hashes[i]!]
    }
  }

  epochBefore(offset: number): number {
    return offset === this.startOffset ? this.startEpoch : this.batches[this.#batchesUpTo(offset) - 1]!.epoch
  }

  from(offset: number, most: number): EntryBatch[] {
    const first = offset === this.startOffset ? 0 : this.#batchesUpTo(offset)
    return this.batches.slice(first, first + most)
  }

  /** The largest batch end that is not above. */
  boundaryAtMost(offset: number): number {
    const count = this.#countUpTo(offset)
    return count === 0 ? this.startOffset : endOf(this.batches[count - 1]!)
  }

  copy(): StoredLog {
    const copy = new StoredLog()
    copy.restart({ endOffset: this.startOffset, epoch: this.startEpoch, hash: this.startHash })
    copy.batches.push(...this.batches)
    copy.hashes.push(...this.hashes)
    return copy
  }

  #batchesUpTo(offset: number): number {
    const count = this.#countUpTo(offset)
    assert(count > 0 && endOf(this.batches[count - 1]!) === offset, `${offset} is no end of a batch`)
    return count
  }

  /** Batches that end at or before the offset. */
  #countUpTo(offset: number): number {
    let [low, high] = [0, this.batches.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (endOf(this.batches[middle]!) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function endOf(batch: EntryBatch): number {
  return batch.baseOffset + batch.payloads.length
}

function hashOf({ baseOffset, epoch, payloads }: EntryBatch, before: number): number {
  let hash = mix(mix(before, baseOffset), epoch)
  for (const payload of payloads) {
    hash = mix(hash, payload.length)
    for (const byte of payload) hash = mix(hash, byte)
  }
  return hash
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x85ebca6b)
  return (mixed ^ (mixed >>> 13)) + 1
}
