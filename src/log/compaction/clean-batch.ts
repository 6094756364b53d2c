// What compaction leaves of one batch. Kafka's Cleaner.shouldRetainRecord and MemoryRecords.filterTo: a record stays when no newer one of its key is in the
// map; offsets never change, and the batch keeps its base offset, last offset delta, producer fields and codec. A tombstone stays until the batch's delete
// horizon (KIP-534), which the first cleaning that meets it sets: attribute bit 6, and the base timestamp is the horizon then.
// Where we differ from Kafka: the base timestamp of a batch that is rewritten without a new horizon stays what it was (Kafka: the first record's), so that
// records are copied as they are. Transactions are not told apart yet: records of transactional batches never count as the newest of their key,
// their tombstones stay, and control batches are left alone.

import * as batch from '../../protocol/batch.ts'
import { BATCH_HEADER_BYTES, DELETE_HORIZON_BIT, LOG_OVERHEAD } from '../../protocol/batch.ts'
import { CODEC_NONE, type Codec, compress } from '../../protocol/compression.ts'
import { type BatchBody, openBody, RecordWalk } from '../../protocol/records.ts'
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../../util/varint.ts'
import type { KeyMap } from './key-map.ts'

export interface CleaningRule {
  readonly map: KeyMap
  /** Milliseconds since 1970. */
  readonly now: number
  readonly deleteRetentionMs: number
}

/** The cap on what a stored batch may unpack to; it was validated under a smaller one when it was appended. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
/** What re-encoding may add to a record: the longest timestamp delta and length for the shortest. */
const GROWTH_BYTES = 16

/** What was unpacked and looked at, in bytes: who works in slices counts them. */
export const worked = { bytes: 0 }

/**
 * Takes note of the batch's keys.
 * @param fromOffset  records below it are not new
 * @returns false when the map is full: it then ends with the record before
 * @throws ProtocolError
 */
export function noteKeys(b: Buffer, p: number, map: KeyMap, fromOffset: number): boolean {
  const lastOffset = batch.lastOffset(b, p)
  if (lastOffset < fromOffset) return true
  if (!batch.isControl(b, p) && !batch.isTransactional(b, p)) {
    const body = open(b, p)
    const baseOffset = batch.baseOffset(b, p)
    const record = new RecordWalk(body.bytes, body.start, body.end, batch.recordCount(b, p))
    while (record.next()) {
      const offset = baseOffset + record.offsetDelta
      if (offset < fromOffset || record.keySize < 0) continue
      if (!map.put(body.bytes, record.keyStart, record.keySize, offset)) return false
      map.latestOffset = offset
    }
  }
  map.latestOffset = lastOffset
  return true
}

/**
 * @param mayBeEmpty  the batch must stay for its offsets or its producer, even without records
 * @returns the batch as it is to be stored, or undefined when it stays untouched; 'drop' when nothing of it stays
 * @throws ProtocolError
 */
export function cleanBatch(b: Buffer, p: number, rule: CleaningRule, mayBeEmpty: boolean): Buffer | 'drop' | undefined {
  if (batch.isControl(b, p) || batch.baseOffset(b, p) > rule.map.latestOffset) return undefined
  const count = batch.recordCount(b, p)
  if (count === 0) return mayBeEmpty ? undefined : 'drop'
  const body = open(b, p)
  const survivors = survivorsOf(b, p, body, rule)
  const setsHorizon = survivors.hasTombstones && !hasHorizon(b, p) && !batch.isTransactional(b, p)
  if (survivors.count === 0) return mayBeEmpty ? emptied(b, p) : 'drop'
  if (survivors.count === count && !setsHorizon) return undefined
  return rebuilt(b, p, body, survivors, setsHorizon ? rule.now + rule.deleteRetentionMs : undefined)
}

/** The first and the last byte (exclusive) of each record that stays, in `ranges`; neighbours are one range. */
interface Survivors {
  readonly ranges: number[]
  readonly count: number
  readonly maxTimestamp: number
  readonly hasTombstones: boolean
}

function survivorsOf(b: Buffer, p: number, { bytes, start, end }: BatchBody, { map, now }: CleaningRule): Survivors {
  const baseOffset = batch.baseOffset(b, p)
  const baseTimestamp = batch.baseTimestamp(b, p)
  const tombstonesStay = batch.isTransactional(b, p) || !hasHorizon(b, p) || now < baseTimestamp
  const ranges: number[] = []
  let count = 0
  let maxTimestamp = -1
  let hasTombstones = false
  const record = new RecordWalk(bytes, start, end, batch.recordCount(b, p))
  while (record.next()) {
    const offset = baseOffset + record.offsetDelta
    if (offset <= map.latestOffset) {
      if (record.keySize < 0 || map.offsetOf(bytes, record.keyStart, record.keySize) > offset) continue
      if (record.valueSize < 0 && !tombstonesStay) continue
    }
    if (record.valueSize < 0) hasTombstones = true
    count++
    maxTimestamp = Math.max(maxTimestamp, baseTimestamp + record.timestampDelta)
    if (ranges.length > 0 && ranges[ranges.length - 1] === record.start) ranges[ranges.length - 1] = record.end
    else ranges.push(record.start, record.end)
  }
  return { ranges, count, maxTimestamp, hasTombstones }
}

function hasHorizon(b: Buffer, p: number): boolean {
  return (batch.attributes(b, p) & DELETE_HORIZON_BIT) !== 0
}

function open(b: Buffer, p: number): BatchBody {
  const body = openBody(b, p, { maxBytes: MAX_UNPACKED_BYTES })
  worked.bytes += body.end - body.start
  return body
}

function rebuilt(b: Buffer, p: number, body: BatchBody, survivors: Survivors, horizon: number | undefined): Buffer {
  const records = horizon === undefined ? copied(body, survivors) : retimed(b, p, body, survivors, horizon)
  const codec = batch.codecOf(b, p) as Codec
  const packed = codec === CODEC_NONE ? records : compress(codec, records)
  const out = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length)
  b.copy(out, 0, p, p + BATCH_HEADER_BYTES)
  packed.copy(out, BATCH_HEADER_BYTES)
  batch.setLength(out, 0, out.length - LOG_OVERHEAD)
  batch.setRecordCount(out, 0, survivors.count)
  if (!batch.hasLogAppendTime(b, p)) batch.setMaxTimestamp(out, 0, survivors.maxTimestamp)
  if (horizon !== undefined) {
    batch.setBaseTimestamp(out, 0, horizon)
    batch.setAttributes(out, 0, batch.attributes(b, p) | DELETE_HORIZON_BIT)
  }
  batch.setCrc(out, 0)
  return out
}

function copied({ bytes }: BatchBody, { ranges }: Survivors): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < ranges.length; i += 2) parts.push(bytes.subarray(ranges[i], ranges[i + 1]))
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** The records with timestamps that count from the horizon. */
function retimed(b: Buffer, p: number, body: BatchBody, { ranges, count }: Survivors, horizon: number): Buffer {
  const { bytes } = body
  const shift = batch.baseTimestamp(b, p) - horizon
  let size = count * GROWTH_BYTES
  for (let i = 0; i < ranges.length; i += 2) size += ranges[i + 1]! - ranges[i]!
  const out = Buffer.allocUnsafe(size)
  const record = new RecordWalk(bytes, body.start, body.end, batch.recordCount(b, p))
  let at = 0
  let range = 0
  while (record.next()) {
    while (range < ranges.length && record.start >= ranges[range + 1]!) range += 2
    if (range === ranges.length || record.start < ranges[range]!) continue
    const keySize = Math.max(record.keySize, 0)
    const valueSize = Math.max(record.valueSize, 0)
    const timestampDelta = record.timestampDelta + shift
    const length =
      1 +
      sizeOfVarlong(timestampDelta) +
      sizeOfVarint(record.offsetDelta) +
      sizeOfVarint(record.keySize) +
      keySize +
      sizeOfVarint(record.valueSize) +
      valueSize +
      sizeOfVarint(record.headerCount) +
      (record.end - record.headersStart)
    at = writeVarint(out, at, length)
    out[at++] = 0
    at = writeVarlong(out, at, timestampDelta)
    at = writeVarint(out, at, record.offsetDelta)
    at = writeVarint(out, at, record.keySize)
    at += bytes.copy(out, at, record.keyStart, record.keyStart + keySize)
    at = writeVarint(out, at, record.valueSize)
    at += bytes.copy(out, at, record.valueStart, record.valueStart + valueSize)
    at = writeVarint(out, at, record.headerCount)
    at += bytes.copy(out, at, record.headersStart, record.end)
  }
  return out.subarray(0, at)
}

/** The header alone: offsets, producer and time as before. */
function emptied(b: Buffer, p: number): Buffer {
  const out = Buffer.from(b.subarray(p, p + BATCH_HEADER_BYTES))
  batch.setLength(out, 0, BATCH_HEADER_BYTES - LOG_OVERHEAD)
  batch.setAttributes(out, 0, batch.attributes(b, p) & ~(batch.CODEC_MASK | DELETE_HORIZON_BIT))
  batch.setBaseTimestamp(out, 0, -1)
  batch.setRecordCount(out, 0, 0)
  batch.setCrc(out, 0)
  return out
}
