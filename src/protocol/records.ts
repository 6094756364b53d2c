// The records inside a batch (format v2): walking them without allocating, decoding them, and building batches.
//
//   record: length varint · attributes i8 (unused) · timestampDelta varlong · offsetDelta varint · key · value · headerCount varint · headers
//   key, value: size varint (-1 null) and bytes. header: key size varint (never null), utf8 key, value size varint (-1 null) and bytes.
//
// Compressed batches hold all records as one compressed block after the header. We differ from Kafka: sizes below -1 and varints with bits
// beyond their type are refused (Kafka reads the former as null and drops the latter); no client writes either.

import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../util/varint.ts'
import * as batch from './batch.ts'
import { BATCH_HEADER_BYTES, LOG_OVERHEAD } from './batch.ts'
import { CODEC_NONE, type Codec, compress, decompress } from './compression.ts'
import { ProtocolError } from './errors.ts'

export interface RecordHeader {
  key: string
  value: Uint8Array | null
}

export interface RecordInput {
  key: Uint8Array | null
  value: Uint8Array | null
  headers?: readonly RecordHeader[]
  /** Milliseconds since 1970, or -1 for none. */
  timestamp: number
}

export interface DecodedRecord {
  offset: number
  timestamp: number
  /** A view of the batch (or of its decompressed block), like `value`. */
  key: Buffer | null
  value: Buffer | null
  headers: RecordHeader[]
}

/** Where one record lies in the walked buffer. The walk reuses one view: copy what must outlive the visit. */
export interface RecordView {
  /** Position of the record in the batch, from 0. */
  readonly index: number
  /** First byte of the record's length field; `end` is the byte after the record. */
  readonly start: number
  readonly end: number
  readonly timestampDelta: number
  readonly offsetDelta: number
  readonly keyStart: number
  /** -1 when null, like valueSize. */
  readonly keySize: number
  readonly valueStart: number
  readonly valueSize: number
  readonly headersStart: number
  readonly headerCount: number
}

/**
 * Visits `count` records that must fill bytes start…end of `body` exactly, in order, checking every length. Allocates nothing per record.
 * @throws ProtocolError on damage, after the visits of the records before it
 */
export function walkRecords(body: Buffer, start: number, end: number, count: number, visit: (record: RecordView) => void): void {
  const walk = new RecordWalk(body, start, end, count)
  while (walk.next()) visit(walk)
}

/** A batch's records as they are walked: `bytes` from `start` to `end`, decompressed when the batch is. */
export interface BatchBody {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** @throws ProtocolError when the block is damaged or holds more than maxBytes */
export function openBody(b: Buffer, p: number, limits: { maxBytes: number }): BatchBody {
  const end = p + batch.batchSize(b, p)
  const codec = batch.codecOf(b, p)
  if (codec === CODEC_NONE) return { bytes: b, start: p + BATCH_HEADER_BYTES, end }
  const bytes = decompress(codec, b.subarray(p + BATCH_HEADER_BYTES, end), limits.maxBytes)
  return { bytes, start: 0, end: bytes.length }
}

/**
 * Decodes one batch that came from outside: length, magic, checksum and every record are checked.
 * @param limits  maxBytes caps what a compressed batch may unpack to; everything else is bounded by the batch's own size
 * @throws ProtocolError on damage
 */
export function decodeBatch(b: Buffer, p: number, limits: { maxBytes: number }): DecodedRecord[] {
  checkFraming(b, p)
  if (!batch.crcIsValid(b, p)) throw new ProtocolError(`batch with checksum ${batch.crc(b, p)}, its bytes have ${batch.computeCrc(b, p)}`)
  const base = { offset: batch.baseOffset(b, p), timestamp: batch.baseTimestamp(b, p) }
  const appendTime = batch.hasLogAppendTime(b, p) ? batch.maxTimestamp(b, p) : undefined
  const body = openBody(b, p, limits)
  const records: DecodedRecord[] = []
  const walk = new RecordWalk(body.bytes, body.start, body.end, batch.recordCount(b, p))
  while (walk.next()) {
    records.push({
      offset: safe(base.offset + walk.offsetDelta, 'offset'),
      timestamp: safe(appendTime ?? base.timestamp + walk.timestampDelta, 'timestamp'),
      key: bytesAt(body.bytes, walk.keyStart, walk.keySize),
      value: bytesAt(body.bytes, walk.valueStart, walk.valueSize),
      headers: walk.headers(),
    })
  }
  return records
}

/**
 * The same batch with its records in another codec, or numbered anew from 0 without gaps (`renumber`), or both. Everything else is kept;
 * the checksum is set.
 * @param body  the batch's records, walked before and found whole
 */
export function rebuildBatch(
  b: Buffer,
  p: number,
  body: BatchBody,
  o: { codec: Codec; level?: number | undefined; renumber: boolean },
): Buffer {
  const count = batch.recordCount(b, p)
  const records = o.renumber ? renumbered(body, count) : body.bytes.subarray(body.start, body.end)
  const packed = compress(o.codec, records, o.level)
  const rebuilt = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length)
  b.copy(rebuilt, 0, p, p + BATCH_HEADER_BYTES)
  packed.copy(rebuilt, BATCH_HEADER_BYTES)
  batch.setLength(rebuilt, 0, rebuilt.length - LOG_OVERHEAD)
  batch.setAttributes(rebuilt, 0, (batch.attributes(b, p) & ~batch.CODEC_MASK) | o.codec)
  if (o.renumber) batch.setLastOffsetDelta(rebuilt, 0, count - 1)
  batch.setCrc(rebuilt, 0)
  return rebuilt
}

/** What renumbering may add to a record: the longest offset delta and length for the shortest. */
const RENUMBER_GROWTH_BYTES = 8

function renumbered(body: BatchBody, count: number): Buffer {
  const { bytes } = body
  const out = Buffer.allocUnsafe(body.end - body.start + count * RENUMBER_GROWTH_BYTES)
  const walk = new RecordWalk(bytes, body.start, body.end, count)
  let p = 0
  while (walk.next()) {
    const keySize = Math.max(walk.keySize, 0)
    const valueSize = Math.max(walk.valueSize, 0)
    const headersSize = walk.end - walk.headersStart
    const size =
      1 +
      sizeOfVarlong(walk.timestampDelta) +
      sizeOfVarint(walk.index) +
      sizeOfVarint(walk.keySize) +
      keySize +
      sizeOfVarint(walk.valueSize) +
      valueSize +
      sizeOfVarint(walk.headerCount) +
      headersSize
    p = writeVarint(out, p, size)
    out[p++] = 0
    p = writeVarlong(out, p, walk.timestampDelta)
    p = writeVarint(out, p, walk.index)
    p = writeVarint(out, p, walk.keySize)
    p += bytes.copy(out, p, walk.keyStart, walk.keyStart + keySize)
    p = writeVarint(out, p, walk.valueSize)
    p += bytes.copy(out, p, walk.valueStart, walk.valueStart + valueSize)
    p = writeVarint(out, p, walk.headerCount)
    p += bytes.copy(out, p, walk.headersStart, walk.end)
  }
  return out.subarray(0, p)
}

export interface BatchInput {
  records: readonly RecordInput[]
  codec: Codec
  /** The codec's own scale; its default when missing. */
  level?: number | undefined
  baseOffset?: number
  leaderEpoch?: number
  producerId?: number
  producerEpoch?: number
  baseSequence?: number
  transactional?: boolean
  control?: boolean
  /** Marks the batch as carrying the log's append time, in milliseconds: readers take it for every record's timestamp. */
  logAppendTime?: number
}

/** Builds one batch with consecutive offsets. Without options: base offset 0, leader epoch -1, no producer. */
export function encodeBatch(input: BatchInput): Buffer {
  const { records } = input
  const base = records.length === 0 ? -1 : records[0]!.timestamp
  let bodyBytes = 0
  let maxTimestamp = -1
  for (let i = 0; i < records.length; i++) {
    const inner = recordSize(records[i]!, i, base)
    bodyBytes += sizeOfVarint(inner) + inner
    maxTimestamp = Math.max(maxTimestamp, records[i]!.timestamp)
  }
  const plain = Buffer.allocUnsafe(BATCH_HEADER_BYTES + bodyBytes)
  let p = BATCH_HEADER_BYTES
  for (let i = 0; i < records.length; i++) p = writeRecord(plain, p, records[i]!, i, base)

  const b = input.codec === CODEC_NONE ? plain : compressBody(plain, input.codec, input.level)
  batch.setBaseOffset(b, 0, input.baseOffset ?? 0)
  batch.setLength(b, 0, b.length - LOG_OVERHEAD)
  batch.setLeaderEpoch(b, 0, input.leaderEpoch ?? -1)
  batch.setMagic(b, 0)
  batch.setAttributes(b, 0, attributesOf(input))
  batch.setLastOffsetDelta(b, 0, records.length - 1)
  batch.setBaseTimestamp(b, 0, base)
  batch.setMaxTimestamp(b, 0, input.logAppendTime ?? maxTimestamp)
  batch.setProducerId(b, 0, input.producerId ?? -1)
  batch.setProducerEpoch(b, 0, input.producerEpoch ?? -1)
  batch.setBaseSequence(b, 0, input.baseSequence ?? -1)
  batch.setRecordCount(b, 0, records.length)
  batch.setCrc(b, 0)
  return b
}

function attributesOf(input: BatchInput): number {
  return (
    input.codec |
    (input.logAppendTime === undefined ? 0 : batch.LOG_APPEND_TIME_BIT) |
    (input.transactional ? batch.TRANSACTIONAL_BIT : 0) |
    (input.control ? batch.CONTROL_BIT : 0)
  )
}

/** A batch with the header bytes of `plain` (still to be filled) and its records compressed. */
function compressBody(plain: Buffer, codec: Codec, level: number | undefined): Buffer {
  const packed = compress(codec, plain.subarray(BATCH_HEADER_BYTES), level)
  const b = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length)
  b.set(packed, BATCH_HEADER_BYTES)
  return b
}

/** Bytes of the record after its length field. */
function recordSize(record: RecordInput, offsetDelta: number, base: number): number {
  let size = 1 + sizeOfVarlong(record.timestamp - base) + sizeOfVarint(offsetDelta) + blobSize(record.key) + blobSize(record.value)
  const headers = record.headers ?? []
  size += sizeOfVarint(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    size += sizeOfVarint(keyBytes) + keyBytes + blobSize(header.value)
  }
  return size
}

function writeRecord(b: Buffer, p: number, record: RecordInput, offsetDelta: number, base: number): number {
  p = writeVarint(b, p, recordSize(record, offsetDelta, base))
  b[p++] = 0
  p = writeVarlong(b, p, record.timestamp - base)
  p = writeVarint(b, p, offsetDelta)
  p = writeBlob(b, p, record.key)
  p = writeBlob(b, p, record.value)
  const headers = record.headers ?? []
  p = writeVarint(b, p, headers.length)
  for (const header of headers) {
    p = writeVarint(b, p, Buffer.byteLength(header.key))
    p += b.write(header.key, p)
    p = writeBlob(b, p, header.value)
  }
  return p
}

function blobSize(blob: Uint8Array | null): number {
  return blob === null ? 1 : sizeOfVarint(blob.length) + blob.length
}

function writeBlob(b: Buffer, p: number, blob: Uint8Array | null): number {
  if (blob === null) return writeVarint(b, p, -1)
  p = writeVarint(b, p, blob.length)
  b.set(blob, p)
  return p + blob.length
}

/** @throws ProtocolError unless one whole v2 batch lies at `p` */
function checkFraming(b: Buffer, p: number): void {
  const left = b.length - p
  if (left < BATCH_HEADER_BYTES) throw new ProtocolError(`a batch header in ${left} bytes`)
  const size = batch.batchSize(b, p)
  if (size < BATCH_HEADER_BYTES || size > left) throw new ProtocolError(`a batch of ${size} bytes in ${left}`)
  if (batch.magic(b, p) !== batch.BATCH_MAGIC) throw new ProtocolError(`a batch of magic ${batch.magic(b, p)}, only 2 is known`)
}

function safe(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw new ProtocolError(`${what} ${value} is beyond 2^53`)
  return value
}

function bytesAt(b: Buffer, start: number, size: number): Buffer | null {
  return size < 0 ? null : b.subarray(start, start + size)
}

/** The smallest record: seven one-byte fields. A count that needs more bytes than there are is refused before the walk. */
const MIN_RECORD_BYTES = 7

/** walkRecords for those who go through records in a loop of their own: after each `next()` that returned true it is the view of that record. */
export class RecordWalk implements RecordView {
  index = -1
  start = 0
  end: number
  timestampDelta = 0
  offsetDelta = 0
  keyStart = 0
  keySize = 0
  valueStart = 0
  valueSize = 0
  headersStart = 0
  headerCount = 0
  readonly #bytes: Buffer
  readonly #count: number
  readonly #bodyEnd: number
  /** The next byte to read, and the first that must not be. */
  #position: number
  #limit: number

  /** @throws ProtocolError when so many records cannot lie in bytes start…end */
  constructor(bytes: Buffer, start: number, end: number, count: number) {
    if (count < 0 || count * MIN_RECORD_BYTES > end - start) throw new ProtocolError(`a batch of ${count} records in ${end - start} bytes`)
    this.#bytes = bytes
    this.#count = count
    this.#bodyEnd = end
    this.#position = start
    this.#limit = end
    this.end = start
  }

  /** @returns false after the last record, which must end where the body does. @throws ProtocolError on damage */
  next(): boolean {
    if (++this.index === this.#count) {
      if (this.end !== this.#bodyEnd) throw new ProtocolError(`${this.#bodyEnd - this.end} bytes after the last of ${this.#count} records`)
      return false
    }
    this.start = this.#position
    this.#limit = this.#bodyEnd
    const size = this.#varint()
    this.end = this.#position + size
    if (size < 0 || this.end > this.#bodyEnd) this.#damaged(`${size} bytes long, ${this.#bodyEnd - this.#position} left`)
    this.#limit = this.end
    this.#position++ // attributes: unused, and not looked at by Kafka either
    this.timestampDelta = this.#varlong()
    this.offsetDelta = this.#varint()
    this.keySize = this.#varint()
    this.keyStart = this.#position
    this.#skip(this.keySize, 'key')
    this.valueSize = this.#varint()
    this.valueStart = this.#position
    this.#skip(this.valueSize, 'value')
    this.headerCount = this.#varint()
    this.headersStart = this.#position
    if (this.headerCount !== 0) this.#skipHeaders()
    if (this.#position !== this.#limit) this.#damaged(`${this.#limit - this.#position} bytes after its last field`)
    return true
  }

  /** The current record's headers. */
  headers(): RecordHeader[] {
    const bytes = this.#bytes
    const headers: RecordHeader[] = []
    const resumeAt = this.#position
    this.#position = this.headersStart
    for (let i = 0; i < this.headerCount; i++) {
      const keySize = this.#varint()
      const key = bytes.toString('utf8', this.#position, this.#position + keySize)
      this.#position += keySize
      const valueSize = this.#varint()
      headers.push({ key, value: bytesAt(bytes, this.#position, valueSize) })
      this.#skip(valueSize, 'header value')
    }
    this.#position = resumeAt
    return headers
  }

  /** A zig-zag varint of at most 5 bytes. */
  #varint(): number {
    const bytes = this.#bytes
    let p = this.#position
    if (p >= this.#limit) this.#damaged('ends inside a field')
    let byte = bytes[p++]!
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (p >= this.#limit) this.#damaged('ends inside a varint')
      byte = bytes[p++]!
      if (shift === 28 && byte > 0x0f) this.#damaged('varint of more than 32 bits')
      value |= (byte & 0x7f) << shift
    }
    this.#position = p
    return (value >>> 1) ^ -(value & 1)
  }

  /** A zig-zag varint of at most 10 bytes; beyond 2^53 the result is rounded, but still not a safe integer. */
  #varlong(): number {
    const bytes = this.#bytes
    const p = this.#position
    // Up to 4 bytes (±2^27) is nearly every timestamp delta.
    for (let at = p, value = 0, shift = 0; at < this.#limit && shift < 28; shift += 7) {
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte <= 0x7f) {
        this.#position = at
        return (value >>> 1) ^ -(value & 1)
      }
    }
    return this.#longVarlong()
  }

  #longVarlong(): number {
    if (this.#position >= this.#limit) this.#damaged('ends inside a field')
    const first = this.#bytes[this.#position]!
    let half = (first & 0x7f) >>> 1 // the number without its lowest bit, the sign
    let scale = 64
    let byte = first
    let p = this.#position + 1
    for (let count = 2; byte > 0x7f; count++) {
      if (p >= this.#limit) this.#damaged('ends inside a varint')
      byte = this.#bytes[p++]!
      if (count === 10 && byte > 1) this.#damaged('varint of more than 64 bits')
      half += (byte & 0x7f) * scale
      scale *= 128
    }
    this.#position = p
    return first & 1 ? -half - 1 : half
  }

  #skip(size: number, what: string): void {
    if (size < -1 || size > this.#limit - this.#position) this.#damaged(`${what} of ${size} bytes, ${this.#limit - this.#position} left`)
    if (size > 0) this.#position += size
  }

  #skipHeaders(): void {
    const count = this.headerCount
    if (count < 0 || count > this.#limit - this.#position) this.#damaged(`${count} headers in ${this.#limit - this.#position} bytes`)
    for (let i = 0; i < count; i++) {
      const keySize = this.#varint()
      if (keySize < 0) this.#damaged('header without a key')
      this.#skip(keySize, 'header key')
      this.#skip(this.#varint(), 'header value')
    }
  }

  #damaged(what: string): never {
    throw new ProtocolError(`record ${this.index} at byte ${this.start}: ${what}`)
  }
}
