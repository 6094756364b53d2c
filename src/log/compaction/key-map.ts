// The newest offset of each key of a stretch of log, in one block of memory of a fixed size. Kafka's SkimpyOffsetMap keeps MD5 sums; a key here is known
// by 128 bits too: two HalfSipHash-1-3 of 64 bits under secret random keys. Keys themselves are not kept. Two keys that met in all 128 bits would lose the
// older one's record: among the 5 million keys of a full map that happens once in 2^84 maps, and nobody can choose such keys without knowing the secret.
//
// Slots of 24 bytes, open addressing with linear probing: hash 4 × int32 · offset + 1 as float64 (0: free).

import { assert } from '../../util/assert.ts'

export const SLOT_BYTES = 24
const SLOT_INTS = 6
const SLOT_FLOATS = 3
const TWO_TO_32 = 0x1_0000_0000
const SECRET_BYTES = 16

export class KeyMap {
  /** Everything of the log up to here (inclusive), from where the map was begun, is in it; -1: nothing is. */
  latestOffset = -1
  readonly #slots: number
  readonly #maxSize: number
  readonly #hashes: Int32Array
  readonly #offsets: Float64Array
  readonly #secret: Int32Array
  #size = 0
  #h0 = 0
  #h1 = 0
  #h2 = 0
  #h3 = 0

  /** @param o  bytes: of the block. loadFactor: share of the slots that may be taken, below 1. secret: 16 random bytes */
  constructor(o: { bytes: number; loadFactor: number; secret: Buffer }) {
    assert(o.secret.length === SECRET_BYTES, `a secret of ${o.secret.length} bytes`)
    this.#slots = Math.max(2, Math.floor(o.bytes / SLOT_BYTES))
    this.#maxSize = Math.min(this.#slots - 1, Math.max(1, Math.floor(this.#slots * o.loadFactor)))
    const block = new ArrayBuffer(this.#slots * SLOT_BYTES)
    this.#hashes = new Int32Array(block)
    this.#offsets = new Float64Array(block)
    this.#secret = Int32Array.from({ length: 4 }, (_, i) => o.secret.readInt32LE(4 * i))
  }

  /** How many bytes hold so many keys. */
  static bytesFor(keys: number, loadFactor: number): number {
    return (Math.ceil(keys / loadFactor) + 2) * SLOT_BYTES
  }

  get size(): number {
    return this.#size
  }

  /** Offsets come in ascending order. @returns false, and changes nothing, when a new key finds no room */
  put(b: Buffer, start: number, length: number, offset: number): boolean {
    const slot = this.#find(b, start, length)
    if (this.#offsets[slot * SLOT_FLOATS + 2] === 0) {
      if (this.#size === this.#maxSize) return false
      this.#size++
      const at = slot * SLOT_INTS
      this.#hashes[at] = this.#h0
      this.#hashes[at + 1] = this.#h1
      this.#hashes[at + 2] = this.#h2
      this.#hashes[at + 3] = this.#h3
    }
    this.#offsets[slot * SLOT_FLOATS + 2] = offset + 1
    return true
  }

  /** -1: the key is not in the map. */
  offsetOf(b: Buffer, start: number, length: number): number {
    return this.#offsets[this.#find(b, start, length) * SLOT_FLOATS + 2]! - 1
  }

  /** The key's slot, or the free one where it belongs. Its hash is in #h0…#h3. */
  #find(b: Buffer, start: number, length: number): number {
    this.#hash(b, start, length)
    const hashes = this.#hashes
    const h0 = this.#h0
    let slot = Math.floor(((h0 >>> 0) / TWO_TO_32) * this.#slots)
    for (;;) {
      if (this.#offsets[slot * SLOT_FLOATS + 2] === 0) return slot
      const at = slot * SLOT_INTS
      if (hashes[at] === h0 && hashes[at + 1] === this.#h1 && hashes[at + 2] === this.#h2 && hashes[at + 3] === this.#h3) return slot
      if (++slot === this.#slots) slot = 0
    }
  }

  #hash(b: Buffer, start: number, length: number): void {
    halfSipHash(b, start, length, this.#secret[0]!, this.#secret[1]!)
    this.#h0 = low
    this.#h1 = high
    halfSipHash(b, start, length, this.#secret[2]!, this.#secret[3]!)
    this.#h2 = low
    this.#h3 = high
  }
}

/** What the last halfSipHash came to. */
let low = 0
let high = 0

/** HalfSipHash-1-3 with 64 bits of output (Aumasson, Bernstein; as in Linux' tables, with the longer output of the reference implementation). */
function halfSipHash(b: Buffer, start: number, length: number, k0: number, k1: number): void {
  let v0 = k0
  let v1 = k1 ^ 0xee
  let v2 = 0x6c796765 ^ k0
  let v3 = 0x74656462 ^ k1
  const whole = start + (length & ~3)
  let last = length << 24
  for (let p = start; ; p += 4) {
    let word: number
    let rounds = 1
    if (p < whole) {
      word = b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)
    } else {
      for (let i = (length & 3) - 1; i >= 0; i--) last |= b[p + i]! << (8 * i)
      word = last
      // The word, then both halves of the output: 1 + 3 + 3 rounds.
      rounds = 7
    }
    v3 ^= word
    for (let round = 1; round <= rounds; round++) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      if (rounds === 1) continue
      if (round === 1) {
        v0 ^= word
        v2 ^= 0xee
      } else if (round === 4) {
        low = v1 ^ v3
        v1 ^= 0xdd
      }
    }
    if (rounds > 1) break
    v0 ^= word
  }
  high = v1 ^ v3
}
