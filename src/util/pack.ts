// What only we read (metadata records, raft entries, values in LevelDB, messages between our own nodes) is msgpack: an explicit
// `[type, version, …fields]`, no maps, no extension types, no shared structures, so that every value can be read alone.
// The only file that knows msgpackr.
import { Packr } from 'msgpackr'

export type Packable = null | boolean | number | string | Uint8Array | readonly Packable[]
/** Byte strings come back as Buffers of their own. */
export type Unpacked = null | boolean | number | string | Buffer | readonly Unpacked[]

/** Bytes that are not a packed value: damaged, or written by something else. */
export class PackError extends Error {
  override readonly name = 'PackError'
}

export const MAX_PACKED_BYTES = 64 * 1024 * 1024
const MAX_DEPTH = 16

const packr = new Packr({ useRecords: false, moreTypes: false, copyBuffers: true, int64AsType: 'number', mapsAsObjects: false })

export function pack(type: number, version: number, fields: readonly Packable[]): Buffer {
  return packr.pack([type, version, ...fields])
}

/**
 * @param what  names the value in the error
 * @throws PackError when the bytes are damaged, too many, or too deep
 */
export function unpack(
  bytes: Uint8Array,
  what: string,
  maxBytes = MAX_PACKED_BYTES,
): { readonly type: number; readonly version: number; readonly fields: readonly Unpacked[] } {
  if (bytes.length > maxBytes) throw new PackError(`${what}: ${bytes.length} bytes, at most ${maxBytes} are read`)
  let value: unknown
  try {
    value = packr.unpack(bytes)
  } catch (cause) {
    throw new PackError(`${what}: not a packed value: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (!Array.isArray(value) || value.length < 2) throw new PackError(`${what}: not a [type, version, …fields]`)
  const [type, version, ...fields] = value
  if (!Number.isSafeInteger(type) || !Number.isSafeInteger(version)) throw new PackError(`${what}: not a [type, version, …fields]`)
  for (const field of fields) checkValue(field, what, 1)
  return { type, version, fields }
}

function checkValue(value: unknown, what: string, depth: number): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return
  if (Buffer.isBuffer(value)) return
  if (!Array.isArray(value)) throw new PackError(`${what}: holds a value of a kind we never write`)
  if (depth >= MAX_DEPTH) throw new PackError(`${what}: nested deeper than ${MAX_DEPTH}`)
  for (const element of value) checkValue(element, what, depth + 1)
}
