// gzip (RFC 1952) by Node's own zlib, synchronously. Several members one after another are one stream, as in Java.

import { gunzipSync, gzipSync } from 'node:zlib'
import { handedOutNatively } from '../../util/native-memory.ts'
import { ProtocolError } from '../errors.ts'
import { overCap } from './library.ts'

/** Deflate's largest ratio: one byte unpacks to at most so many. */
const MAX_RATIO = 1032
const MIN_CHUNK_BYTES = 1024
/** Of what is too much, or damaged: it is thrown away. */
const DOUBTED_CHUNK_BYTES = 64 * 1024

/** @param level  1…9, or -1 or missing for zlib's default, 6 */
export function gzipPack(bytes: Uint8Array, level?: number): Buffer {
  return level === undefined ? gzipSync(bytes) : gzipSync(bytes, { level })
}

/** @throws ProtocolError on damage or more than maxOutputBytes of output */
export function gzipUnpack(bytes: Uint8Array, maxOutputBytes: number): Buffer {
  let plain: Buffer
  try {
    plain = gunzipSync(bytes, { maxOutputLength: Math.max(1, maxOutputBytes), chunkSize: chunkBytes(bytes, maxOutputBytes) })
  } catch (cause) {
    handedOutNatively(Math.min(maxOutputBytes, bytes.length * MAX_RATIO))
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw overCap('gzip', maxOutputBytes)
    // zlib's own errors: damage (Z_DATA_ERROR), a cut stream (Z_BUF_ERROR)
    throw new ProtocolError(`gzip: ${(cause as Error).message}`, { cause })
  }
  if (plain.length > maxOutputBytes) throw overCap('gzip', maxOutputBytes)
  return plain
}

/** The output in one allocation when the trailer tells its size truly; otherwise only a hint, bounded by the cap and by what deflate can do. */
function chunkBytes(bytes: Uint8Array, maxOutputBytes: number): number {
  const declared = declaredBytes(bytes)
  if (declared > maxOutputBytes) return Math.max(MIN_CHUNK_BYTES, Math.min(DOUBTED_CHUNK_BYTES, maxOutputBytes + 1))
  return Math.max(MIN_CHUNK_BYTES, Math.min(declared + 1, bytes.length * MAX_RATIO))
}

/** What the last member says it unpacks to, modulo 2^32. */
function declaredBytes(bytes: Uint8Array): number {
  const n = bytes.length
  return n < 4 ? 0 : (bytes[n - 4]! | (bytes[n - 3]! << 8) | (bytes[n - 2]! << 16) | (bytes[n - 1]! << 24)) >>> 0
}
