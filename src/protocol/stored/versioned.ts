// Blobs that carry their own version in front: an int16, then the message. Records of the coordinators, control records, principals and the
// consumer protocol are all stored or sent so.
import { ProtocolError } from '../errors.ts'
import type { Codec, Fields, In, Out, Schema } from '../schema.ts'
import { Writer } from '../writer.ts'

export interface Versioned<T> {
  readonly version: number
  readonly value: T
}

export function encodeVersioned<F extends Fields>(schema: Schema<F>, version: number, value: In<F>): Buffer {
  return encodePrefixed(version, schema.at(version), value)
}

/** @throws ProtocolError the version is not known, or the bytes are not such a message and nothing else */
export function decodeVersioned<F extends Fields>(schema: Schema<F>, bytes: Buffer): Versioned<Out<F>> {
  const version = prefixOf(schema.name, bytes)
  if (version < schema.minVersion || version > schema.maxVersion) {
    throw new ProtocolError(`${schema.name} has versions ${schema.minVersion}-${schema.maxVersion}, not ${version}`)
  }
  return { version, value: schema.at(version).decode(bytes, 2, bytes.length) }
}

/**
 * As decodeVersioned, for formats whose later versions only add at the end: a newer version is read as the newest one known.
 * @throws ProtocolError the version is below the oldest one known, or the bytes are damaged
 */
export function decodeExtensible<F extends Fields>(schema: Schema<F>, bytes: Buffer): Versioned<Out<F>> {
  const version = prefixOf(schema.name, bytes)
  if (version < schema.minVersion) throw new ProtocolError(`${schema.name} has no version ${version}`)
  return { version, value: schema.at(Math.min(version, schema.maxVersion)).decodePrefix(bytes, 2, bytes.length) }
}

/** An int16, then the message, in one piece. */
export function encodePrefixed<I>(prefix: number, codec: Codec<unknown, I>, value: I): Buffer {
  const w = new Writer({ referenceBytes: Number.MAX_SAFE_INTEGER })
  w.int16(prefix)
  codec.encode(value, w)
  return w.done()[0] as Buffer
}

export function prefixOf(name: string, bytes: Buffer): number {
  if (bytes.length < 2) throw new ProtocolError(`${name} of ${bytes.length} bytes has no version`)
  return bytes.readInt16BE(0)
}
