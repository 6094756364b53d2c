// Snappy, by the package `snappy` (napi-rs). On the wire it comes raw (librdkafka) and in the framing of Java's snappy-java ("xerial"):
//   82 'S' 'N' 'A' 'P' 'P' 'Y' 00 · version i32 · compatible version i32 · { size i32 (big-endian) · raw block }…
// Both are read. Written is xerial, the form Java's own producers and brokers write and so the one every client has met.

import { ProtocolError } from '../errors.ts'
import { loadLibrary, overCap } from './library.ts'

interface Snappy {
  compressSync(input: Uint8Array, options: { copyOutputData: boolean }): Buffer
  uncompressSync(input: Uint8Array, options: { copyOutputData: boolean }): Buffer
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER_BYTES = 16
const XERIAL_VERSION = 1
/** A copy of 64 bytes takes 3: no raw block unpacks to more than this times its size. */
const MAX_RATIO = 22
/** A copied result costs less than one that is handed over and finalized later (3 to 6 times, measured). */
const COPY = { copyOutputData: true }

let loaded: Snappy | undefined

function library(): Snappy {
  return (loaded ??= loadLibrary<Snappy>('snappy', 'snappy'))
}

export function snappyPack(bytes: Uint8Array): Buffer {
  const block = library().compressSync(bytes, COPY)
  const out = Buffer.allocUnsafe(XERIAL_HEADER_BYTES + 4 + block.length)
  XERIAL_MAGIC.copy(out)
  out.writeInt32BE(XERIAL_VERSION, 8)
  out.writeInt32BE(XERIAL_VERSION, 12)
  out.writeInt32BE(block.length, XERIAL_HEADER_BYTES)
  block.copy(out, XERIAL_HEADER_BYTES + 4)
  return out
}

/** @throws ProtocolError on damage or more than maxOutputBytes of output */
export function snappyUnpack(bytes: Uint8Array, maxOutputBytes: number): Buffer {
  const blocks = isXerial(bytes) ? xerialBlocks(bytes) : [bytes]
  let total = 0
  for (const block of blocks) {
    const size = declaredSize(block)
    total += size
    if (size > block.length * MAX_RATIO) throw new ProtocolError(`snappy: a block of ${block.length} bytes that declares ${size}`)
    if (total > maxOutputBytes) throw overCap('snappy', maxOutputBytes)
  }
  const parts = blocks.map(uncompress)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function uncompress(block: Uint8Array): Buffer {
  const snappy = library()
  try {
    return snappy.uncompressSync(block, COPY) // refuses a block that does not unpack to exactly the size it declares
  } catch (cause) {
    throw new ProtocolError(`snappy: ${(cause as Error).message}`, { cause })
  }
}

function isXerial(bytes: Uint8Array): boolean {
  return bytes.length >= XERIAL_HEADER_BYTES && XERIAL_MAGIC.compare(bytes, 0, XERIAL_MAGIC.length) === 0
}

function xerialBlocks(bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (let p = XERIAL_HEADER_BYTES; p < bytes.length; ) {
    const left = bytes.length - p - 4
    const size = left < 0 ? -1 : (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!
    if (size < 0 || size > left) throw new ProtocolError(`snappy: a block of ${size} bytes, ${left} left`)
    blocks.push(bytes.subarray(p + 4, p + 4 + size))
    p += 4 + size
  }
  return blocks
}

/** The size a raw block declares in front: an unsigned varint of 32 bits. */
function declaredSize(block: Uint8Array): number {
  let size = 0
  for (let i = 0; i < 5; i++) {
    const byte = block[i]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * i)
    if (byte <= 0x7f) return size
  }
  throw new ProtocolError('snappy: a block without a size')
}
