// The newest bytes of a log, kept in memory for consumers and followers at its tail. What is evicted is read from the segment file instead.
// One budget serves all logs of a node: the oldest chunk of any log goes first. Where nobody reads at the end nothing is kept, and where only followers
// do, what all of them have goes with the next write: the memory of a request is free for the next one, and stays in the processor's caches.

import type { Clock } from '../env/env.ts'
import * as batch from '../protocol/batch.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { LogEvents } from './log-events.ts'
import { cutWholeBatches, type LogSlice, type ReadBounds } from './walk.ts'
import type { WrittenGroup } from './writer.ts'

/** What an array slot and a Buffer object cost beside the bytes. */
const CHUNK_OVERHEAD_BYTES = 160
/** Chunks whose average is at most this are handed out as one copy: cheaper for a socket than many. */
const SMALL_CHUNK_BYTES = 4096
/** Evicted slots at the front are given back once there are this many. */
const COMPACT_FROM = 256

/** So long after somebody read up to the end the newest bytes are kept. */
const WANTED_MS = 5000

/**
 * Bounds the memory that all hot tails of a node hold: a chunk may be a small part of a large request, and holds all of it. Owners stand in it in the
 * order in which their chunks came.
 */
export class HotTailBudget {
  readonly #limitBytes: number
  #bytes = 0
  /** How many chunks lie in each piece of memory, which counts once. */
  readonly #chunkCounts = new Map<ArrayBufferLike, number>()
  #owners: HotTail[] = []
  #head = 0
  /** Slots of chunks that their owners dropped by themselves. */
  #staleSlots = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  added(owner: HotTail, { buffer }: Buffer): void {
    const count = this.#chunkCounts.get(buffer) ?? 0
    this.#chunkCounts.set(buffer, count + 1)
    this.#bytes += CHUNK_OVERHEAD_BYTES + (count === 0 ? buffer.byteLength : 0)
    this.#owners.push(owner)
    while (this.#bytes > this.#limitBytes && this.#head < this.#owners.length) {
      const oldest = this.#owners[this.#head++]!
      if (!this.#isStale(oldest)) oldest.evictOldest()
    }
    if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#owners.length) {
      this.#owners = this.#owners.slice(this.#head)
      this.#head = 0
    }
  }

  /** The owner dropped a chunk by itself: the oldest slot it has here is that chunk's no more. */
  dropped(owner: HotTail, chunk: Buffer): void {
    this.removed(chunk)
    owner.staleSlots++
    if (++this.#staleSlots < COMPACT_FROM || this.#staleSlots * 2 < this.#owners.length - this.#head) return
    this.#owners = this.#owners.slice(this.#head).filter(of => !this.#isStale(of))
    this.#head = 0
  }

  /** Asked of each slot once, oldest first. */
  #isStale(owner: HotTail): boolean {
    if (owner.staleSlots === 0) return false
    owner.staleSlots--
    this.#staleSlots--
    return true
  }

  /** Of a chunk whose slot is gone. */
  removed({ buffer }: Buffer): void {
    const left = this.#chunkCounts.get(buffer)! - 1
    if (left > 0) this.#chunkCounts.set(buffer, left)
    else this.#chunkCounts.delete(buffer)
    this.#bytes -= CHUNK_OVERHEAD_BYTES + (left === 0 ? buffer.byteLength : 0)
  }
}

/** Consecutive chunks of whole batches, oldest first. Chunk k covers the offsets from its base to the base of chunk k + 1. */
export class HotTail {
  readonly #budget: HotTailBudget
  readonly #clock: Clock
  readonly #isAwaited: LogEvents['isAwaited']
  /** Slots in the budget whose chunks this tail has dropped. */
  staleSlots = 0
  /** When somebody last read up to the end, followers apart. */
  #endReadAt = Number.NEGATIVE_INFINITY
  #chunks: Buffer[] = []
  /** Of the chunks' memory; held until the chunk is dropped. */
  #leases: (Lease | undefined)[] = []
  #baseOffsets: number[] = []
  #head = 0
  #endOffset = 0

  constructor(budget: HotTailBudget, o: { clock: Clock; isAwaited: LogEvents['isAwaited'] }) {
    this.#budget = budget
    this.#clock = o.clock
    this.#isAwaited = o.isAwaited
  }

  /** Whether somebody will want what is written now. */
  get isWanted(): boolean {
    const awaited = this.#isAwaited?.()
    return (awaited !== undefined && awaited !== false) || this.#wasReadLately
  }

  get #wasReadLately(): boolean {
    return this.#clock.now() - this.#endReadAt < WANTED_MS
  }

  /** @param endOffset  of what may be read */
  noteRead(slice: LogSlice, endOffset: number): LogSlice {
    if (slice.nextOffset >= endOffset && slice.isFollowers !== true) this.#endReadAt = this.#clock.now()
    return slice
  }

  wrote({ chunks, leases, isKept, baseOffset, endOffset }: WrittenGroup): void {
    if (isKept) {
      const awaited = this.#isAwaited?.()
      if (typeof awaited === 'object' && !this.#wasReadLately) this.#dropBelow(awaited.from)
      this.pushAll(chunks, leases, baseOffset, endOffset)
    } else {
      this.clear()
      for (const lease of leases) lease?.release()
    }
  }

  /** Whether a read at this offset (below the written end) can be served from here. */
  holds(offset: number): boolean {
    return this.#head < this.#chunks.length && offset >= this.#baseOffsets[this.#head]! && offset < this.#endOffset
  }

  /** The chunks of one write: whole batches, consecutive. Their leases are this tail's from now on. */
  pushAll(chunks: readonly Buffer[], leases: readonly (Lease | undefined)[], baseOffset: number, endOffset: number): void {
    let base = baseOffset
    for (let i = 0; i < chunks.length; i++) {
      const end = i + 1 < chunks.length ? batch.baseOffset(chunks[i + 1]!, 0) : endOffset
      this.push({ chunk: chunks[i]!, lease: leases[i] }, base, end)
      base = end
    }
  }

  push({ chunk, lease }: { chunk: Buffer; lease?: Lease | undefined }, baseOffset: number, endOffset: number): void {
    if (baseOffset !== this.#endOffset) this.clear()
    this.#chunks.push(chunk)
    this.#leases.push(lease)
    this.#baseOffsets.push(baseOffset)
    this.#endOffset = endOffset
    this.#budget.added(this, chunk)
  }

  /** Takes the whole batches from the one that holds `offset` up to the bounds. Call only when `holds(offset)`. */
  read(o: ReadBounds): LogSlice {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    let nextOffset = o.offset
    const first = this.#find(o.offset)
    for (let i = first; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!
      const chunkEnd = this.#baseOffsetAt(i + 1)
      if (this.#baseOffsets[i]! >= nextOffset && chunkEnd <= o.endOffset && sizeBytes + chunk.length <= o.maxBytes) {
        chunks.push(chunk)
        sizeBytes += chunk.length
        nextOffset = chunkEnd
        continue
      }
      const cut = cutWholeBatches(chunk, {
        offset: nextOffset,
        endOffset: o.endOffset,
        maxBytes: o.maxBytes - sizeBytes,
        minOneBatch: o.minOneBatch && sizeBytes === 0,
      })
      if (cut.end > cut.start) {
        chunks.push(cut.start === 0 && cut.end === chunk.length ? chunk : chunk.subarray(cut.start, cut.end))
        sizeBytes += cut.end - cut.start
        nextOffset = cut.nextOffset
      }
      if (cut.end < chunk.length) break
    }
    const isFollowers = o.withEmpty
    const areSmall = chunks.length > 1 && sizeBytes <= chunks.length * SMALL_CHUNK_BYTES
    if (areSmall) return { chunks: [Buffer.concat(chunks, sizeBytes)], sizeBytes, nextOffset, isFollowers }
    return { chunks, sizeBytes, nextOffset, isFollowers, leases: this.#hold(first, nextOffset) }
  }

  /** For a reader: the memory of the chunks from this one on that begin below the offset. */
  #hold(first: number, endOffset: number): Lease[] | undefined {
    let held: Lease[] | undefined
    for (let i = first; i < this.#chunks.length && this.#baseOffsets[i]! < endOffset; i++) {
      const lease = this.#leases[i]
      if (lease === undefined) continue
      lease.retain()
      if (held === undefined) held = [lease]
      else held.push(lease)
    }
    return held
  }

  /** Drops every chunk that reaches `offset` or beyond. */
  truncate(offset: number): void {
    while (this.#chunks.length > this.#head && this.#endOffset > offset) {
      this.#budget.dropped(this, this.#chunks.pop()!)
      this.#endOffset = this.#baseOffsets.pop()!
      this.#leases.pop()?.release()
    }
  }

  clear(): void {
    for (let i = this.#head; i < this.#chunks.length; i++) {
      this.#budget.dropped(this, this.#chunks[i]!)
      this.#leases[i]?.release()
    }
    this.#forget()
  }

  #forget(): void {
    if (this.#chunks.length === 0) return
    this.#chunks = []
    this.#leases = []
    this.#baseOffsets = []
    this.#head = 0
  }

  /** All that ends at or below the offset. */
  #dropBelow(offset: number): void {
    while (this.#head < this.#chunks.length && this.#baseOffsetAt(this.#head + 1) <= offset) {
      this.#budget.dropped(this, this.#chunks[this.#head]!)
      this.#dropOldest()
    }
  }

  /** Called by the budget, which has given up the slot. */
  evictOldest(): void {
    if (this.#head === this.#chunks.length) return
    this.#budget.removed(this.#chunks[this.#head]!)
    this.#dropOldest()
  }

  #dropOldest(): void {
    this.#chunks[this.#head] = EMPTY
    this.#leases[this.#head]?.release()
    this.#leases[this.#head++] = undefined
    if (this.#head === this.#chunks.length) {
      this.#forget()
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#leases = this.#leases.slice(this.#head)
      this.#baseOffsets = this.#baseOffsets.slice(this.#head)
      this.#head = 0
    }
  }

  #baseOffsetAt(index: number): number {
    return index < this.#baseOffsets.length ? this.#baseOffsets[index]! : this.#endOffset
  }

  /** The last chunk whose base is at or before the offset. */
  #find(offset: number): number {
    let low = this.#head
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#baseOffsets[middle]! <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

const EMPTY = Buffer.alloc(0)
