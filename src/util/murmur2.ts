// Kafka's MurmurHash2 (seed 0x9747b28c, 32 bits, signed): the default partitioner hashes keys with it, so every client must agree on it.

const SEED = 0x9747b28c
const MIX = 0x5bd1e995

/** The hash as a signed 32-bit number. The partition of a key is `(murmur2(key) & 0x7fffffff) % partitionCount`. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  let hash = SEED ^ length
  const whole = length & ~3
  for (let p = 0; p < whole; p += 4) {
    let word = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)
    word = Math.imul(word, MIX)
    word ^= word >>> 24
    hash = Math.imul(hash, MIX) ^ Math.imul(word, MIX)
  }
  const rest = length - whole
  if (rest > 0) {
    if (rest === 3) hash ^= bytes[whole + 2]! << 16
    if (rest >= 2) hash ^= bytes[whole + 1]! << 8
    hash = Math.imul(hash ^ bytes[whole]!, MIX)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MIX)
  return hash ^ (hash >>> 15)
}
