import { describe, expect, test } from 'vitest'
import { type ConsumedRecord, isExhausted, openFetched, takeRecords } from '../../src/client/fetched.ts'
import * as batches from '../../src/protocol/batch.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'

const MAX = 1 << 20

interface Shape {
  readonly producerId?: number
  readonly transactional?: boolean
}

/** A batch as the log holds it: values at `baseOffset`, `baseOffset` + 1 … */
function batch(baseOffset: number, values: string[], shape: Shape = {}): Buffer {
  const records = values.map(value => ({ key: null, value: Buffer.from(value), timestamp: 1000 }))
  return encodeBatch({ records, codec: 0, baseOffset, leaderEpoch: 3, producerEpoch: 0, baseSequence: 0, ...shape })
}

/** What compaction leaves of a batch: some records gone, the header as it was. */
function compacted(baseOffset: number, kept: Record<number, string>, lastOffsetDelta: number): Buffer {
  const values = Array.from({ length: lastOffsetDelta + 1 }, (_, i) => kept[i] ?? 'gone')
  const whole = batch(baseOffset, values)
  const bodies: Buffer[] = []
  let p = batches.BATCH_HEADER_BYTES
  for (let i = 0; i <= lastOffsetDelta; i++) {
    // Records of this size have a length of one byte, zig-zag.
    const size = 1 + whole[p]! / 2
    if (kept[i] !== undefined) bodies.push(whole.subarray(p, p + size))
    p += size
  }
  const left = Buffer.concat([whole.subarray(0, batches.BATCH_HEADER_BYTES), ...bodies])
  batches.setLength(left, 0, left.length - batches.LOG_OVERHEAD)
  batches.setRecordCount(left, 0, bodies.length)
  batches.setCrc(left, 0)
  return left
}

function marker(offset: number, producerId: number, type: 'commit' | 'abort'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
  const records = [{ key, value: Buffer.alloc(6), timestamp: 1000 }]
  return encodeBatch({ records, codec: 0, baseOffset: offset, producerId, producerEpoch: 0, transactional: true, control: true })
}

function open(bytes: Buffer, fetchOffset = 0, aborted: { producerId: number; firstOffset: number }[] | null = null) {
  return openFetched({ topic: 't', partition: 0, fetchOffset }, bytes, aborted)
}

/** Everything in pieces of `step`, and the position in the end. */
function readAll(
  bytes: Buffer,
  options: { from?: number; step?: number; aborted?: { producerId: number; firstOffset: number }[] | null } = {},
) {
  const opened = open(bytes, options.from ?? 0, options.aborted ?? null)!
  const out: ConsumedRecord[] = []
  while (!isExhausted(opened.fetched)) takeRecords(opened.fetched, options.step ?? 100, MAX, out)
  return { values: out.map(record => `${record.offset}${record.value}`), position: opened.fetched.nextOffset, next: opened.nextFetchOffset }
}

describe('fetched bytes', () => {
  const two = Buffer.concat([batch(10, ['a', 'b', 'c']), batch(13, ['d', 'e'])])

  test('are given out record by record, however small the steps', () => {
    for (const step of [1, 2, 3, 4, 5, 100]) {
      expect(readAll(two, { from: 10, step })).toEqual({ values: ['10a', '11b', '12c', '13d', '14e'], position: 15, next: 15 })
    }
  })

  test('begin at the offset asked for, though the batch begins before it', () => {
    expect(readAll(two, { from: 11 }).values).toEqual(['11b', '12c', '13d', '14e'])
    expect(readAll(two, { from: 13 }).values).toEqual(['13d', '14e'])
  })

  test('say which leader wrote them', () => {
    const out: ConsumedRecord[] = []
    takeRecords(open(two, 10)!.fetched, 1, MAX, out)
    expect(out[0]).toMatchObject({ topic: 't', partition: 0, offset: 10, timestamp: 1000, leaderEpoch: 3 })
  })

  test('may end in the middle of a batch, wherever it was cut', () => {
    const whole = batch(10, ['a', 'b', 'c']).length
    for (let cut = 0; cut < two.length; cut++) {
      const opened = open(two.subarray(0, cut), 10)
      if (cut < whole) expect(opened).toBe(undefined)
      else expect(opened!.nextFetchOffset).toBe(13)
    }
  })

  test('step over what compaction took, also at the end of a batch and of all of it', () => {
    const bytes = Buffer.concat([compacted(10, { 1: 'b' }, 4), compacted(15, {}, 2), batch(18, ['z'])])
    expect(readAll(bytes, { from: 10 })).toEqual({ values: ['11b', '18z'], position: 19, next: 19 })
    expect(readAll(compacted(10, {}, 4), { from: 10 })).toEqual({ values: [], position: 15, next: 15 })
    const opened = open(bytes, 10)!
    takeRecords(opened.fetched, 1, MAX, [])
    // Nothing is left of the batch behind its second record.
    expect(opened.fetched.nextOffset).toBe(15)
  })

  test('never give out control records', () => {
    const bytes = Buffer.concat([batch(0, ['a'], { producerId: 5, transactional: true }), marker(1, 5, 'commit'), batch(2, ['b'])])
    expect(readAll(bytes)).toEqual({ values: ['0a', '2b'], position: 3, next: 3 })
  })

  test('leave out aborted transactions with read_committed, and those alone', () => {
    const bytes = Buffer.concat([
      batch(0, ['no'], { producerId: 5, transactional: true }),
      batch(1, ['other'], { producerId: 6, transactional: true }),
      batch(2, ['plain'], { producerId: 5 }),
      batch(3, ['no'], { producerId: 5, transactional: true }),
      marker(4, 5, 'abort'),
      batch(5, ['again'], { producerId: 5, transactional: true }),
      marker(6, 6, 'commit'),
      marker(7, 5, 'commit'),
      batch(8, ['no'], { producerId: 6, transactional: true }),
      marker(9, 6, 'abort'),
    ])
    const aborted = [
      { producerId: 6, firstOffset: 8 },
      { producerId: 5, firstOffset: 0 },
    ]
    expect(readAll(bytes, { aborted }).values).toEqual(['1other', '2plain', '5again'])
    expect(readAll(bytes, { aborted: [] }).values.length).toBe(6)
    expect(readAll(bytes).values.length).toBe(6)
  })

  test('that are damaged are given out up to the damage, and it says where', () => {
    const bytes = Buffer.from(two)
    bytes[bytes.length - 1]! ^= 1
    const opened = open(bytes, 10)!
    const out: ConsumedRecord[] = []
    expect(() => takeRecords(opened.fetched, 100, MAX, out)).toThrow(ProtocolError)
    expect(out.length).toBe(3)
    expect(opened.fetched.nextOffset).toBe(13)
  })

  test.each([
    ['a length too small for a header', (bytes: Buffer) => batches.setLength(bytes, 0, 10)],
    ['another magic', (bytes: Buffer) => void (bytes[16] = 1)],
  ])('with %s are refused', (_, spoil) => {
    const bytes = Buffer.from(two)
    spoil(bytes)
    expect(() => open(bytes, 10)).toThrow(ProtocolError)
  })
})
