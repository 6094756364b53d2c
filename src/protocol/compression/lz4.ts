// LZ4 frames (version 1.6 of the frame format). The frame is ours, the blocks are done by the package `lz4-napi` (lz4_flex), but for those behind the
// first two megabytes (lz4-block.ts). As in Kafka:
// blocks must be independent, there is one frame and no dictionary, the header's checksum byte must be right (pre-0.10 clients got it wrong,
// but only in formats before v2). Legacy frames and skippable frames are refused. We differ from Kafka: content size and content checksum
// are verified, and bytes after the frame are refused, because other readers would stumble over either.
//
//   magic u32 · FLG · BD · [content size u64] · HC · { size u32 (top bit: stored) · bytes · [checksum u32] }… · 0 u32 · [checksum u32]

import { freeNow, handedOutNatively } from '../../util/native-memory.ts'
import { ProtocolError } from '../errors.ts'
import { loadLibrary, overCap } from './library.ts'
import { unpackBlock, unpackedBytes } from './lz4-block.ts'
import { xxhash32 } from './xxhash32.ts'

/** The package's block functions: the unpacked size stands in front of the block, u32 little-endian. */
interface Lz4 {
  compressSync(input: Uint8Array): Buffer
  uncompressSync(input: Uint8Array): Buffer
}

const MAGIC = 0x184d2204
const VERSION_1 = 0x40
const INDEPENDENT_BLOCKS = 0x20
const BLOCK_CHECKSUMS = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const STORED = 0x8000_0000
/** BD 4…7 → 64 KiB, 256 KiB, 1 MiB, 4 MiB. */
const maxBlockBytes = (bd: number) => 2 ** (8 + 2 * (bd >> 4))
const BD_64_KIB = 0x40
const BLOCK_BYTES = maxBlockBytes(BD_64_KIB)
/** A match is lengthened by 255 with each byte: no block unpacks to more than this times its size. */
const MAX_RATIO = 255
/** What is logged packs no better. */
const USUAL_RATIO = 32
const SIZE_PREFIX_BYTES = 4

let loaded: Lz4 | undefined

function library(): Lz4 {
  return (loaded ??= loadLibrary<Lz4>('lz4', 'lz4-napi'))
}

/** One frame as Kafka's producers write it: independent blocks of 64 KiB, no checksum but the header's. */
export function lz4Pack(bytes: Uint8Array): Buffer {
  const parts = [FRAME_HEADER]
  for (let p = 0; p < bytes.length; p += BLOCK_BYTES) {
    const plain = bytes.subarray(p, p + BLOCK_BYTES)
    // Its prefix, the unpacked size, gives way to the frame's size field.
    const block = library().compressSync(plain)
    const packedBytes = block.length - SIZE_PREFIX_BYTES
    if (packedBytes < plain.length) {
      block.writeUInt32LE(packedBytes, 0)
      parts.push(block)
    } else {
      const size = Buffer.allocUnsafe(4)
      size.writeUInt32LE((STORED | plain.length) >>> 0, 0)
      parts.push(size, plain as Buffer)
    }
  }
  parts.push(END_MARK)
  return Buffer.concat(parts)
}

const FRAME_HEADER = frameHeader()
const END_MARK = Buffer.alloc(4)

function frameHeader(): Buffer {
  const header = Buffer.alloc(7)
  header.writeUInt32LE(MAGIC, 0)
  header[4] = VERSION_1 | INDEPENDENT_BLOCKS
  header[5] = BD_64_KIB
  header[6] = xxhash32(header, 4, 6) >>> 8
  return header
}

/** What unpacks to more than this is gathered in one piece of our own, and the rest of it unpacked there. */
const GATHERED_FROM_BYTES = 2 * 1024 * 1024

/**
 * @returns memory of our own when it is more than GATHERED_FROM_BYTES, with nothing else in it
 * @throws ProtocolError on damage or more than maxOutputBytes of output
 */
export function lz4Unpack(bytes: Uint8Array, maxOutputBytes: number): Buffer {
  const gathering: Gathering = { bytes: undefined }
  try {
    return unpackFrame(bytes, maxOutputBytes, gathering)
  } catch (error) {
    if (gathering.bytes !== undefined) freeNow(gathering.bytes)
    throw error
  }
}

interface Gathering {
  /** Only what is written to is taken by it. */
  bytes: Buffer | undefined
}

function unpackFrame(bytes: Uint8Array, maxOutputBytes: number, gathering: Gathering): Buffer {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frame = readHeader(b)
  const parts: Buffer[] = []
  let total = 0
  let p = frame.headerBytes
  for (;;) {
    const size = readUint32(b, p) & ~STORED
    const stored = readUint32(b, p) >= STORED
    p += 4
    if (size === 0) break
    if (size > frame.maxBlockBytes || size > b.length - p) throw damaged(`a block of ${size} bytes, ${b.length - p} left`)
    const block = b.subarray(p, p + size)
    const bounds = { maxBytes: frame.maxBlockBytes, room: maxOutputBytes - total, cap: maxOutputBytes }
    if (
      gathering.bytes === undefined &&
      total + (stored ? size : Math.min(frame.maxBlockBytes, size * USUAL_RATIO)) > GATHERED_FROM_BYTES
    ) {
      const all = total + unpackedFrom(b, p - 4, frame.flags)
      if (all > maxOutputBytes) throw overCap('lz4', maxOutputBytes)
      gathering.bytes = Buffer.allocUnsafeSlow(all)
      let at = 0
      for (const before of parts.splice(0)) at += before.copy(gathering.bytes, at)
    }
    let partBytes: number
    if (stored) {
      if (size > bounds.room) throw overCap('lz4', maxOutputBytes)
      if (gathering.bytes === undefined) parts.push(block)
      else block.copy(gathering.bytes, total)
      partBytes = size
    } else if (gathering.bytes === undefined) {
      const part = uncompress(block, bounds)
      parts.push(part)
      partBytes = part.length
    } else {
      partBytes = uncompressTo(gathering.bytes, total, block, bounds)
    }
    if (partBytes === 0) throw damaged('an empty block')
    total += partBytes
    if (frame.flags & BLOCK_CHECKSUMS) {
      if (readUint32(b, p + size) !== xxhash32(b, p, p + size)) throw damaged('a block with a wrong checksum')
      p += 4
    }
    p += size
  }
  const content =
    gathering.bytes?.subarray(0, total) ?? (parts.length === 1 && total <= GATHERED_FROM_BYTES ? parts[0]! : Buffer.concat(parts, total))
  if (frame.flags & CONTENT_CHECKSUM) {
    if (readUint32(b, p) !== xxhash32(content, 0, total)) throw damaged('content with a wrong checksum')
    p += 4
  }
  if (frame.contentBytes !== undefined && frame.contentBytes !== total) throw damaged(`${total} bytes, ${frame.contentBytes} declared`)
  if (p !== b.length) throw damaged(`${b.length - p} bytes after the frame`)
  return content
}

/** What the blocks from `p` on unpack to. */
function unpackedFrom(b: Buffer, p: number, flags: number): number {
  let total = 0
  while (p + 4 <= b.length) {
    const field = b.readUInt32LE(p)
    const size = field & ~STORED
    if (size === 0) break
    total += field >= STORED ? size : unpackedBytes(b.subarray(p + 4, p + 4 + size))
    p += 4 + size + (flags & BLOCK_CHECKSUMS ? 4 : 0)
  }
  return total
}

interface FrameHeader {
  readonly flags: number
  readonly maxBlockBytes: number
  readonly contentBytes: number | undefined
  readonly headerBytes: number
}

function readHeader(b: Buffer): FrameHeader {
  if (readUint32(b, 0) !== MAGIC) throw damaged('no frame of the known kind')
  const flags = b[4] ?? 0
  const bd = b[5] ?? 0
  if ((flags & 0xc3) !== VERSION_1) throw damaged(`frame flags 0x${flags.toString(16)}`)
  if (!(flags & INDEPENDENT_BLOCKS)) throw damaged('blocks that depend on each other')
  if ((bd & 0x8f) !== 0 || bd < BD_64_KIB) throw damaged(`block size code 0x${bd.toString(16)}`)
  const hasSize = (flags & CONTENT_SIZE) !== 0
  const checksumAt = hasSize ? 14 : 6
  if (checksumAt >= b.length) throw damaged('a cut header')
  if (b[checksumAt] !== ((xxhash32(b, 4, checksumAt) >>> 8) & 0xff)) throw damaged('a header with a wrong checksum')
  return {
    flags,
    maxBlockBytes: maxBlockBytes(bd),
    contentBytes: hasSize ? readUint32(b, 6) + readUint32(b, 10) * 2 ** 32 : undefined,
    headerBytes: checksumAt + 1,
  }
}

/** Holds the block behind its prefix for the library; grows to the largest block seen (at most 4 MiB and the prefix). */
let prefixed = Buffer.allocUnsafe(0)

interface BlockBounds {
  /** What the frame allows. */
  readonly maxBytes: number
  /** What is left of the cap. */
  readonly room: number
  readonly cap: number
}

/** @returns how many bytes were written at `at` */
function uncompressTo(out: Buffer, at: number, block: Buffer, { maxBytes, room, cap }: BlockBounds): number {
  const end = unpackBlock(block, out, at, Math.min(out.length, at + Math.min(maxBytes, room, block.length * MAX_RATIO)))
  if (typeof end === 'number') return end - at
  if (end === 'damaged' || room > maxBytes) throw damaged(`a block that is ${end}`)
  throw overCap('lz4', cap)
}

function uncompress(block: Buffer, o: BlockBounds): Buffer {
  const capacity = Math.min(o.maxBytes, o.room, block.length * MAX_RATIO)
  const length = SIZE_PREFIX_BYTES + block.length
  if (prefixed.length < length) prefixed = Buffer.allocUnsafeSlow(Math.max(length, BLOCK_BYTES))
  prefixed.writeUInt32LE(capacity, 0)
  block.copy(prefixed, SIZE_PREFIX_BYTES)
  const lz4 = library()
  try {
    const plain = lz4.uncompressSync(prefixed.subarray(0, length)) // the prefix is the room it has; a block may unpack to less
    handedOutNatively(plain.length)
    return plain
  } catch (cause) {
    // Which of the two it was the library does not say.
    if (capacity === o.room) throw overCap('lz4', o.cap)
    throw new ProtocolError(`lz4: ${(cause as Error).message}`, { cause })
  }
}

function readUint32(b: Buffer, p: number): number {
  if (p + 4 > b.length) throw damaged('a cut frame')
  return b.readUInt32LE(p)
}

function damaged(what: string): ProtocolError {
  return new ProtocolError(`lz4: ${what}`)
}
