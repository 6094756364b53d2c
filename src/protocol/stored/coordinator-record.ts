// A record of a coordinator's topic: the key starts with the type of the record as int16, the value with the version of its layout. A null value
// deletes what the key names. KIP-915: newer value layouts only add tagged fields, so an older node can read them.
import { ProtocolError } from '../errors.ts'
import { type Fields, type In, NO_FLEX, type Out, type Schema, schema, type VersionRange } from '../schema.ts'
import { decodeVersioned, encodePrefixed, encodeVersioned, prefixOf, type Versioned } from './versioned.ts'

export interface CoordinatorRecord<K extends Fields = Fields, V extends Fields = Fields> {
  readonly name: string
  readonly type: number
  readonly key: Schema<K>
  readonly value: Schema<V>
  encodeKey(key: In<K>): Buffer
  /** @throws ProtocolError another type of record, or damaged */
  decodeKey(bytes: Buffer): Out<K>
  encodeValue(version: number, value: In<V>): Buffer
  /** @throws ProtocolError an unknown version, or damaged */
  decodeValue(bytes: Buffer): Versioned<Out<V>>
}

/**
 * @param versions  of the value; the key has one version, never flexible
 * @param of.flex  the first flexible version of the value; none if left out
 */
export function coordinatorRecord<const K extends Fields, const V extends Fields>(
  name: string,
  type: number,
  versions: VersionRange,
  of: { key: K; flex?: number; value: V },
): CoordinatorRecord<K, V> {
  const key = schema(`${name} key`, '0', { fields: of.key })
  const value = schema(`${name} value`, versions, { flex: of.flex ?? NO_FLEX, fields: of.value })
  return {
    name,
    type,
    key,
    value,
    encodeKey: fields => encodePrefixed(type, key.at(0), fields),
    decodeKey(bytes) {
      if (recordType(bytes) !== type) throw new ProtocolError(`${name} has type ${type}, not ${recordType(bytes)}`)
      return key.at(0).decode(bytes, 2, bytes.length)
    },
    encodeValue: (version, fields) => encodeVersioned(value, version, fields),
    decodeValue: bytes => decodeVersioned(value, bytes),
  }
}

/** The type of the record, from its key. @throws ProtocolError the key is too short */
export function recordType(key: Buffer): number {
  return prefixOf('the key of a coordinator record', key)
}
