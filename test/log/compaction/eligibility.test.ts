// Facts: Kafka's LogCleanerManager.
import { describe, expect, test } from 'vitest'
import { dirtinessOf, groupsOf, isWorthCleaning, type SealedSegment } from '../../../src/log/compaction/eligibility.ts'

/** 'firstTimestamp-maxTimestamp:sizeBytes …', ten offsets each */
function segments(text: string): SealedSegment[] {
  return text.split(' ').map((segment, i) => {
    const [times, size] = segment.split(':')
    const [firstTimestamp, maxTimestamp] = times!.split('-').map(Number)
    return {
      baseOffset: 10 * i,
      endOffset: 10 * i + 10,
      sizeBytes: Number(size),
      firstTimestamp: firstTimestamp!,
      maxTimestamp: maxTimestamp!,
    }
  })
}

const RULE = { minCleanableDirtyRatio: 0.5, minCompactionLagMs: 0, maxCompactionLagMs: Number.MAX_SAFE_INTEGER }
const AT = { firstDirtyOffset: 0, boundOffset: 1000, now: 10_000 }
const LOG = segments('100-200:50 300-400:50 500-9000:100')

describe('a log', () => {
  test.each([
    ['never cleaned is dirty as a whole', {}, {}, { endOffset: 30, dirtyBytes: 200, ratio: 1 }, true],
    ['is dirty behind its last cleaning', {}, { firstDirtyOffset: 20 }, { endOffset: 30, dirtyBytes: 100, ratio: 0.5 }, false],
    ['is dirty with the whole segment where the last cleaning ended', {}, { firstDirtyOffset: 15 }, { dirtyBytes: 150, ratio: 0.75 }, true],
    ['is left alone behind the high watermark', {}, { boundOffset: 29 }, { endOffset: 20, dirtyBytes: 100, ratio: 1 }, true],
    ['is left alone from the first young record on', { minCompactionLagMs: 2000 }, {}, { endOffset: 20, dirtyBytes: 100 }, true],
    ['without a dirty byte is not worth it', { minCleanableDirtyRatio: 0 }, { firstDirtyOffset: 30 }, { dirtyBytes: 0, ratio: 0 }, false],
    [
      'is overdue by its oldest dirty record',
      { maxCompactionLagMs: 9000 },
      { firstDirtyOffset: 20 },
      { ratio: 0.5, isOverdue: true },
      true,
    ],
    ['is not overdue by records that are clean', { maxCompactionLagMs: 9800 }, { firstDirtyOffset: 10 }, { isOverdue: false }, true],
  ] as const)('%s', (_, rule, at, expected, worth) => {
    const dirtiness = dirtinessOf(LOG, { ...RULE, ...rule }, { ...AT, ...at })
    expect(dirtiness).toMatchObject(expected)
    expect(isWorthCleaning(dirtiness, { ...RULE, ...rule })).toBe(worth)
  })

  test('of one segment has nothing to clean', () => {
    expect(isWorthCleaning(dirtinessOf([], RULE, AT), RULE)).toBe(false)
  })
})

describe('segments become one', () => {
  test.each([
    ['while they fit', 200, 100, [3]],
    ['up to the size of a segment', 100, 100, [2, 1]],
    ['none with more offsets than a segment counts', 200, 20, [2, 1]],
    ['each alone when it is larger by itself', 10, 100, [1, 1, 1]],
  ] as const)('%s', (_, segmentBytes, maxOffsets, sizes) => {
    expect(groupsOf(LOG, { segmentBytes, maxOffsets }).map(group => group.length)).toEqual(sizes)
  })
})
