// The sparse index of one segment: a batch's offset and position every so many bytes of log, and the largest timestamp before it.
// Entries are hints: whoever follows one checks the batch it finds there, and falls back to the segment's start.
// In memory three typed arrays, in the index database pages of entries in append order (16 bytes an entry: relative offset u32,
// position u32, maxTimestampBefore f64). Position 0 needs no entry: it is every segment's first batch.

export interface IndexEntry {
  /** Of the batch at `position`, counted from the segment's base offset. */
  readonly relativeOffset: number
  readonly position: number
  /** The largest timestamp of the batches before it in this segment; -1 when there is none. Monotone, so it serves time lookups. */
  readonly maxTimestampBefore: number
}

export const SEGMENT_START: IndexEntry = { relativeOffset: 0, position: 0, maxTimestampBefore: -1 }

const ENTRY_BYTES = 16
const FIRST_CAPACITY = 16
const NO_UINTS = new Uint32Array(0)
const NO_FLOATS = new Float64Array(0)

export class OffsetIndex {
  #count = 0
  // Allocated with the first entry: most segments of an idle node never get one.
  #relativeOffsets = NO_UINTS
  #positions = NO_UINTS
  #maxTimestamps = NO_FLOATS
  /** Entries before this one are in the index database. */
  #storedCount = 0

  get count(): number {
    return this.#count
  }

  get storedCount(): number {
    return this.#storedCount
  }

  /** Position of the last entry, 0 when there is none. */
  get lastPosition(): number {
    return this.#count === 0 ? 0 : this.#positions[this.#count - 1]!
  }

  /** @returns false, and changes nothing, when the entry does not follow the last one: it is then not to be trusted */
  append(relativeOffset: number, position: number, maxTimestampBefore: number): boolean {
    if (position <= this.lastPosition || (this.#count > 0 && relativeOffset <= this.#relativeOffsets[this.#count - 1]!)) return false
    if (this.#count === this.#positions.length) this.#grow()
    this.#relativeOffsets[this.#count] = relativeOffset
    this.#positions[this.#count] = position
    this.#maxTimestamps[this.#count] = maxTimestampBefore
    this.#count++
    return true
  }

  /** The last entry at or before the offset. */
  floor(relativeOffset: number): IndexEntry {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#relativeOffsets[middle]! <= relativeOffset) low = middle + 1
      else high = middle
    }
    return this.#entry(low - 1)
  }

  /** The last entry all batches before which are older than `timestamp`: the first batch as young as it lies at or after this entry. */
  floorOfTimestamp(timestamp: number): IndexEntry {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#maxTimestamps[middle]! < timestamp) low = middle + 1
      else high = middle
    }
    return this.#entry(low - 1)
  }

  /** Drops the entries at or after this position. */
  truncate(position: number): void {
    while (this.#count > 0 && this.#positions[this.#count - 1]! >= position) this.#count--
    this.#storedCount = Math.min(this.#storedCount, this.#count)
  }

  /** The entries from…to (exclusive), as a page of the index database. */
  page(from: number, to: number): Buffer {
    const page = Buffer.allocUnsafe((to - from) * ENTRY_BYTES)
    for (let i = from, at = 0; i < to; i++, at += ENTRY_BYTES) {
      page.writeUInt32BE(this.#relativeOffsets[i]!, at)
      page.writeUInt32BE(this.#positions[i]!, at + 4)
      page.writeDoubleBE(this.#maxTimestamps[i]!, at + 8)
    }
    return page
  }

  /** Says that the first `count` entries are in the index database. */
  noteStored(count: number): void {
    this.#storedCount = Math.min(count, this.#count)
  }

  /** How many entries lie before this position. */
  countBefore(position: number): number {
    let count = this.#count
    while (count > 0 && this.#positions[count - 1]! >= position) count--
    return count
  }

  positionAt(index: number): number {
    return this.#positions[index]!
  }

  /** Takes in a page read from the index database. Entries at or after `endPosition`, or out of order, are left out. */
  load(page: Buffer, endPosition: number): void {
    for (let at = 0; at + ENTRY_BYTES <= page.length; at += ENTRY_BYTES) {
      const position = page.readUInt32BE(at + 4)
      if (position < endPosition) this.append(page.readUInt32BE(at), position, page.readDoubleBE(at + 8))
    }
    this.#storedCount = this.#count
  }

  /** Takes in the entries of an index that goes on where this one ends. */
  appendAll(next: OffsetIndex): void {
    const before = this.#count
    for (let i = 0; i < next.#count; i++) this.append(next.#relativeOffsets[i]!, next.#positions[i]!, next.#maxTimestamps[i]!)
    this.#storedCount = before + next.#storedCount
  }

  #entry(index: number): IndexEntry {
    if (index < 0) return SEGMENT_START
    return {
      relativeOffset: this.#relativeOffsets[index]!,
      position: this.#positions[index]!,
      maxTimestampBefore: this.#maxTimestamps[index]!,
    }
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.#positions.length * 2)
    const relativeOffsets = new Uint32Array(capacity)
    const positions = new Uint32Array(capacity)
    const maxTimestamps = new Float64Array(capacity)
    relativeOffsets.set(this.#relativeOffsets)
    positions.set(this.#positions)
    maxTimestamps.set(this.#maxTimestamps)
    this.#relativeOffsets = relativeOffsets
    this.#positions = positions
    this.#maxTimestamps = maxTimestamps
  }
}
