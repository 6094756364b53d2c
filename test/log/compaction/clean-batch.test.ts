// Facts: Kafka's Cleaner and MemoryRecords.filterTo, KIP-534.
import { describe, expect, test } from 'vitest'
import { cleanBatch, noteKeys } from '../../../src/log/compaction/clean-batch.ts'
import { KeyMap } from '../../../src/log/compaction/key-map.ts'
import * as batch from '../../../src/protocol/batch.ts'
import type { Codec } from '../../../src/protocol/compression.ts'
import { type BatchInput, decodeBatch, encodeBatch } from '../../../src/protocol/records.ts'

const NOW = 1_000_000
const DAY = 86_400_000

function keyMap(bytes = 1 << 16): KeyMap {
  return new KeyMap({ bytes, loadFactor: 0.9, secret: Buffer.alloc(16, 7) })
}

/** 'a=1 b= c': key a with value 1, key b with an empty value, a tombstone of c */
function batchOf(text: string, o: Partial<BatchInput> = {}): Buffer {
  const records = text.split(' ').map((record, i) => {
    const [key, value] = record.split('=')
    return { key: key === '-' ? null : Buffer.from(key!), value: value === undefined ? null : Buffer.from(value), timestamp: 5000 + i }
  })
  return encodeBatch({ records, codec: 0, ...o })
}

function told(b: Buffer): string[] {
  return decodeBatch(b, 0, { maxBytes: 1 << 20 }).map(({ offset, key, value, timestamp }) => {
    return `${offset}@${timestamp} ${key}${value === null ? '' : `=${value}`}`
  })
}

/** What is left of the first batch when all are in the map. */
function cleaned(batches: readonly Buffer[], o: { now?: number; mayBeEmpty?: boolean } = {}): Buffer | 'drop' | undefined {
  const map = keyMap()
  for (const b of batches) expect(noteKeys(b, 0, map, 0)).toBe(true)
  return cleanBatch(batches[0]!, 0, { map, now: o.now ?? NOW, deleteRetentionMs: DAY }, o.mayBeEmpty ?? false)
}

describe('of a batch', () => {
  test.each([0, 1, 2, 3, 4] as Codec[])('the newest records of their keys stay where they were (codec %i)', codec => {
    const first = batchOf('a=1 b=2 a=3 c=4', { baseOffset: 100, codec, producerId: 9, producerEpoch: 2, baseSequence: 30, leaderEpoch: 6 })
    const left = cleaned([first, batchOf('c=5', { baseOffset: 104 })]) as Buffer
    expect(told(left)).toEqual(['101@5001 b=2', '102@5002 a=3'])
    expect(batch.crcIsValid(left, 0)).toBe(true)
    expect([batch.codecOf(left, 0), batch.lastOffset(left, 0), batch.leaderEpoch(left, 0)]).toEqual([codec, 103, 6])
    expect([batch.producerId(left, 0), batch.producerEpoch(left, 0), batch.baseSequence(left, 0)]).toEqual([9, 2, 30])
    expect(batch.maxTimestamp(left, 0)).toBe(5002)
  })

  test('nothing is written anew when all of it stays', () => {
    expect(cleaned([batchOf('a=1 b=2', { baseOffset: 10 }), batchOf('c=3', { baseOffset: 12 })])).toBeUndefined()
  })

  test('nothing stays when newer records have all its keys', () => {
    expect(cleaned([batchOf('a=1', { baseOffset: 10 }), batchOf('a', { baseOffset: 11 })])).toBe('drop')
  })

  test('the header stays for who needs its offsets or its producer', () => {
    const first = batchOf('a=1 a=2', { baseOffset: 10, codec: 1, producerId: 9, producerEpoch: 2, baseSequence: 30 })
    const left = cleaned([first, batchOf('a=3', { baseOffset: 12 })], { mayBeEmpty: true }) as Buffer
    expect([left.length, told(left), batch.crcIsValid(left, 0)]).toEqual([batch.BATCH_HEADER_BYTES, [], true])
    expect([batch.baseOffset(left, 0), batch.lastOffset(left, 0), batch.lastSequence(left, 0)]).toEqual([10, 11, 31])
    expect([batch.maxTimestamp(left, 0), batch.codecOf(left, 0)]).toEqual([5001, 0])
    expect(cleaned([left], { mayBeEmpty: true })).toBeUndefined()
    expect(cleaned([left])).toBe('drop')
  })

  test('records without a key go', () => {
    expect(told(cleaned([batchOf('-=1 a=2')]) as Buffer)).toEqual(['1@5001 a=2'])
  })

  test('what lies behind the map stays, whatever its key', () => {
    const map = keyMap()
    noteKeys(batchOf('a=1', { baseOffset: 1 }), 0, map, 0)
    expect(cleanBatch(batchOf('a=2 a=3', { baseOffset: 2 }), 0, { map, now: NOW, deleteRetentionMs: DAY }, false)).toBeUndefined()
  })

  test("the log's append time stays the time of its records", () => {
    const left = cleaned([batchOf('a=1 b=2', { logAppendTime: 7777 }), batchOf('b=3', { baseOffset: 2 })]) as Buffer
    expect(told(left)).toEqual(['0@7777 a=1'])
  })

  test('control batches stay untouched, and records of transactions do not count as newer', () => {
    const marker = batchOf('a', { control: true, transactional: true, producerId: 9, producerEpoch: 0, baseOffset: 3 })
    expect(cleaned([marker, batchOf('a=1', { baseOffset: 4 })])).toBeUndefined()
    expect(
      cleaned([batchOf('a=1'), batchOf('a=2', { baseOffset: 1, transactional: true, producerId: 9, producerEpoch: 0 })]),
    ).toBeUndefined()
  })
})

describe('a tombstone', () => {
  const first = batchOf('a=1 b c=3', { baseOffset: 50 })

  test('gets a horizon when a cleaning first meets it, and times stay what they were', () => {
    const left = cleaned([first]) as Buffer
    expect(told(left)).toEqual(['50@5000 a=1', '51@5001 b', '52@5002 c=3'])
    expect(batch.attributes(left, 0) & batch.DELETE_HORIZON_BIT).not.toBe(0)
    expect(batch.baseTimestamp(left, 0)).toBe(NOW + DAY)
    expect(batch.crcIsValid(left, 0)).toBe(true)
  })

  test('stays until then, and goes afterwards', () => {
    const marked = cleaned([first]) as Buffer
    expect(cleaned([marked], { now: NOW + DAY - 1 })).toBeUndefined()
    const left = cleaned([marked], { now: NOW + DAY }) as Buffer
    expect(told(left)).toEqual(['50@5000 a=1', '52@5002 c=3'])
    expect(batch.baseTimestamp(left, 0)).toBe(NOW + DAY)
  })

  test('keeps its horizon when the batch is cleaned again', () => {
    const marked = cleaned([first]) as Buffer
    const left = cleaned([marked, batchOf('a=9', { baseOffset: 60 })], { now: NOW + 5 }) as Buffer
    expect(told(left)).toEqual(['51@5001 b', '52@5002 c=3'])
    expect(batch.baseTimestamp(left, 0)).toBe(NOW + DAY)
  })

  test('of a transaction stays', () => {
    expect(cleaned([batchOf('a b=1', { transactional: true, producerId: 9, producerEpoch: 0 })])).toBeUndefined()
  })
})

describe('the map of keys', () => {
  test('ends with the last record whose key found room', () => {
    const map = keyMap(24 * 4)
    expect(noteKeys(batchOf('a=1 b=2', { baseOffset: 10 }), 0, map, 0)).toBe(true)
    expect(map.latestOffset).toBe(11)
    expect(noteKeys(batchOf('a=3 c=4 d=5 e=6', { baseOffset: 12 }), 0, map, 0)).toBe(false)
    expect([map.latestOffset, map.size]).toEqual([13, 3])
    expect(['a', 'b', 'c', 'd'].map(key => map.offsetOf(Buffer.from(key), 0, 1))).toEqual([12, 11, 13, -1])
  })

  test('begins with the first record that is dirty', () => {
    const map = keyMap()
    noteKeys(batchOf('a=1 b=2', { baseOffset: 10 }), 0, map, 11)
    expect(['a', 'b'].map(key => map.offsetOf(Buffer.from(key), 0, 1))).toEqual([-1, 11])
  })

  test('tells keys of every length apart', () => {
    const keys = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 300, i % 300 === 0 ? '' : `${i}.`))
    const distinct = new Map(keys.map((key, i) => [key.toString('hex'), i]))
    const map = keyMap(1 << 20)
    for (const [i, key] of keys.entries()) map.put(key, 0, key.length, i)
    expect(map.size).toBe(distinct.size)
    for (const [hex, i] of distinct) expect(map.offsetOf(Buffer.from(hex, 'hex'), 0, hex.length / 2)).toBe(i)
  })

  test('knows keys under other secrets by other places', () => {
    const key = Buffer.from('key')
    const maps = [1, 2].map(secret => new KeyMap({ bytes: 1 << 16, loadFactor: 0.9, secret: Buffer.alloc(16, secret) }))
    for (const map of maps) map.put(key, 0, 3, 5)
    expect(maps.map(map => map.offsetOf(key, 0, 3))).toEqual([5, 5])
  })
})
