// Producer state from stored batches, and as stored bytes of its own.
import { describe, expect, test } from 'vitest'
import { decodeProducers, encodeProducers } from '../../../src/log/producer-snapshot.ts'
import { ProducerState, readProducerBatch } from '../../../src/log/producer-state.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { encodeBatch } from '../../../src/protocol/records.ts'

const LARGE = Number.MAX_SAFE_INTEGER

function marker(type: number, o: { codec?: 0 | 1; producerId?: number; key?: Buffer; value?: Buffer } = {}): Buffer {
  const key = o.key ?? Buffer.from([0, 0, 0, type])
  const value = o.value ?? Buffer.from([0, 0, 0, 0, 0, 9])
  return encodeBatch({
    records: [{ key, value, timestamp: 777 }],
    codec: o.codec ?? 0,
    baseOffset: 50,
    producerId: o.producerId ?? 7,
    producerEpoch: 3,
    control: true,
    transactional: true,
  })
}

describe('a stored batch', () => {
  test('of data gives its sequences, offsets and time', () => {
    const records = [1, 2, 3].map(i => ({ key: null, value: Buffer.from('v'), timestamp: 100 + i }))
    const b = encodeBatch({
      records,
      codec: 0,
      baseOffset: 50,
      producerId: LARGE,
      producerEpoch: 3,
      baseSequence: 2 ** 31 - 2,
      transactional: true,
    })
    expect(readProducerBatch(Buffer.concat([Buffer.alloc(5), b]), 5)).toEqual({
      type: 'data',
      producerId: LARGE,
      producerEpoch: 3,
      firstSequence: 2 ** 31 - 2,
      lastSequence: 0,
      baseOffset: 50,
      lastOffset: 52,
      timestamp: 103,
      transactional: true,
    })
  })

  test('without a producer is nothing to it', () => {
    expect(readProducerBatch(encodeBatch({ records: [], codec: 0 }), 0)).toBeUndefined()
  })

  test.each([
    [0, 0, true],
    [1, 0, false],
    [1, 1, false],
  ] as const)('with a marker of type %d in codec %d ends a transaction', (type, codec, aborts) => {
    expect(readProducerBatch(marker(type, { codec }), 0)).toEqual({
      type: 'marker',
      producerId: 7,
      producerEpoch: 3,
      coordinatorEpoch: 9,
      aborts,
      offset: 50,
      timestamp: 777,
    })
  })

  test('with another control record, or emptied by compaction, is nothing to it', () => {
    expect(readProducerBatch(marker(2), 0)).toBeUndefined()
    const emptied = encodeBatch({ records: [], codec: 0, producerId: 7, producerEpoch: 3, control: true })
    expect(readProducerBatch(emptied, 0)).toBeUndefined()
  })

  test.each([
    ['a key of 3 bytes', { key: Buffer.alloc(3) }],
    ['a value of 5 bytes', { value: Buffer.alloc(5) }],
  ])('with a marker that has %s is damage', (_, o) => {
    expect(() => readProducerBatch(marker(1, o), 0)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  })

  test('with a marker whose records do not fit the header is damage', () => {
    const b = marker(1)
    batch.setRecordCount(b, 0, 100)
    expect(() => readProducerBatch(b, 0)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  })
})

describe('a snapshot', () => {
  const state = new ProducerState()
  for (let i = 0; i < 20; i++) {
    const facts = {
      producerId: LARGE - (i % 3),
      producerEpoch: 2,
      firstSequence: i,
      lastSequence: i,
      timestamp: LARGE,
      transactional: i % 3 === 1,
    }
    state.apply({ type: 'data', ...facts, baseOffset: LARGE - 100 + i, lastOffset: LARGE - 100 + i })
  }
  state.apply({ type: 'marker', producerId: LARGE - 1, producerEpoch: 2, coordinatorEpoch: 4, aborts: true, offset: LARGE, timestamp: 1 })
  const bytes = encodeProducers(state)

  test('comes back as it was', () => {
    expect(decodeProducers(bytes)).toEqual(state)
    expect(decodeProducers(encodeProducers(new ProducerState()))).toEqual(new ProducerState())
  })

  test('with any bit changed, or cut anywhere, is not believed', () => {
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes)
      damaged[i]! ^= 1 << (i % 8)
      expect(decodeProducers(damaged)).toBeUndefined()
      expect(decodeProducers(bytes.subarray(0, i))).toBeUndefined()
    }
  })
})
