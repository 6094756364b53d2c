import { expect, test } from 'vitest'
import { soundPart } from '../../src/log/verify.ts'
import { DamagedLogError } from '../../src/log/walk.ts'
import * as batch from '../../src/protocol/batch.ts'
import { type DecodedRecord, decodeBatch, encodeBatch } from '../../src/protocol/records.ts'
import { FOLDER, Lab } from './lab.ts'

const values = (records: readonly DecodedRecord[]) => records.map(({ value }) => value?.toString())

const LOG = { hasGaps: () => false, leaderEpochOf: () => 7 }

function stored(baseOffset: number): Buffer {
  const bytes = encodeBatch({ codec: 0, records: [{ key: null, value: Buffer.from(`record ${baseOffset}`), timestamp: 1 }] })
  batch.setBaseOffset(bytes, 0, baseOffset)
  batch.setLeaderEpoch(bytes, 0, 7)
  return bytes
}

function sliceOf(...batches: Buffer[]) {
  return { chunks: [Buffer.concat(batches)], sizeBytes: batches.reduce((sum, b) => sum + b.length, 0), nextOffset: 10 + batches.length }
}

test('sound bytes are handed on as they were read', () => {
  const slice = sliceOf(stored(10), stored(11))
  expect(soundPart(slice, 10, LOG)).toBe(slice)
})

test('no batch with a flipped bit is handed on, wherever the bit is, but what lies before it is', () => {
  const first = stored(10)
  for (let at = 0; at < first.length; at++) {
    // Length and magic are looked at by who cuts the slice.
    if ((at >= 8 && at < 12) || at === 16) continue
    for (let bit = 0; bit < 8; bit++) {
      const second = stored(11)
      second[at]! ^= 1 << bit
      expect(() => soundPart(sliceOf(second), 11, LOG), `byte ${at}`).toThrow(DamagedLogError)
      expect(soundPart(sliceOf(first, second), 10, LOG), `byte ${at}`).toEqual({ chunks: [first], sizeBytes: first.length, nextOffset: 11 })
    }
  }
})

test('a gap is damage in a log that has none', () => {
  expect(() => soundPart(sliceOf(stored(12)), 10, LOG)).toThrow(/begins at 12/)
  const slice = sliceOf(stored(12))
  expect(soundPart(slice, 10, { ...LOG, hasGaps: () => true })).toBe(slice)
})

test.each([0, 1, 2, 3])('a batch whose base offset flipped by bit %i is never taken for another one', async bit => {
  const lab = new Lab(1, { hotTailBytes: 1 })
  await lab.run(async () => {
    await lab.open()
    for (const value of ['a', 'b', 'c', 'd', 'e', 'f']) lab.append([value])
    await lab.acked()
    await lab.close()
    await lab.damage(`${FOLDER}/00000000000000000000.log`, bytes => {
      const second = batch.batchSize(bytes, 0)
      bytes[second + 7]! ^= 1 << bit
      return bytes
    })
    await lab.open({ clean: true })
    for (let offset = 1; offset < 6; offset++) {
      const read = async () => (await lab.log.read({ offset, maxBytes: 1, endOffset: 6, minOneBatch: true })).chunks
      const found = await read().then(
        chunks => values(decodeBatch(chunks[0]!, 0, { maxBytes: 1000 })),
        () => 'refused',
      )
      expect(found === 'refused' || found[0] === 'abcdef'[offset], `offset ${offset}: ${found}`).toBe(true)
      if (offset === 1) expect(found).toBe('refused')
    }
  })
})

test('a lookup by time answers nothing from a batch in which a bit flipped', async () => {
  const lab = new Lab(2, { hotTailBytes: 1 })
  await lab.run(async () => {
    await lab.open()
    lab.append(['a', 'b'].map((value, i) => ({ key: null, value: Buffer.from(value), timestamp: 1000 + 10 * i })))
    await lab.acked()
    await lab.close()
    await lab.damage(`${FOLDER}/00000000000000000000.log`, bytes => {
      // The timestamp delta of the second record, behind the first one.
      const first = batch.BATCH_HEADER_BYTES
      const second = first + 1 + (bytes[first]! >> 1)
      bytes[second + 2]! ^= 2
      return bytes
    })
    await lab.open({ clean: true })
    await expect(lab.log.offsetForTimestamp(1005, 2)).rejects.toThrow(/checksum/)
    expect(lab.log.refusal).toBeInstanceOf(DamagedLogError)
  })
})
