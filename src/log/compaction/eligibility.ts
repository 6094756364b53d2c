// Which log is to be cleaned next, and how much of it. Kafka's LogCleanerManager: a log's dirty part begins where the last cleaning ended; it is worth
// cleaning when its share of the log passes min.cleanable.dirty.ratio, or when its oldest record has waited for max.compaction.lag.ms.

export interface SealedSegment {
  readonly baseOffset: number
  readonly endOffset: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
  /** Of the first batch, -1 when it has none. */
  readonly firstTimestamp: number
}

export interface CompactionRule {
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
}

export interface Dirtiness {
  readonly firstDirtyOffset: number
  /** Exclusive, the base of a segment: nothing from here on may be cleaned now. */
  readonly endOffset: number
  readonly dirtyBytes: number
  /** Of dirtyBytes in all that could be cleaned. */
  readonly ratio: number
  /** max.compaction.lag.ms has passed. */
  readonly isOverdue: boolean
}

/**
 * @param segments  all but the active one, oldest first
 * @param o  boundOffset: high watermark or last stable offset, whatever is less; now: milliseconds since 1970
 */
export function dirtinessOf(
  segments: readonly SealedSegment[],
  rule: CompactionRule,
  o: { firstDirtyOffset: number; boundOffset: number; now: number },
): Dirtiness {
  const { firstDirtyOffset } = o
  let cleanBytes = 0
  let dirtyBytes = 0
  let endOffset = segments[0]?.baseOffset ?? 0
  let earliest = Number.POSITIVE_INFINITY
  let isOpen = true
  for (const segment of segments) {
    const isDirty = segment.endOffset > firstDirtyOffset
    if (isDirty && segment.firstTimestamp > 0) earliest = Math.min(earliest, segment.firstTimestamp)
    const isYoung = isDirty && rule.minCompactionLagMs > 0 && segment.maxTimestamp > o.now - rule.minCompactionLagMs
    if (segment.endOffset > o.boundOffset || isYoung) isOpen = false
    if (!isOpen) continue
    if (isDirty) dirtyBytes += segment.sizeBytes
    else cleanBytes += segment.sizeBytes
    endOffset = segment.endOffset
  }
  return {
    firstDirtyOffset,
    endOffset,
    dirtyBytes,
    ratio: dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes),
    isOverdue: earliest < o.now - rule.maxCompactionLagMs,
  }
}

export function isWorthCleaning(dirtiness: Dirtiness, { minCleanableDirtyRatio }: CompactionRule): boolean {
  return dirtiness.dirtyBytes > 0 && (dirtiness.isOverdue || dirtiness.ratio > minCleanableDirtyRatio)
}

/** Runs of neighbours that become one segment each: none larger than a segment may be, nor with more offsets than it can count. */
export function groupsOf<S extends SealedSegment>(segments: readonly S[], o: { segmentBytes: number; maxOffsets: number }): S[][] {
  const groups: S[][] = []
  let sizeBytes = 0
  for (const segment of segments) {
    const group = groups[groups.length - 1]
    const fits = group !== undefined && sizeBytes + segment.sizeBytes <= o.segmentBytes
    if (fits && segment.endOffset - group[0]!.baseOffset <= o.maxOffsets) {
      group.push(segment)
      sizeBytes += segment.sizeBytes
    } else {
      groups.push([segment])
      sizeBytes = segment.sizeBytes
    }
  }
  return groups
}
