import { describe, expect, test } from 'vitest'
import * as batch from '../../../src/protocol/batch.ts'
import { CODEC_NAMES, type Codec } from '../../../src/protocol/compression.ts'
import { decodeBatch, encodeBatch, openBody, type RecordInput, walkRecords } from '../../../src/protocol/records.ts'

const CODECS: Codec[] = [0, 1, 2, 3, 4]
const LIMITS = { maxBytes: 1 << 20 }

const RECORDS: RecordInput[] = [
  { key: Buffer.from('k1'), value: Buffer.from('v1'), timestamp: 1_700_000_000_000 },
  { key: null, value: Buffer.from('v2'), timestamp: 1_700_000_000_250, headers: [{ key: 'trace', value: Buffer.from('abc') }] },
  {
    key: Buffer.from('k3'),
    value: null,
    timestamp: 1_699_999_999_000,
    headers: [
      { key: 'ключ', value: null },
      { key: '', value: Buffer.alloc(0) },
    ],
  },
  { key: Buffer.alloc(0), value: Buffer.alloc(70_000, 'x'), timestamp: 4_102_444_800_000 },
]

describe.each(CODECS)('a batch of codec %d', codec => {
  test('decodes to the records it was made of', () => {
    const b = encodeBatch({ records: RECORDS, codec, baseOffset: 42 })
    const decoded = decodeBatch(b, 0, LIMITS)
    expect(decoded).toEqual(
      RECORDS.map((record, i) => ({ ...record, headers: record.headers ?? [], offset: 42 + i, timestamp: record.timestamp })),
    )
  })

  test('has a header that says what was asked for', () => {
    const b = encodeBatch({
      records: RECORDS,
      codec,
      leaderEpoch: 7,
      producerId: 2 ** 40 + 1,
      producerEpoch: 3,
      baseSequence: 9,
      transactional: true,
    })
    expect(batch.batchSize(b, 0)).toBe(b.length)
    expect(batch.magic(b, 0)).toBe(2)
    expect(batch.codecOf(b, 0)).toBe(codec)
    expect(batch.leaderEpoch(b, 0)).toBe(7)
    expect(batch.producerId(b, 0)).toBe(2 ** 40 + 1)
    expect(batch.producerEpoch(b, 0)).toBe(3)
    expect(batch.baseSequence(b, 0)).toBe(9)
    expect(batch.lastSequence(b, 0)).toBe(12)
    expect(batch.isTransactional(b, 0)).toBe(true)
    expect(batch.isControl(b, 0)).toBe(false)
    expect(batch.recordCount(b, 0)).toBe(4)
    expect(batch.lastOffsetDelta(b, 0)).toBe(3)
    expect(batch.baseTimestamp(b, 0)).toBe(1_700_000_000_000)
    expect(batch.maxTimestamp(b, 0)).toBe(4_102_444_800_000)
    expect(batch.crcIsValid(b, 0)).toBe(true)
  })

  test('is read at any position of a larger buffer', () => {
    const b = encodeBatch({ records: RECORDS, codec })
    const among = Buffer.concat([Buffer.alloc(13, 0xee), b, Buffer.alloc(5, 0xee)])
    expect(decodeBatch(among, 13, LIMITS)).toHaveLength(4)
  })

  test('unpacks to no more than the cap', () => {
    const b = encodeBatch({ records: RECORDS, codec })
    if (codec === 0) return
    const size = openBody(b, 0, LIMITS).bytes.length
    expect(decodeBatch(b, 0, { maxBytes: size })).toHaveLength(4)
    expect(() => decodeBatch(b, 0, { maxBytes: size - 1 })).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  })
})

test('the codecs go by the names of compression.type', () => {
  expect(CODEC_NAMES[0]).toBe('none')
  expect(CODEC_NAMES[4]).toBe('zstd')
})

test('a batch with the log append time gives it to every record', () => {
  const b = encodeBatch({ records: RECORDS, codec: 0, logAppendTime: 5_000 })
  expect(decodeBatch(b, 0, LIMITS).map(record => record.timestamp)).toEqual([5_000, 5_000, 5_000, 5_000])
})

test('base offset and leader epoch change without touching the checksum; other fields need it set anew', () => {
  const b = encodeBatch({ records: RECORDS, codec: 0 })
  batch.setBaseOffset(b, 0, Number.MAX_SAFE_INTEGER - 3)
  batch.setLeaderEpoch(b, 0, 2 ** 31 - 1)
  expect(batch.crcIsValid(b, 0)).toBe(true)
  expect(batch.lastOffset(b, 0)).toBe(Number.MAX_SAFE_INTEGER)
  batch.setMaxTimestamp(b, 0, -1)
  expect(batch.maxTimestamp(b, 0)).toBe(-1)
  expect(batch.crcIsValid(b, 0)).toBe(false)
  batch.setCrc(b, 0)
  expect(batch.crcIsValid(b, 0)).toBe(true)
})

test('the walk shows where every part lies', () => {
  const b = encodeBatch({ records: RECORDS, codec: 0 })
  const seen: string[] = []
  walkRecords(b, batch.BATCH_HEADER_BYTES, b.length, 4, record => {
    const key = record.keySize < 0 ? 'null' : b.toString('utf8', record.keyStart, record.keyStart + record.keySize)
    seen.push(
      `${record.index} delta=${record.offsetDelta} time=${record.timestampDelta} key=${key} value=${record.valueSize} headers=${record.headerCount}`,
    )
  })
  expect(seen).toEqual([
    '0 delta=0 time=0 key=k1 value=2 headers=0',
    '1 delta=1 time=250 key=null value=2 headers=1',
    '2 delta=2 time=-1000 key=k3 value=-1 headers=2',
    '3 delta=3 time=2402444800000 key= value=70000 headers=0',
  ])
})
