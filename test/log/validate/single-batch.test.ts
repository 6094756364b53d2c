// ProduceRequest.validateRecords and what ByteBufferLogInputStream takes for a batch.
import { describe, expect, test } from 'vitest'
import { readSingleBatch } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { changed, goodBatch } from './batches.ts'

const good = goodBatch()

describe('the records of a produce request', () => {
  test('are one batch, handed out as a view', () => {
    const result = readSingleBatch(good, 9)
    expect(result.ok && result.batch.buffer === good.buffer && result.batch.equals(good)).toBe(true)
  })

  test.each<[string, Buffer]>([
    ['less than a length field', good.subarray(0, 11)],
    ['a cut second batch', good.subarray(0, good.length - 1)],
    ['twelve zero-filled bytes short of a magic byte', Buffer.concat([good.subarray(0, 12), Buffer.alloc(2)])],
  ])('drop %s behind the first batch', (_, rest) => {
    const result = readSingleBatch(Buffer.concat([good, rest]), 9)
    expect(result.ok && result.batch.equals(good)).toBe(true)
  })

  test.each<[string, Buffer | null, number]>([
    ['null', null, 87],
    ['empty', Buffer.alloc(0), 87],
    ['a cut batch', good.subarray(0, good.length - 1), 87],
    ['less than a header', good.subarray(0, 30), 87],
    ['two batches', Buffer.concat([good, good]), 87],
    ['magic 1', changed(b => void (b[16] = 1)), 87],
    ['magic 3', changed(b => void (b[16] = 3)), 2],
    ['magic -1', changed(b => void (b[16] = 0xff)), 2],
    ['a length of 13', changed(b => batch.setLength(b, 0, 13)), 2],
    ['a length of 14, less than a v2 header', changed(b => batch.setLength(b, 0, 14)), 2],
    ['a negative length', changed(b => batch.setLength(b, 0, -5)), 2],
    ["garbage of a batch's size behind the batch", Buffer.concat([good, Buffer.alloc(20, 0xff)]), 2],
  ])('are refused when they are %s', (_, records, errorCode) => {
    expect(readSingleBatch(records, 9)).toMatchObject({ ok: false, errorCode })
  })

  test('may be zstd from version 7 on', () => {
    expect(readSingleBatch(goodBatch(4), 7)).toMatchObject({ ok: true })
    expect(readSingleBatch(goodBatch(4), 6)).toMatchObject({ ok: false, errorCode: 76 })
    expect(readSingleBatch(goodBatch(3), 3)).toMatchObject({ ok: true })
  })
})
