// Facts: Kafka's UnifiedLog.deleteOldSegments.
import { describe, expect, test } from 'vitest'
import { expiredCount, type RetainedSegment, type RetentionRule } from '../../src/log/retention.ts'
import { Lab, recordOf, values } from './lab.ts'

/** 'maxTimestamp:sizeBytes …', ten offsets each */
function segments(text: string): RetainedSegment[] {
  return text.split(' ').map((segment, i) => {
    const [maxTimestamp, sizeBytes] = segment.split(':').map(Number)
    return { baseOffset: 10 * i, endOffset: 10 * i + 10, sizeBytes: sizeBytes!, maxTimestamp: maxTimestamp! }
  })
}

const KEEP: RetentionRule = {
  logStartOffset: 0,
  highWatermark: 1000,
  nowMs: 10_000,
  retentionMs: -1,
  retentionBytes: -1,
  cleanupPolicy: ['delete'],
}

describe('retention gives up', () => {
  test.each([
    ['nothing without a limit', '1:50 2:50 3:50', {}, 0],
    ['segments whose newest record is too old', '1000:50 5000:50 9500:50', { retentionMs: 2000 }, 2],
    ['not one that is exactly as old as allowed', '8000:50 9500:50', { retentionMs: 2000 }, 0],
    ['none behind a young one', '1000:50 9500:50 1000:50', { retentionMs: 2000 }, 1],
    ['none with a record from the future', '99999:50 1000:50', { retentionMs: 2000 }, 0],
    ['none without timestamps, by time', '-1:50 1000:50', { retentionMs: 2000 }, 0],
    ['the last one too, when it is old', '1000:50 1000:50', { retentionMs: 2000 }, 2],
    ['everything that has a past at retention.ms 0', '1000:50 9999:50', { retentionMs: 0 }, 2],
    ['nothing beyond the high watermark', '1000:50 1000:50 1000:50', { retentionMs: 2000, highWatermark: 19 }, 1],
    ['what is above the size, as long as the rest is not below it', '1:50 2:50 3:50', { retentionBytes: 100 }, 1],
    ['no segment that would leave too little', '1:50 2:50 3:50', { retentionBytes: 101 }, 0],
    ['all at retention.bytes 0', '1:50 2:50 3:50', { retentionBytes: 0 }, 3],
    ['what lies below the log start', '1:50 2:50 3:50', { logStartOffset: 20 }, 2],
    ['not a segment that holds the log start', '1:50 2:50 3:50', { logStartOffset: 19 }, 1],
    [
      'by age or size only where the policy says delete',
      '1:50 2:50 3:50',
      { retentionMs: 0, retentionBytes: 0, cleanupPolicy: ['compact'] },
      0,
    ],
    ['what lies below the log start also of a compacted topic', '1:50 2:50', { logStartOffset: 10, cleanupPolicy: ['compact'] }, 1],
    ['no empty segment', '1:50 -1:0', { retentionBytes: 0 }, 1],
  ] satisfies [string, string, Partial<RetentionRule>, number][])('%s', (_, text, rule, count) => {
    expect(expiredCount(segments(text), { ...KEEP, ...rule })).toBe(count)
  })
})

describe('a retention run', () => {
  test('deletes the files of old segments and moves the log start', async () => {
    const lab = new Lab(1, { config: { segmentBytes: 300, retentionMs: 1000 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 20; i++) lab.append([recordOf(`value ${i}`, 10_000 + i * 100)])
      await lab.acked()
      const before = await lab.segmentFiles()
      const deleted = await lab.log.deleteExpiredSegments(20, 12_000)
      expect(deleted).toBeGreaterThan(1)
      expect(await lab.segmentFiles()).toEqual(before.slice(deleted))
      expect(lab.log.logStartOffset).toBe(Number(before[deleted]!.slice(0, 20)))
      expect((await lab.readAll())[0]!.offset).toBe(lab.log.logStartOffset)
      const { logStartOffset } = lab.log
      await lab.crash({ power: true })
      expect([lab.verdict, lab.log.logStartOffset, lab.log.logEndOffset]).toEqual(['clean', logStartOffset, 20])
    })
  })

  test('rolls and deletes an active segment that is old, and the log goes on at its end', async () => {
    const lab = new Lab(2, { config: { retentionMs: 1000 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 5; i++) lab.append([recordOf(`value ${i}`, 10_000)], { producerId: 1, producerEpoch: 0, baseSequence: i })
      await lab.acked()
      expect(await lab.log.deleteExpiredSegments(4, 12_000)).toBe(0)
      expect(await lab.log.deleteExpiredSegments(5, 12_000)).toBe(1)
      expect([lab.log.logStartOffset, lab.log.logEndOffset, lab.log.sizeBytes]).toEqual([5, 5, 0])
      expect(await lab.segmentFiles()).toEqual([])
      await lab.crash({ power: true })
      expect([lab.verdict, lab.log.logStartOffset, lab.log.logEndOffset]).toEqual(['clean', 5, 5])
      const sequence = { producerId: 1, producerEpoch: 0 }
      expect(lab.append(['again'], { ...sequence, baseSequence: 4 })).toMatchObject({ duplicate: true, baseOffset: 4 })
      expect(lab.append(['next'], { ...sequence, baseSequence: 5 })).toMatchObject({ duplicate: false, baseOffset: 5 })
      await lab.acked()
      expect(await lab.segmentFiles()).toEqual(['00000000000000000005.log'])
      await lab.reopen()
      expect(values(await lab.readAll())).toEqual(['next'])
    })
  })

  test('waits for readers of the bytes it deletes', async () => {
    const lab = new Lab(3, { config: { segmentBytes: 300, retentionBytes: 0 }, hotTailBytes: 0 })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 6; i++) lab.append([`value ${i}`])
      await lab.acked()
      const read = lab.log.read({ offset: 0, maxBytes: 1000, endOffset: 6, minOneBatch: true })
      const [slice] = await Promise.all([read, lab.log.deleteExpiredSegments(6, 0)])
      expect(slice.sizeBytes).toBeGreaterThan(0)
      expect(() => lab.log.read({ offset: 0, maxBytes: 1000, endOffset: 6, minOneBatch: true })).toThrow('is not within')
    })
  })

  test('forgets producers that have been silent for too long', async () => {
    const lab = new Lab(4, { config: { producerIdExpirationMs: 1000 } })
    await lab.run(async () => {
      await lab.open()
      lab.append([recordOf('a', 10_000)], { producerId: 1, producerEpoch: 0, baseSequence: 0 })
      await lab.acked()
      await lab.log.deleteExpiredSegments(1, 10_999)
      expect(lab.log.producers.producers.size).toBe(1)
      await lab.log.deleteExpiredSegments(1, 11_000)
      expect(lab.log.producers.producers.size).toBe(0)
    })
  })
})

describe('a segment is closed', () => {
  test('when a batch is segment.ms younger than its first, by record time', async () => {
    const lab = new Lab(5, { config: { segmentMs: 1000 } })
    await lab.run(async () => {
      await lab.open()
      for (const timestamp of [5000, 5500, 6000, 6001, 6500, 4000, 7002]) lab.append([recordOf('a', timestamp)])
      expect(lab.log.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 3, 6])
      await lab.acked()
      await lab.reopen()
      lab.append([recordOf('a', 8003)])
      expect(lab.log.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 3, 6, 7])
    })
  })

  test('earlier by a random part of segment.jitter.ms', async () => {
    const ends = new Set<number>()
    for (let seed = 0; seed < 10; seed++) {
      const lab = new Lab(seed, { config: { segmentMs: 1000, segmentJitterMs: 900 } })
      await lab.run(async () => {
        await lab.open()
        for (let timestamp = 0; timestamp <= 1100; timestamp += 50) lab.append([recordOf('a', timestamp)])
        ends.add(lab.log.segments[1]!.baseOffset)
        await lab.acked()
      })
    }
    expect(ends.size).toBeGreaterThan(3)
    expect(Math.max(...ends)).toBeLessThanOrEqual(21)
  })

  test('before it would be larger than segment.bytes; a batch that is larger itself is refused', async () => {
    const lab = new Lab(6, { config: { segmentBytes: 1000 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 30; i++) lab.append(['x'.repeat(200)])
      expect(lab.append(['x'.repeat(1000)])).toMatchObject({ ok: false, errorCode: 18 })
      await lab.acked()
      expect(Math.max(...lab.log.segments.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(1000)
      expect(lab.log.segments.length).toBe(10)
      expect((await lab.readAll()).length).toBe(30)
    })
  })
})
