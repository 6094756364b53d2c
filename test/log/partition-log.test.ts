import { describe, expect, test } from 'vitest'
import { batchOf, FOLDER, Lab, recordsOf, TOPIC_ID, values } from './lab.ts'

describe('an append', () => {
  test('gets the next offsets, and is ackable only when it is flushed', async () => {
    const lab = new Lab(1)
    await lab.run(async () => {
      const log = await lab.open()
      expect(lab.verdict).toBe('new')
      expect(lab.append(['a', 'b'])).toMatchObject({ ok: true, baseOffset: 0, lastOffset: 1, duplicate: false })
      expect(lab.append(['c'])).toMatchObject({ ok: true, baseOffset: 2, lastOffset: 2 })
      expect([log.logEndOffset, log.writtenOffset, log.flushedOffset, log.ackableOffset]).toEqual([3, 0, 0, 0])
      await lab.until(() => log.writtenOffset === 3)
      expect(log.ackableOffset).toBe(log.flushedOffset)
      await lab.acked()
      expect(log.flushedOffset).toBe(3)
      expect(values(await lab.readAll())).toEqual(['a', 'b', 'c'])
    })
  })

  test('is not read before it is written', async () => {
    const lab = new Lab(2)
    await lab.run(async () => {
      const log = await lab.open()
      lab.append(['a'])
      expect(await log.read({ offset: 0, maxBytes: 1000, endOffset: 10, minOneBatch: true })).toEqual({
        chunks: [],
        sizeBytes: 0,
        nextOffset: 0,
      })
    })
  })

  test('lies on disk byte for byte, under the topic id', async () => {
    const lab = new Lab(3)
    await lab.run(async () => {
      await lab.open()
      const first = batchOf(['a'])
      const second = batchOf(['b'])
      lab.log.appendAsLeader(first, { leaderEpoch: 7, origin: 'client' })
      lab.log.appendAsLeader(second, { leaderEpoch: 7, origin: 'client' })
      await lab.acked()
      expect(await lab.files()).toEqual(['00000000000000000000.log', 'partition.metadata'])
      expect(await lab.bytesOf(`${FOLDER}/00000000000000000000.log`)).toEqual(Buffer.concat([first, second]))
      expect((await lab.bytesOf(`${FOLDER}/partition.metadata`)).toString()).toBe(`version: 0\ntopic_id: ${TOPIC_ID}\n`)
      expect(recordsOf(await lab.log.read({ offset: 1, maxBytes: 100, endOffset: 2, minOneBatch: true }))[0]!.offset).toBe(1)
    })
  })

  test('survives an orderly restart, with its producer, which still knows a duplicate', async () => {
    const lab = new Lab(4)
    await lab.run(async () => {
      await lab.open()
      const producer = { producerId: 9, producerEpoch: 0 }
      lab.append(['a', 'b'], { ...producer, baseSequence: 0 })
      lab.append(['c'], { ...producer, baseSequence: 2 })
      await lab.acked()
      await lab.reopen()
      expect(lab.verdict).toBe('clean')
      expect(lab.append(['a', 'b'], { ...producer, baseSequence: 0 })).toMatchObject({
        ok: true,
        duplicate: true,
        baseOffset: 0,
        lastOffset: 1,
      })
      expect(lab.append(['e'], { ...producer, baseSequence: 4 })).toMatchObject({ ok: false, errorCode: 45 })
      expect(lab.append(['d'], { ...producer, baseSequence: 3 })).toMatchObject({ ok: true, duplicate: false, baseOffset: 3 })
      await lab.acked()
      expect(values(await lab.readAll())).toEqual(['a', 'b', 'c', 'd'])
    })
  })
})
