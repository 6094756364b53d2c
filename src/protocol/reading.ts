// What compiled decoders call for all that is not worth inlining. Positions beyond the end read as zero there, so everything here checks first.

import { ZERO_UUID } from '../util/uuid.ts'
import { ProtocolError } from './errors.ts'

/** Longest string on the wire, in bytes of UTF-8: Kafka refuses more in every version. */
export const MAX_STRING_BYTES = 32767
/** Most elements of one array, and most tagged fields of one struct: Kafka's limits since 4.4. */
export const MAX_ARRAY_LENGTH = 1_000_000
export const MAX_TAGGED_FIELDS = 10_000
/** What one decoded message may occupy, as estimated from the number and type of its array elements. */
export const MAX_DECODED_BYTES = 256 * 1024 * 1024

/** Where `uvarint` stopped. */
export const cursor = { p: 0 }
/** Bytes of decoded objects which the running decoder may still allocate; the decoder sets it when it starts. */
export const budget = { left: MAX_DECODED_BYTES }

/** An unsigned varint of up to five bytes; the position after it is left in `cursor.p`. */
export function uvarint(b: Buffer, p: number): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = b[p++]! | 0
    value |= (byte & 127) << shift
    if (byte < 128) {
      cursor.p = p
      return value >>> 0
    }
  }
  throw new ProtocolError('an unsigned varint is longer than five bytes')
}

/** int64 beyond 2^53: only Kafka's two extremes are understood, anything else would silently become another number. */
export function wideInt64(high: number, low: number): number {
  if (high === 0x7fffffff && low === 0xffffffff) return 2 ** 63
  if (high === -0x80000000 && low === 0) return -(2 ** 63)
  throw new ProtocolError(`an int64 is beyond 2^53: ${(BigInt(high) << 32n) + BigInt(low)}`)
}

/** int64 beyond 2^53 where only its sign matters. */
export function clampedInt64(high: number): number {
  return high < 0 ? -(2 ** 63) : 2 ** 63
}

export function bigInt64(b: Buffer, p: number, end: number): bigint {
  if (end - p < 8) throw new ProtocolError('an int64 is cut off')
  return b.readBigInt64BE(p)
}

export function float64(b: Buffer, p: number, end: number): number {
  if (end - p < 8) throw new ProtocolError('a float64 is cut off')
  return b.readDoubleBE(p)
}

// Names and ids come again and again: topics, clients, groups, topic ids. Remembering the last of each hash saves the allocation and gives the
// maps they are looked up in a string whose hash is known. A slot holds the bytes too, so a collision costs time only.
const SLOTS = 1024
const KEY_BYTES = 32
const keys = new Uint8Array(SLOTS * KEY_BYTES)
const texts: string[] = new Array(SLOTS).fill('')
const lengths = new Uint8Array(SLOTS)
const uuidWords = new Int32Array(SLOTS * 4)
const uuids: string[] = new Array(SLOTS).fill(ZERO_UUID)

/** n bytes of UTF-8 at p; the caller checked that they are there. */
export function text(b: Buffer, p: number, n: number): string {
  if (n > KEY_BYTES) return b.toString('utf8', p, p + n)
  if (n === 0) return ''
  const slot = (n * 31 + b[p]! * 7 + b[p + (n >> 1)]! * 131 + b[p + n - 1]! * 17 + b[p + n - (n >> 2) - 1]! * 59) & (SLOTS - 1)
  const key = slot * KEY_BYTES
  if (lengths[slot] === n) {
    let i = 0
    while (i < n && keys[key + i] === b[p + i]) i++
    if (i === n) return texts[slot]!
  }
  for (let i = 0; i < n; i++) keys[key + i] = b[p + i]!
  lengths[slot] = n
  return (texts[slot] = b.toString('utf8', p, p + n))
}

export function uuid(b: Buffer, p: number, end: number): string {
  if (end - p < 16) throw new ProtocolError('a uuid is cut off')
  const w0 = (b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!
  const w1 = (b[p + 4]! << 24) | (b[p + 5]! << 16) | (b[p + 6]! << 8) | b[p + 7]!
  const w2 = (b[p + 8]! << 24) | (b[p + 9]! << 16) | (b[p + 10]! << 8) | b[p + 11]!
  const w3 = (b[p + 12]! << 24) | (b[p + 13]! << 16) | (b[p + 14]! << 8) | b[p + 15]!
  const mixed = w0 ^ w1 ^ w2 ^ w3
  const slot = (mixed ^ (mixed >>> 10) ^ (mixed >>> 20)) & (SLOTS - 1)
  const at = slot * 4
  if (uuidWords[at] === w0 && uuidWords[at + 1] === w1 && uuidWords[at + 2] === w2 && uuidWords[at + 3] === w3) return uuids[slot]!
  uuidWords[at] = w0
  uuidWords[at + 1] = w1
  uuidWords[at + 2] = w2
  uuidWords[at + 3] = w3
  return (uuids[slot] = b.toString('base64url', p, p + 16))
}
