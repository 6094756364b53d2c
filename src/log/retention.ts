// Which segments a log may drop. Facts: Kafka's UnifiedLog.deleteOldSegments: whole segments, oldest first, never beyond the high watermark;
// the active segment too, which is then rolled first. Record timestamps count, so a record dated in the future keeps its segment.
// We differ from Kafka: a segment without any timestamp does not expire by time (Kafka takes the file's modification time).

export interface RetainedSegment {
  readonly baseOffset: number
  /** Base offset of the next one; the log end for the last. */
  readonly endOffset: number
  readonly sizeBytes: number
  /** -1 when no record has one. */
  readonly maxTimestamp: number
}

export interface RetentionRule {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly nowMs: number
  /** -1: no limit. */
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
}

/** How many of the segments, from the oldest on, are to be deleted. An empty segment never is. */
export function expiredCount(segments: readonly RetainedSegment[], rule: RetentionRule): number {
  const mayExpire = rule.cleanupPolicy.includes('delete')
  let excessBytes = mayExpire && rule.retentionBytes >= 0 ? segments.reduce((sum, s) => sum + s.sizeBytes, 0) - rule.retentionBytes : -1
  let count = 0
  for (const segment of segments) {
    if (segment.sizeBytes === 0 || segment.endOffset > rule.highWatermark) break
    const isOld = mayExpire && rule.retentionMs >= 0 && segment.maxTimestamp >= 0 && rule.nowMs - segment.maxTimestamp > rule.retentionMs
    const isExcess = excessBytes >= segment.sizeBytes
    const isBelowStart = segment.endOffset <= rule.logStartOffset
    if (!isOld && !isExcess && !isBelowStart) break
    excessBytes -= segment.sizeBytes
    count++
  }
  return count
}
