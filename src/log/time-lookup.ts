// Offsets by timestamp (ListOffsets). Timestamps of producers are not monotonic, so the answer to "the first record at or after t" is the
// first by offset. The segment's and the index' largest timestamps say where no such record can be; the batch found is unpacked, because
// the answer is a record in it, not its first one.

import * as batch from '../protocol/batch.ts'
import { openBody, walkRecords } from '../protocol/records.ts'
import { readBatch, walkSegment } from './cold-read.ts'
import type { Segment } from './segment.ts'

export interface TimestampedOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface OffsetRange {
  /** Records below it are gone. */
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
}

/** The cap on what a stored batch may unpack to; it was validated under a smaller one when it was appended. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024

/** @throws DamagedLogError */
export async function firstAtOrAfter(
  segments: readonly Segment[],
  timestamp: number,
  range: OffsetRange,
): Promise<TimestampedOffset | undefined> {
  for (const segment of segments) {
    if (!overlaps(segment, range) || segment.maxTimestamp < timestamp) continue
    const found = await firstInSegment(segment, timestamp, range)
    if (found !== undefined) return found
  }
  return undefined
}

/** The first record with the largest timestamp; undefined when no record has one. */
export async function firstWithMaxTimestamp(segments: readonly Segment[], range: OffsetRange): Promise<TimestampedOffset | undefined> {
  let max = -1
  for (const segment of segments) {
    if (overlaps(segment, range) && segment.maxTimestamp > max) max = Math.max(max, await maxTimestampWithin(segment, range))
  }
  return max < 0 ? undefined : firstAtOrAfter(segments, max, range)
}

function overlaps(segment: Segment, range: OffsetRange): boolean {
  return segment.endOffset > range.startOffset && segment.baseOffset < range.endOffset
}

/** Of the records in the range: a batch that crosses its start counts by its records. */
async function maxTimestampWithin(segment: Segment, range: OffsetRange): Promise<number> {
  if (segment.baseOffset >= range.startOffset && segment.endOffset <= range.endOffset) return segment.maxTimestamp
  let max = -1
  let hint = await segment.floor(range.endOffset)
  if (segment.baseOffset < range.startOffset) hint = await segment.floor(range.startOffset)
  else max = hint.maxTimestampBefore
  let crossing: { position: number; size: number } | undefined
  await walkSegment(segment, hint.position, (b, p, position) => {
    if (batch.lastOffset(b, p) < range.startOffset) return true
    if (batch.lastOffset(b, p) >= range.endOffset) return false
    if (batch.baseOffset(b, p) < range.startOffset) crossing = { position, size: batch.batchSize(b, p) }
    else max = Math.max(max, batch.maxTimestamp(b, p))
    return true
  })
  if (crossing !== undefined) {
    const bytes = await readBatch(segment, crossing.position, crossing.size)
    walkTimestamps(bytes, (offset, timestamp) => {
      if (offset >= range.startOffset) max = Math.max(max, timestamp)
      return true
    })
  }
  return max
}

async function firstInSegment(segment: Segment, timestamp: number, range: OffsetRange): Promise<TimestampedOffset | undefined> {
  let { position: hint } = await segment.floorOfTimestamp(timestamp)
  if (segment.baseOffset < range.startOffset) hint = Math.max(hint, (await segment.floor(range.startOffset)).position)
  for (let done = false; !done; ) {
    done = true
    let candidate: { position: number; size: number } | undefined
    await walkSegment(segment, hint, (b, p, position) => {
      if (batch.baseOffset(b, p) >= range.endOffset) return false
      if (batch.maxTimestamp(b, p) < timestamp || batch.lastOffset(b, p) < range.startOffset) return true
      candidate = { position, size: batch.batchSize(b, p) }
      return false
    })
    if (candidate === undefined) return undefined
    const found = firstInBatch(await readBatch(segment, candidate.position, candidate.size), timestamp, range)
    if (found !== undefined) return found
    hint = candidate.position + candidate.size
    done = hint >= segment.writtenBytes
  }
  return undefined
}

function firstInBatch(bytes: Buffer, timestamp: number, range: OffsetRange): TimestampedOffset | undefined {
  let found: TimestampedOffset | undefined
  walkTimestamps(bytes, (offset, recordTimestamp) => {
    if (offset < range.startOffset || offset >= range.endOffset || recordTimestamp < timestamp) return true
    found = { offset, timestamp: recordTimestamp, leaderEpoch: batch.leaderEpoch(bytes, 0) }
    return false
  })
  return found
}

function walkTimestamps(bytes: Buffer, visit: (offset: number, timestamp: number) => boolean): void {
  const baseOffset = batch.baseOffset(bytes, 0)
  const baseTimestamp = batch.baseTimestamp(bytes, 0)
  const appendTime = batch.hasLogAppendTime(bytes, 0) ? batch.maxTimestamp(bytes, 0) : undefined
  const body = openBody(bytes, 0, { maxBytes: MAX_UNPACKED_BYTES })
  let wanted = true
  walkRecords(body.bytes, body.start, body.end, batch.recordCount(bytes, 0), record => {
    if (wanted) wanted = visit(baseOffset + record.offsetDelta, appendTime ?? baseTimestamp + record.timestampDelta)
  })
}
