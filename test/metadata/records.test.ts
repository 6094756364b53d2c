// Records are for ever: what an older Ottla wrote is read, and what a newer one wrote is refused.
import { expect, test } from 'vitest'
import { decodeRecord, encodeRecord, type MetadataRecord } from '../../src/metadata/records.ts'
import { pack } from '../../src/util/pack.ts'

const registered: MetadataRecord = {
  type: 'brokerRegistered',
  brokerId: 3,
  brokerEpoch: 17,
  incarnationId: 'process',
  directoryId: 'directory',
  rack: 'r1',
  fenced: true,
  listeners: [{ name: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 'PLAINTEXT' }],
  features: [{ name: 'metadata.version', minVersion: 7, maxVersion: 30 }],
  internalListener: { host: 'inside', port: 10_092 },
  shuttingDown: false,
}

test('a registration of version 1 knew of no internal listener', () => {
  const listeners = [['PLAINTEXT', 'h', 9092, 'PLAINTEXT']]
  const bytes = pack(2, 1, [3, 17, 'process', 'directory', 'r1', true, listeners, [['metadata.version', 7, 30]]])
  expect(decodeRecord(bytes)).toEqual({ ...registered, internalListener: null })
})

test.each<MetadataRecord>([
  registered,
  { ...registered, internalListener: null },
  { ...registered, shuttingDown: true },
  { type: 'brokerShuttingDown', brokerId: 3, brokerEpoch: 17 },
])('it is read as it was written: %o', record => {
  expect(decodeRecord(encodeRecord(record))).toEqual(record)
})

test.each([
  [2, 3],
  [2, 0],
  [12, 2],
  [99, 1],
])('type %i of version %i is not known here', (type, version) => {
  expect(() => decodeRecord(pack(type, version, [3, 17]))).toThrow(/written by a newer Ottla/)
})
