// Where encoders write. One message after another is laid into a shared arena without copying; a large `records` field becomes a chunk of its own,
// by reference, for an output that takes several chunks.
// Compiled encoders keep `buffer` and `position` in locals and store them back before any call made here.
import { assert } from '../util/assert.ts'
import { INVALID_REQUEST, KafkaError } from './errors.ts'
import { MAX_STRING_BYTES } from './reading.ts'

/** From this size on a chunk of records is passed on by reference: a chunk costs about as much as copying 4 KiB. */
export const REFERENCE_BYTES = 4096
const ARENA_BYTES = 64 * 1024
const SHORT_TEXT = 64

/** What is free of the shared arena; absent while a writer uses it. */
let arena: Buffer | undefined

export class Writer {
  buffer: Buffer
  position = 0
  /** Where the chunk being written starts. Kept positions are relative to it, because growing moves it. */
  start = 0
  readonly #referenceBytes: number
  readonly #chunks: Uint8Array[] = []
  readonly #shared: boolean

  /** @param o.referenceBytes  from which size on records are passed on by reference; @param o.sizeBytes  a buffer of its own, for tests */
  constructor(o: { sizeBytes?: number; referenceBytes?: number } = {}) {
    this.#referenceBytes = o.referenceBytes ?? REFERENCE_BYTES
    this.#shared = o.sizeBytes === undefined
    if (o.sizeBytes !== undefined) {
      this.buffer = Buffer.allocUnsafeSlow(o.sizeBytes)
    } else {
      this.buffer = arena ?? Buffer.allocUnsafeSlow(ARENA_BYTES)
      arena = undefined
    }
  }

  /** Makes room for n more bytes. The bytes of the current chunk move. */
  grow(n: number): void {
    const used = this.position - this.start
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#shared ? ARENA_BYTES : 16, 2 * (used + n)))
    this.buffer.copy(larger, 0, this.start, this.position)
    this.buffer = larger
    this.start = 0
    this.position = used
  }

  /** Appends bytes: copied when small, else as a chunk of their own. */
  append(bytes: Uint8Array): void {
    if (bytes.length < this.#referenceBytes) {
      this.copy(bytes)
    } else {
      this.#endChunk()
      this.#chunks.push(bytes)
    }
  }

  copy(bytes: Uint8Array): void {
    if (this.buffer.length - this.position < bytes.length) this.grow(bytes.length)
    this.buffer.set(bytes, this.position)
    this.position += bytes.length
  }

  int16(value: number): void {
    if (this.buffer.length - this.position < 2) this.grow(2)
    this.position = this.buffer.writeInt16BE(value, this.position)
  }

  int32(value: number): void {
    if (this.buffer.length - this.position < 4) this.grow(4)
    this.position = this.buffer.writeInt32BE(value, this.position)
  }

  /** All that was written, in order. The writer is not used again. */
  done(): Uint8Array[] {
    this.#endChunk()
    if (this.#shared) arena = this.buffer.length - this.position < 256 ? undefined : this.buffer.subarray(this.position)
    return this.#chunks
  }

  #endChunk(): void {
    if (this.position > this.start) this.#chunks.push(this.buffer.subarray(this.start, this.position))
    this.start = this.position
  }
}

export function sizeOfChunks(chunks: readonly Uint8Array[]): number {
  let sizeBytes = 0
  for (const chunk of chunks) sizeBytes += chunk.length
  return sizeBytes
}

// ---- called by compiled encoders: each takes the position, returns the one after what it wrote; the buffer may have been replaced ----

export function putUvarint(b: Buffer, p: number, value: number): number {
  while (value > 127) {
    b[p++] = (value & 127) | 128
    value >>>= 7
  }
  b[p++] = value
  return p
}

/** int64 beyond 2^53, or no integer at all. */
export function putWideInt64(b: Buffer, p: number, value: number): number {
  assert(value >= 2 ** 63 || value <= -(2 ** 63), `not an int64: ${value}`)
  b.fill(value > 0 ? 0xff : 0, p, p + 8)
  b[p] = value > 0 ? 0x7f : 0x80
  return p + 8
}

export function putBigInt64(b: Buffer, p: number, value: bigint): number {
  return b.writeBigInt64BE(value, p)
}

export function putFloat64(b: Buffer, p: number, value: number): number {
  return b.writeDoubleBE(value, p)
}

/** A string with its int16 length. */
export function putText(w: Writer, p: number, value: string): number {
  const n = value.length
  w.position = p
  if (w.buffer.length - p < 2 + 3 * n) w.grow(2 + 3 * n)
  const b = w.buffer
  p = w.position
  if (n <= SHORT_TEXT && putAscii(b, p + 2, value)) {
    b[p] = 0
    b[p + 1] = n
    return p + 2 + n
  }
  const size = b.write(value, p + 2)
  if (size > MAX_STRING_BYTES) throw new KafkaError(INVALID_REQUEST, `a string of ${size} bytes is longer than ${MAX_STRING_BYTES}`)
  b[p] = size >> 8
  b[p + 1] = size
  return p + 2 + size
}

/** A string with its compact length. */
export function putCompactText(w: Writer, p: number, value: string): number {
  const n = value.length
  w.position = p
  if (w.buffer.length - p < 5 + 3 * n) w.grow(5 + 3 * n)
  const b = w.buffer
  p = w.position
  if (n <= SHORT_TEXT && putAscii(b, p + 1, value)) {
    b[p] = n + 1
    return p + 1 + n
  }
  const size = Buffer.byteLength(value)
  if (size > MAX_STRING_BYTES) throw new KafkaError(INVALID_REQUEST, `a string of ${size} bytes is longer than ${MAX_STRING_BYTES}`)
  p = putUvarint(b, p, size + 1)
  return p + b.write(value, p)
}

/** False if it met a character beyond ASCII; what it wrote until then is to be overwritten. */
function putAscii(b: Buffer, p: number, value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code > 127) return false
    b[p + i] = code
  }
  return true
}

const SEXTETS = new Uint8Array(128).fill(255)
for (let i = 0; i < 64; i++) SEXTETS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.charCodeAt(i)] = i
const sextet = (text: string, i: number) => SEXTETS[text.charCodeAt(i)] ?? 255

/** 16 bytes from 22 characters; there is room for them. */
export function putUuid(b: Buffer, p: number, value: string): number {
  assert(value.length === 22, `not a uuid: ${value}`)
  let all = 0
  for (let i = 0; i < 20; i += 4) {
    const s0 = sextet(value, i)
    const s1 = sextet(value, i + 1)
    const s2 = sextet(value, i + 2)
    const s3 = sextet(value, i + 3)
    all |= s0 | s1 | s2 | s3
    b[p++] = (s0 << 2) | (s1 >> 4)
    b[p++] = (s1 << 4) | (s2 >> 2)
    b[p++] = (s2 << 6) | s3
  }
  const s0 = sextet(value, 20)
  const s1 = sextet(value, 21)
  b[p++] = (s0 << 2) | (s1 >> 4)
  assert((all | s0 | s1) < 64, `not a uuid: ${value}`)
  return p
}

/** The bytes alone, their length is written. */
export function putBytes(w: Writer, p: number, value: Uint8Array): number {
  w.position = p
  w.copy(value)
  return w.position
}

/** The records alone, their length is written. */
export function putRecords(w: Writer, p: number, value: Uint8Array | readonly Uint8Array[]): number {
  w.position = p
  if (isOneChunk(value)) w.append(value)
  else for (const chunk of value) w.append(chunk)
  return w.position
}

export function sizeOfRecords(value: Uint8Array | readonly Uint8Array[]): number {
  return isOneChunk(value) ? value.length : sizeOfChunks(value)
}

function isOneChunk(value: Uint8Array | readonly Uint8Array[]): value is Uint8Array {
  return value instanceof Uint8Array
}
