// XXH32 with seed 0: the checksums inside LZ4 frames.

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** The hash of bytes start…end (exclusive), as an unsigned 32-bit number. */
export function xxhash32(b: Uint8Array, start: number, end: number): number {
  let p = start
  let hash: number
  if (end - start >= 16) {
    let v1 = (PRIME_1 + PRIME_2) | 0
    let v2 = PRIME_2 | 0
    let v3 = 0
    let v4 = -PRIME_1 | 0
    for (; p <= end - 16; p += 16) {
      v1 = round(v1, word(b, p))
      v2 = round(v2, word(b, p + 4))
      v3 = round(v3, word(b, p + 8))
      v4 = round(v4, word(b, p + 12))
    }
    hash = (rotate(v1, 1) + rotate(v2, 7) + rotate(v3, 12) + rotate(v4, 18)) | 0
  } else {
    hash = PRIME_5
  }
  hash = (hash + (end - start)) | 0
  for (; p <= end - 4; p += 4) hash = Math.imul(rotate((hash + Math.imul(word(b, p), PRIME_3)) | 0, 17), PRIME_4)
  for (; p < end; p++) hash = Math.imul(rotate((hash + Math.imul(b[p]!, PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function word(b: Uint8Array, p: number): number {
  return b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)
}
