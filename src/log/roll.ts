// When a segment is closed. Facts: Kafka's LogSegment.shouldRoll; times are the records' own.

import * as batch from '../protocol/batch.ts'
import type { LogConfig } from './config.ts'
import type { Segment } from './segment.ts'

/** Whether this batch needs a new segment behind the active one. */
export function mustRoll(active: Segment, b: Buffer, config: LogConfig): boolean {
  if (active.sizeBytes === 0) return false
  if (active.sizeBytes + b.length > config.segmentBytes) return true
  const timestamp = batch.maxTimestamp(b, 0)
  const isDated = timestamp >= 0 && active.firstTimestamp >= 0
  if (isDated && timestamp - active.firstTimestamp > longestMs(config) - active.jitterMs) return true
  return !active.canHold(batch.lastOffset(b, 0))
}

/** What waits for compaction is not to wait for its segment to be closed. */
function longestMs({ cleanupPolicy, segmentMs, maxCompactionLagMs }: LogConfig): number {
  return cleanupPolicy.includes('compact') ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs
}
