// Where a log is to be cut so that it ends at an offset: always between two batches.

import * as batch from '../protocol/batch.ts'
import { walkSegment } from './cold-read.ts'
import type { Segment } from './segment.ts'

export interface CutPoint {
  readonly position: number
  /** After the last batch that stays; the segment's base offset when none does. */
  readonly endOffset: number
  /** Of the batches that stay. */
  readonly maxTimestamp: number
}

/**
 * The first batch of the segment that reaches `offset` goes, and all behind it. Loads the segment's index.
 * @throws DamagedLogError
 */
export async function findCut(segment: Segment, offset: number): Promise<CutPoint> {
  await segment.completeIndex()
  const hint = await segment.floor(offset)
  let { position, maxTimestampBefore: maxTimestamp } = hint
  let endOffset = segment.baseOffset + hint.relativeOffset
  await walkSegment(segment, hint.position, (b, p, at) => {
    if (at === 0) [endOffset, maxTimestamp] = [segment.baseOffset, -1]
    position = at
    if (batch.lastOffset(b, p) >= offset) return false
    maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp(b, p))
    endOffset = batch.lastOffset(b, p) + 1
    position = at + batch.batchSize(b, p)
    return true
  })
  return { position, endOffset, maxTimestamp }
}
