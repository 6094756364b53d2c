import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { OffsetCommit } from '../../src/protocol/stored/classic-group.ts'
import { ConsumerProtocolSubscription } from '../../src/protocol/stored/consumer-protocol.ts'
import { EndTxnMarker } from '../../src/protocol/stored/control-records.ts'
import { recordType } from '../../src/protocol/stored/coordinator-record.ts'
import { GROUP_RECORDS, SHARE_STATE_RECORDS, TRANSACTION_RECORDS } from '../../src/protocol/stored/records.ts'
import { decodeExtensible, decodeVersioned, encodeVersioned } from '../../src/protocol/stored/versioned.ts'

describe('records of the coordinators', () => {
  test('a key starts with its type, a value with its version', () => {
    const key = OffsetCommit.encodeKey({ group: 'g', topic: 't', partition: 3 })
    expect(key.toString('hex')).toBe('0001' + '000167' + '000174' + '00000003')
    expect(recordType(key)).toBe(1)
    expect(OffsetCommit.decodeKey(key)).toEqual({ group: 'g', topic: 't', partition: 3 })
    const value = OffsetCommit.encodeValue(3, { offset: 5, leaderEpoch: 2, metadata: '', commitTimestamp: 9 })
    expect(value.toString('hex')).toBe('0003' + '0000000000000005' + '00000002' + '0000' + '0000000000000009')
    expect(OffsetCommit.decodeValue(value)).toMatchObject({ version: 3, value: { offset: 5, leaderEpoch: 2, expireTimestamp: -1 } })
  })

  test('another type, an unknown version and damage are refused', () => {
    expect(() => OffsetCommit.decodeKey(Buffer.from('00020001670001740000000f', 'hex'))).toThrow('OffsetCommit has type 1, not 2')
    expect(() => OffsetCommit.decodeValue(Buffer.from('0005', 'hex'))).toThrow('OffsetCommit value has versions 0-4, not 5')
    for (const bytes of ['', '00', '0003', '000300']) {
      expect(() => OffsetCommit.decodeValue(Buffer.from(bytes, 'hex'))).toThrow(ProtocolError)
    }
    expect(() => recordType(Buffer.alloc(1))).toThrow(ProtocolError)
  })

  test('each type stands once in its list, in ascending order', () => {
    for (const list of [GROUP_RECORDS, TRANSACTION_RECORDS, SHARE_STATE_RECORDS]) {
      const types = list.map(({ type }) => type)
      expect(types).toEqual([...new Set(types)].sort((a, b) => a - b))
    }
  })
})

describe('blobs with a version of their own', () => {
  test('a control record of a transaction', () => {
    const bytes = encodeVersioned(EndTxnMarker, 0, { coordinatorEpoch: 7 })
    expect(bytes.toString('hex')).toBe('000000000007')
    expect(decodeVersioned(EndTxnMarker, bytes)).toEqual({ version: 0, value: { coordinatorEpoch: 7 } })
  })

  test('a subscription newer than known is read as the newest known, and what it adds is ignored', () => {
    const bytes = encodeVersioned(ConsumerProtocolSubscription, 3, { topics: ['a'], rackId: 'r' })
    const newer = Buffer.concat([Buffer.from([0, 9]), bytes.subarray(2), Buffer.from('more')])
    expect(decodeExtensible(ConsumerProtocolSubscription, newer)).toMatchObject({
      version: 9,
      value: { topics: ['a'], userData: null, rackId: 'r' },
    })
    expect(() => decodeVersioned(ConsumerProtocolSubscription, newer)).toThrow(ProtocolError)
    expect(() => decodeExtensible(ConsumerProtocolSubscription, Buffer.from([0xff, 0xff]))).toThrow('no version -1')
    expect(() => decodeExtensible(ConsumerProtocolSubscription, bytes.subarray(0, 5))).toThrow(ProtocolError)
  })
})
