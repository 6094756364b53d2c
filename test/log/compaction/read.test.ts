// What readers meet in a compacted log.
import { expect, test } from 'vitest'
import * as batch from '../../../src/protocol/batch.ts'
import { Lab, recordsOf } from '../lab.ts'

const LIMITS = { mapBytes: 1 << 20, mapLoadFactor: 0.9, maxBytesPerSecond: Number.MAX_SAFE_INTEGER, leaveFreeBytes: 0 }

test('a read steps over batches without records, unless it asks for them', async () => {
  const lab = new Lab(1, { hotTailBytes: 0, config: { cleanupPolicy: ['compact'], segmentBytes: 4000 } })
  await lab.run(async () => {
    await lab.open()
    // The last batch of each producer stays.
    for (let i = 0; i < 100; i++) {
      const record = { key: Buffer.from('key'), value: Buffer.from(`value ${i}`), timestamp: 1000 + i }
      expect(lab.append([record], { producerId: 100 + i, producerEpoch: 0, baseSequence: 0 }).ok).toBe(true)
    }
    await lab.acked()
    const { outcome } = await lab.log.compaction.clean({ ...LIMITS, highWatermark: 100 })
    expect(outcome).toBe('done')
    const first = await lab.log.read({ offset: 0, maxBytes: 200, endOffset: 100, minOneBatch: true })
    expect(recordsOf(first).length).toBeGreaterThan(0)
    const everything = await lab.log.read({ offset: 0, maxBytes: 200, endOffset: 100, minOneBatch: true, withEmpty: true })
    expect([batch.baseOffset(everything.chunks[0]!, 0), recordsOf(everything)]).toEqual([0, []])
    expect(everything.nextOffset).toBeLessThan(first.nextOffset)
    // Nothing else is there below this end: the reader gets on all the same.
    const end = recordsOf(first)[0]!.offset
    const bare = await lab.log.read({ offset: 0, maxBytes: 200, endOffset: end, minOneBatch: true })
    expect([recordsOf(bare), bare.nextOffset > 0]).toEqual([[], true])
  })
})
