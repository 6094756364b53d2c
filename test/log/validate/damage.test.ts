// Records that are not what they say: every one is refused whole, with INVALID_RECORD, in every codec.
import { describe, expect, test } from 'vitest'
import { validateBatch } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import type { Codec } from '../../../src/protocol/compression.ts'
import { encodeBatch } from '../../../src/protocol/records.ts'
import { CONFIG, changed, goodBatch, NOW, rawBatch, rawRecord, record, varint } from './batches.ts'

const CLIENT = { now: NOW, origin: 'client' } as const
const CODECS: Codec[] = [0, 1, 2, 3, 4]

// attributes, timestampDelta, offsetDelta, key, value, header count
const GOOD = rawRecord(0, 0, 0, varint(-1), varint(-1), 0)
const LONG_VARINT_10 = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]

test('the smallest record there can be is taken', () => {
  expect(GOOD).toHaveLength(7)
  expect(validateBatch(rawBatch(GOOD, 1), CONFIG, CLIENT)).toMatchObject({ ok: true })
})

const DAMAGED: [what: string, body: Buffer, count: number][] = [
  ['a record longer than the batch', Buffer.concat([Buffer.from(varint(7)), GOOD.subarray(1)]), 1],
  ['a record of negative length', Buffer.concat([Buffer.from(varint(-2)), GOOD.subarray(1)]), 1],
  ['a record of no length', Buffer.from([0, 0, 0, 0, 0, 0, 0]), 1],
  ['a record whose length ends inside its fields', Buffer.concat([Buffer.from(varint(5)), GOOD.subarray(1)]), 1],
  ['bytes after the last field of a record', rawRecord(0, 0, 0, varint(-1), varint(-1), 0, 0), 1],
  ['bytes after the last record', Buffer.concat([GOOD, Buffer.from([0])]), 1],
  ['a whole record more than the count', Buffer.concat([GOOD, GOOD]), 1],
  ['fewer records than the count', Buffer.concat([GOOD, Buffer.alloc(20)]), 3],
  ['a count larger than the bytes allow', GOOD, 100_000_000],
  ['a key longer than its record', rawRecord(0, 0, 0, varint(100), varint(-1), 0), 1],
  ['a key of size -2', rawRecord(0, 0, 0, varint(-2), varint(-1), 0), 1],
  ['a value longer than its record', rawRecord(0, 0, 0, varint(-1), varint(1), 0), 1],
  ['a value of size 2^31-1', rawRecord(0, 0, 0, varint(-1), varint(2 ** 31 - 1), 0), 1],
  ['a value of size -2^31', rawRecord(0, 0, 0, varint(-1), varint(-(2 ** 31)), 0), 1],
  ['a negative header count', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(-1)), 1],
  ['more headers than bytes', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(1000)), 1],
  ['a header whose key is null', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(1), varint(-1), varint(-1)), 1],
  ['a header key longer than its record', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(1), varint(9), varint(-1)), 1],
  ['a header value longer than its record', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(1), varint(0), varint(9)), 1],
  ['a header cut after its key', rawRecord(0, 0, 0, varint(-1), varint(-1), varint(1), varint(0)), 1],
  ['a varint of six bytes', rawRecord(0, 0, [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], varint(-1), varint(-1), 0), 1],
  ['a varint with bits beyond 32', rawRecord(0, 0, [0x80, 0x80, 0x80, 0x80, 0x10], varint(-1), varint(-1), 0), 1],
  ['a varlong of eleven bytes', rawRecord(0, [...LONG_VARINT_10, 0x80, 0x00], 0, varint(-1), varint(-1), 0), 1],
  ['a varlong with bits beyond 64', rawRecord(0, [...LONG_VARINT_10, 0x02], 0, varint(-1), varint(-1), 0), 1],
  ['a varint cut by the end of the record', rawRecord(0, 0, 0, varint(-1), varint(-1), 0x80), 1],
  ['a varint cut by the end of the batch', Buffer.from([0x80, 0x80]), 1],
  ['nothing at all', Buffer.alloc(0), 1],
]

describe.each(CODECS)('in codec %d', codec => {
  test.each(DAMAGED)('%s', (_, body, count) => {
    const result = validateBatch(rawBatch(body, count, codec), CONFIG, CLIENT)
    expect(result).toMatchObject({ ok: false, errorCode: 87, recordErrors: [] })
  })

  test('a timestamp delta beyond 2^53 is a bad timestamp', () => {
    const body = rawRecord(0, [...LONG_VARINT_10, 0x01], 0, varint(-1), varint(-1), 0)
    expect(validateBatch(rawBatch(body, 1, codec), CONFIG, CLIENT)).toMatchObject({ ok: false, errorCode: 32 })
  })
})

test.each([1, 2, 3, 4])('plain records marked as codec %d are refused', codec => {
  const b = changed(b => batch.setAttributes(b, 0, codec))
  expect(validateBatch(b, CONFIG, CLIENT)).toMatchObject({ ok: false, errorCode: 87 })
})

test.each([1, 2, 3, 4] as const)(
  'a compressed block of codec %d cut anywhere, or with a byte changed, never passes for other records',
  codec => {
    const good = encodeBatch({ records: Array.from({ length: 20 }, (_, i) => record(`value ${i} ${'pad'.repeat(i)}`)), codec })
    for (let length = batch.BATCH_HEADER_BYTES; length < good.length; length += 3) {
      const cut = Buffer.from(good.subarray(0, length))
      batch.setLength(cut, 0, length - batch.LOG_OVERHEAD)
      batch.setCrc(cut, 0)
      expect(validateBatch(cut, CONFIG, CLIENT)).toMatchObject({ ok: false, errorCode: 87 })
    }
  },
)

test('a batch is left as it came when it is refused', () => {
  for (const [, body, count] of DAMAGED) {
    const b = rawBatch(body, count)
    const before = Buffer.from(b)
    validateBatch(b, { ...CONFIG, messageTimestampType: 'LogAppendTime', compressionType: 'gzip' }, CLIENT)
    expect(b.equals(before)).toBe(true)
  }
  expect(goodBatch().length).toBeGreaterThan(61)
})
