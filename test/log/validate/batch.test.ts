// UnifiedLog.analyzeAndValidateRecords and LogValidator, as reference facts.
import { describe, expect, test } from 'vitest'
import { type Validated, validateBatch } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import type { Codec } from '../../../src/protocol/compression.ts'
import { decodeBatch, encodeBatch } from '../../../src/protocol/records.ts'
import { CONFIG, changed, goodBatch, HOUR, NOW, record, three } from './batches.ts'

const CLIENT = { now: NOW, origin: 'client' } as const
const LIMITS = { maxBytes: 1 << 24 }
const CODECS: Codec[] = [0, 1, 2, 3, 4]

function accepted(b: Buffer, config = CONFIG, o: { now: number; origin: 'client' | 'coordinator' } = CLIENT): Validated {
  const result = validateBatch(b, config, o)
  if (!result.ok) throw new Error(`${result.errorCode}: ${result.errorMessage}`)
  expect(batch.crcIsValid(result.batch, 0)).toBe(true)
  return result
}

describe.each(CODECS)('a good batch of codec %d', codec => {
  test('is taken as it is, in the same buffer', () => {
    const b = goodBatch(codec)
    const before = Buffer.from(b)
    const result = accepted(b)
    expect(result.batch).toBe(b)
    expect(b.equals(before)).toBe(true)
    expect(result).toMatchObject({ recordCount: 3, maxTimestamp: NOW + 7, offsetDeltaOfMaxTimestamp: 1, logAppendTimeMs: -1 })
  })

  test.each([0, -1, NOW, NOW + 10 * HOUR])('has its maxTimestamp computed anew when the client sent %d', sent => {
    const result = accepted(changed(b => batch.setMaxTimestamp(b, 0, sent), codec))
    expect(batch.maxTimestamp(result.batch, 0)).toBe(NOW + 7)
    expect(decodeBatch(result.batch, 0, LIMITS).map(r => r.timestamp)).toEqual([NOW - 5, NOW + 7, NOW])
  })

  test('gets the time of its append on a LogAppendTime topic, whatever its timestamps', () => {
    const records = [record('old', { timestamp: 0 }), record('none', { timestamp: -1 }), record('far', { timestamp: NOW * 2 })]
    const result = accepted(encodeBatch({ records, codec }), { ...CONFIG, messageTimestampType: 'LogAppendTime' })
    expect(result).toMatchObject({ maxTimestamp: NOW, logAppendTimeMs: NOW, offsetDeltaOfMaxTimestamp: 0 })
    expect(batch.hasLogAppendTime(result.batch, 0)).toBe(true)
    expect(decodeBatch(result.batch, 0, LIMITS).map(r => r.timestamp)).toEqual([NOW, NOW, NOW])
  })

  test('is renumbered when its offset deltas have gaps or repeat', () => {
    const sparse = encodeBatch({ records: three, codec: 0 })
    // The middle record's offset delta, a one-byte varint: 1 → 0.
    const at = sparse.indexOf(Buffer.from('k')) // of the first record
    const second = sparse.indexOf(Buffer.from('k'), at + 1)
    sparse[second - 2] = 0
    batch.setCrc(sparse, 0)
    const b =
      codec === 0
        ? sparse
        : accepted(sparse, { ...CONFIG, compressionType: (['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const)[codec]! }).batch
    const decoded = decodeBatch(accepted(b).batch, 0, LIMITS)
    expect(decoded.map(r => [r.offset, r.value!.toString(), r.timestamp])).toEqual([
      [0, 'a', NOW - 5],
      [1, 'b', NOW + 7],
      [2, 'c', NOW],
    ])
  })
})

test('a batch whose records all lack a timestamp has none either', () => {
  const b = encodeBatch({ records: [record('a', { timestamp: -1 }), record('b', { timestamp: -1 })], codec: 0 })
  expect(accepted(b).maxTimestamp).toBe(-1)
})

test.each(CODECS.flatMap(from => CODECS.map(to => [from, to] as const)))(
  'a batch of codec %d is stored in codec %d when the topic says so',
  (from, to) => {
    const records = [
      record('x'.repeat(2000), {
        headers: [
          { key: 'h', value: Buffer.from('v') },
          { key: 'n', value: null },
        ],
      }),
      record('y', { key: null }),
    ]
    const b = encodeBatch({ records, codec: from, producerId: 9, producerEpoch: 2, baseSequence: 5, transactional: true, leaderEpoch: 3 })
    const compressionType = (['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const)[to]!
    const { batch: stored } = accepted(b, { ...CONFIG, compressionType })
    expect(batch.codecOf(stored, 0)).toBe(to)
    expect(stored === b).toBe(from === to)
    expect([
      batch.producerId(stored, 0),
      batch.producerEpoch(stored, 0),
      batch.baseSequence(stored, 0),
      batch.isTransactional(stored, 0),
    ]).toEqual([9, 2, 5, true])
    expect(decodeBatch(stored, 0, LIMITS)).toEqual(decodeBatch(b, 0, LIMITS))
  },
)

describe('the size', () => {
  test('is bounded by max.message.bytes as the batch comes', () => {
    const b = goodBatch()
    accepted(Buffer.from(b), { ...CONFIG, maxMessageBytes: b.length })
    expect(validateBatch(b, { ...CONFIG, maxMessageBytes: b.length - 1 }, CLIENT)).toMatchObject({ ok: false, errorCode: 10 })
  })

  test('is bounded again after the batch was unpacked for an uncompressed topic', () => {
    const b = encodeBatch({ records: [record('x'.repeat(10_000))], codec: 1 })
    const config = { ...CONFIG, compressionType: 'uncompressed', maxMessageBytes: 5000 } as const
    expect(b.length).toBeLessThan(5000)
    expect(validateBatch(b, config, CLIENT)).toMatchObject({ ok: false, errorCode: 10 })
  })

  test('of what a batch unpacks to is bounded too', () => {
    const b = encodeBatch({ records: [record('x'.repeat(65 * 1024 * 1024))], codec: 1 })
    expect(validateBatch(b, CONFIG, CLIENT)).toMatchObject({ ok: false, errorCode: 10 })
  })

  test.each([1, 2, 3, 4] as const)('of what a small batch of codec %i unpacks to is bounded more narrowly', codec => {
    const of = (mib: number) => encodeBatch({ records: [{ ...record('', {}), value: Buffer.alloc(mib * 1024 * 1024) }], codec })
    expect(validateBatch(of(3), { ...CONFIG, maxMessageBytes: 1_048_588 }, CLIENT)).toMatchObject({ ok: true })
    expect(validateBatch(of(codec === 1 || codec === 4 ? 5 : 70), { ...CONFIG, maxMessageBytes: 1_048_588 }, CLIENT)).toMatchObject({
      ok: false,
      errorCode: 10,
    })
  })
})

describe('timestamps on a CreateTime topic', () => {
  const config = { ...CONFIG, messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 500 }

  test.each([
    ['the oldest allowed', NOW - 1000, true],
    ['one too old', NOW - 1001, false],
    ['the newest allowed', NOW + 500, true],
    ['one too new', NOW + 501, false],
    ['none at all', -1, true],
  ])('%s', (_, timestamp, ok) => {
    const result = validateBatch(encodeBatch({ records: [record('a', { timestamp })], codec: 0 }), config, CLIENT)
    expect(result.ok).toBe(ok)
    if (!result.ok) expect(result).toMatchObject({ errorCode: 32, recordErrors: [{ batchIndex: 0 }] })
  })

  test('are refused with the index of every bad record, and nothing is changed', () => {
    const b = encodeBatch({ records: [record('a', { timestamp: 0 }), record('b'), record('c', { timestamp: NOW + HOUR })], codec: 2 })
    const before = Buffer.from(b)
    expect(validateBatch(b, config, CLIENT)).toMatchObject({ errorCode: 32, recordErrors: [{ batchIndex: 0 }, { batchIndex: 2 }] })
    expect(b.equals(before)).toBe(true)
  })

  test.each([2 ** 60, -(2 ** 60)])('of %d, beyond what a number holds, are refused', base => {
    expect(
      validateBatch(
        changed(b => batch.setBaseTimestamp(b, 0, base)),
        CONFIG,
        CLIENT,
      ),
    ).toMatchObject({ errorCode: 32 })
  })

  test.each(['CreateTime', 'LogAppendTime'] as const)('a client must not mark them as the append time: %s topic', messageTimestampType => {
    const b = encodeBatch({ records: three, codec: 0, logAppendTime: NOW })
    expect(validateBatch(b, { ...CONFIG, messageTimestampType }, CLIENT)).toMatchObject({
      errorCode: 32,
      recordErrors: [{ batchIndex: 0 }, { batchIndex: 1 }, { batchIndex: 2 }],
    })
  })
})

describe('a compacted topic', () => {
  const config = { ...CONFIG, cleanupPolicy: ['compact', 'delete'] as const }

  test('takes keyed records, empty keys and tombstones', () => {
    accepted(encodeBatch({ records: [record('a'), record('b', { key: Buffer.alloc(0) }), record('', { value: null })], codec: 0 }), config)
  })

  test('refuses records without a key, by index', () => {
    const b = encodeBatch({ records: [record('a'), record('b', { key: null }), record('c'), record('d', { key: null })], codec: 3 })
    expect(validateBatch(b, config, CLIENT)).toMatchObject({ errorCode: 87, recordErrors: [{ batchIndex: 1 }, { batchIndex: 3 }] })
  })

  test('says INVALID_TIMESTAMP when a record fails by its timestamp as well', () => {
    const b = encodeBatch({ records: [record('a', { key: null }), record('b', { timestamp: NOW * 2 })], codec: 0 })
    expect(validateBatch(b, config, CLIENT)).toMatchObject({ errorCode: 32, recordErrors: [{ batchIndex: 0 }, { batchIndex: 1 }] })
  })

  test('names at most 1000 bad records', () => {
    const b = encodeBatch({ records: Array.from({ length: 1500 }, () => record('a', { key: null })), codec: 0 })
    const result = validateBatch(b, config, CLIENT)
    expect(result.ok ? 0 : result.recordErrors.length).toBe(1000)
  })
})

describe('the header', () => {
  test.each<[string, (b: Buffer) => void, number]>([
    ['a base offset other than 0', b => batch.setBaseOffset(b, 0, 1), 87],
    ['a negative last offset delta', b => batch.setLastOffsetDelta(b, 0, -1), 87],
    ['a last offset delta that does not match the count', b => batch.setLastOffsetDelta(b, 0, 3), 87],
    ['a count of 0', b => batch.setRecordCount(b, 0, 0), 87],
    ['a negative count', b => batch.setRecordCount(b, 0, -1), 87],
    ['a count that does not match the last offset delta', b => batch.setRecordCount(b, 0, 2), 87],
    ['the control bit', b => batch.setAttributes(b, 0, batch.CONTROL_BIT), 87],
    ['a producer id without a sequence', b => batch.setProducerId(b, 0, 5), 87],
    ['a codec nobody knows', b => batch.setAttributes(b, 0, 5), 76],
    [
      'a producer id without an epoch',
      b => {
        batch.setProducerId(b, 0, 5)
        batch.setBaseSequence(b, 0, 0)
      },
      87,
    ],
  ])('with %s is refused', (_, change, errorCode) => {
    expect(validateBatch(changed(change), CONFIG, CLIENT)).toMatchObject({ ok: false, errorCode })
  })

  test('with a wrong checksum is CORRUPT_MESSAGE', () => {
    const b = goodBatch()
    b[b.length - 1]! ^= 1
    expect(validateBatch(b, CONFIG, CLIENT)).toMatchObject({ errorCode: 2 })
  })

  test.each([-1, 1])('with a length that is off by %d is CORRUPT_MESSAGE', by => {
    expect(
      validateBatch(
        changed(b => batch.setLength(b, 0, b.length - 12 + by)),
        CONFIG,
        CLIENT,
      ),
    ).toMatchObject({ errorCode: 2 })
  })

  test('may have any leader epoch, and without a producer id any producer epoch and sequence', () => {
    accepted(
      changed(b => {
        batch.setLeaderEpoch(b, 0, 12345)
        batch.setProducerEpoch(b, 0, 0)
        batch.setBaseSequence(b, 0, 0)
      }),
    )
  })
})

test('a coordinator may write control batches and batches without a sequence, which no topic recompresses', () => {
  const marker = encodeBatch({
    records: [{ key: Buffer.from([0, 0, 0, 1]), value: Buffer.from([0, 0, 0, 0, 0, 7]), timestamp: NOW }],
    codec: 0,
    control: true,
    transactional: true,
    producerId: 5,
    producerEpoch: 1,
  })
  const result = accepted(marker, { ...CONFIG, compressionType: 'gzip' }, { now: NOW, origin: 'coordinator' })
  expect(result.batch).toBe(marker)
})
