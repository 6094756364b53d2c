// Memory that is used again. Large Buffers are external memory: V8 answers their churn with full collections, and fresh pages cost a fault each.
//
// Ownership is counted: `take` gives a lease with one holder; whoever keeps bytes beyond the call that brought them retains it, and releases it when
// they are not needed any more. With the last release the memory is taken for something else, so a release too early is corruption; one that never
// comes costs nothing but the reuse: the garbage collector has the memory then. What must not be overwritten although nobody counts its readers
// (bytes on their way into a socket) is lent: it is never used again.

import { assert } from './assert.ts'

/** From one size to the next, memory in use is at most half larger than asked for. */
const SMALLEST_CLASS_BYTES = 64
const LARGEST_CLASS_BYTES = 4 * 1024 * 1024
const SIZES: number[] = []
for (let bytes = SMALLEST_CLASS_BYTES; bytes <= LARGEST_CLASS_BYTES; bytes *= 2) SIZES.push(bytes, bytes * 1.5)
/** What is overwritten reads like this: no length, magic or checksum survives it. */
const POISON = 0xdb

export class Lease {
  /** At least as many bytes as asked for. */
  readonly bytes: Buffer
  readonly #pool: BufferPool
  #holders = 1
  #isLent = false

  /** @internal */
  constructor(pool: BufferPool, bytes: Buffer) {
    this.#pool = pool
    this.bytes = bytes
  }

  retain(): void {
    assert(this.#holders > 0, 'memory was retained that nobody holds')
    this.#holders++
  }

  /** The caller does not look at the bytes any more. */
  release(): void {
    assert(this.#holders > 0, 'memory was released that nobody holds')
    if (--this.#holders === 0 && !this.#isLent) this.#pool.takeBack(this.bytes)
  }

  /** Bytes of it are in hands that release nothing. */
  lend(): void {
    this.#isLent = true
  }
}

export class BufferPool {
  readonly smallestBytes: number
  readonly #maxIdleBytes: () => number
  readonly #poisons: boolean
  readonly #free: ((bytes: Buffer) => void) | undefined
  /** By size; the last one to come goes first: it is still in the processor's caches. */
  readonly #idle: Buffer[][] = SIZES.map(() => [])
  /** The fewest that lay idle since the last `shrink`. */
  readonly #spare: number[] = SIZES.map(() => 0)
  #idleBytes = 0

  /**
   * @param o  smallestBytes: less than this is not worth the counting. maxIdleBytes: what may lie here unused. poisons: memory is overwritten when it
   *   comes back, so that who still reads it finds out. free: takes what is given up, at once; without it the garbage collector does, in its time. With it
   *   pieces larger than any that are used again are leased, too
   */
  constructor(o: { smallestBytes: number; maxIdleBytes: number | (() => number); poisons: boolean; free?: (bytes: Buffer) => void }) {
    const { maxIdleBytes } = o
    this.smallestBytes = o.smallestBytes
    this.#maxIdleBytes = typeof maxIdleBytes === 'number' ? () => maxIdleBytes : maxIdleBytes
    this.#poisons = o.poisons
    this.#free = o.free
  }

  get idleBytes(): number {
    return this.#idleBytes
  }

  /** @returns undefined for what is too small or too large to be used again */
  take(bytes: number): Lease | undefined {
    if (bytes < this.smallestBytes) return undefined
    if (bytes > SIZES.at(-1)!) return this.#free === undefined ? undefined : new Lease(this, Buffer.allocUnsafeSlow(bytes))
    return this.takeIdle(bytes) ?? new Lease(this, Buffer.allocUnsafeSlow(SIZES[classOf(bytes)]!))
  }

  /** Only what lies here already: it costs no memory. */
  takeIdle(bytes: number): Lease | undefined {
    if (bytes < this.smallestBytes) return undefined
    const first = classOf(bytes)
    // Up to three times as large: rather a warm one than a fresh one.
    for (let size = first; size < Math.min(first + 3, SIZES.length); size++) {
      const found = this.#idle[size]!.pop()
      if (found === undefined) continue
      this.#idleBytes -= found.length
      this.#spare[size] = Math.min(this.#spare[size]!, this.#idle[size]!.length)
      return new Lease(this, found)
    }
    return undefined
  }

  /** @internal */
  takeBack(bytes: Buffer): void {
    if (this.#poisons) bytes.fill(POISON)
    if (bytes.length > SIZES.at(-1)! || this.#idleBytes + bytes.length > this.#maxIdleBytes()) {
      this.#free?.(bytes)
      return
    }
    this.#idle[classOf(bytes.length)]!.push(bytes)
    this.#idleBytes += bytes.length
  }

  /** Gives up what was not needed since the last call. */
  shrink(): void {
    for (let size = 0; size < SIZES.length; size++) {
      // Those at the bottom have been idle longest.
      for (const buffer of this.#idle[size]!.splice(0, this.#spare[size]!)) {
        this.#idleBytes -= buffer.length
        this.#free?.(buffer)
      }
      this.#spare[size] = this.#idle[size]!.length
    }
  }
}

/** The smallest size that holds so many bytes; SIZES.length when none does. */
function classOf(bytes: number): number {
  if (bytes <= SMALLEST_CLASS_BYTES) return 0
  const power = 31 - Math.clz32(bytes - 1)
  const base = 2 ** power
  return 2 * (power - 6) + (bytes <= base * 1.5 ? 1 : 2)
}
