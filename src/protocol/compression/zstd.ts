// Zstandard (RFC 8878): by Node's own zlib where it has it (from 22.15), else by the package `@toondepauw/node-zstd` (napi-rs, libzstd).
// The package has no output cap, so the frames are walked first: every block tells how much it can unpack to at most.

import * as zlib from 'node:zlib'
import { handedOutNatively } from '../../util/native-memory.ts'
import { ProtocolError } from '../errors.ts'
import { loadLibrary, overCap } from './library.ts'

const DEFAULT_LEVEL = 3
const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK_BYTES = 128 * 1024
/** A decoder keeps a window; frames may ask for this much whatever the cap (RFC 8878 wants 8 MB understood), beyond it for the cap. */
const ALWAYS_ALLOWED_WINDOW_BYTES = 8 * 1024 * 1024
/** A frame's bound is rounded up to whole blocks: output over the cap is refused at once only when the bound is over by more than this. */
const BOUND_SLACK_BYTES = 1024 * 1024

/** Both functions take one whole frame. */
interface Zstd {
  compress(bytes: Uint8Array, level: number): Buffer
  decompress(frame: Uint8Array, maxOutputBytes: number): Buffer
}

let loaded: Zstd | undefined

function library(): Zstd {
  return (loaded ??= nodesOwn() ?? packaged())
}

/** @param level  -131072…22, default 3 */
export function zstdPack(bytes: Uint8Array, level: number = DEFAULT_LEVEL): Buffer {
  return library().compress(bytes, level)
}

/** What is unpacked is memory of Node's. */
export function zstdIsNodes(): boolean {
  return 'zstdDecompressSync' in zlib
}

/** @throws ProtocolError on damage or more than maxOutputBytes of output */
export function zstdUnpack(bytes: Uint8Array, maxOutputBytes: number): Buffer {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames = findFrames(b, Math.max(maxOutputBytes, ALWAYS_ALLOWED_WINDOW_BYTES))
  const zstd = library()
  const parts: Buffer[] = []
  let left = maxOutputBytes
  for (const frame of frames) {
    if (frame.maxOutputBytes > left + BOUND_SLACK_BYTES) throw overCap('zstd', maxOutputBytes)
    const part = decompressFrame(zstd, b.subarray(frame.start, frame.end), left)
    if (part.length > left) throw overCap('zstd', maxOutputBytes)
    parts.push(part)
    left -= part.length
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function decompressFrame(zstd: Zstd, frame: Buffer, maxOutputBytes: number): Buffer {
  try {
    return zstd.decompress(frame, maxOutputBytes)
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw overCap('zstd', maxOutputBytes)
    throw new ProtocolError(`zstd: ${(cause as Error).message}`, { cause })
  }
}

interface Frame {
  readonly start: number
  readonly end: number
  /** No decoder can get more out of it. */
  readonly maxOutputBytes: number
}

/** The data frames in `b`, which must hold nothing but frames. */
function findFrames(b: Buffer, maxWindowBytes: number): Frame[] {
  const frames: Frame[] = []
  for (let p = 0; p < b.length; ) {
    const magic = readUint(b, p, 4)
    if (magic === FRAME_MAGIC) {
      const frame = walkFrame(b, p, maxWindowBytes)
      frames.push(frame)
      p = frame.end
    } else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      p += 8 + readUint(b, p + 4, 4)
      if (p > b.length) throw damaged('a cut frame')
    } else {
      throw damaged('no frame where one must start')
    }
  }
  if (frames.length === 0) throw damaged('no frame')
  return frames
}

function walkFrame(b: Buffer, start: number, maxWindowBytes: number): Frame {
  const descriptor = readUint(b, start + 4, 1)
  const singleSegment = (descriptor & 0x20) !== 0
  if (descriptor & 0x08) throw damaged(`frame header descriptor 0x${descriptor.toString(16)}`)
  if (descriptor & 0x03) throw damaged('a frame that needs a dictionary')
  let p = start + 5
  const windowByte = singleSegment ? 0 : readUint(b, p++, 1)
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!
  const contentBytes = sizeBytes === 0 ? undefined : readUint(b, p, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  p += sizeBytes
  const windowBytes = singleSegment ? contentBytes! : 2 ** (10 + (windowByte >>> 3)) * (1 + (windowByte & 7) / 8)
  if (windowBytes > maxWindowBytes) throw damaged(`a window of ${windowBytes} bytes, at most ${maxWindowBytes} are kept`)

  const blockBytes = Math.min(windowBytes, MAX_BLOCK_BYTES)
  let maxOutputBytes = 0
  for (let last = false; !last; ) {
    const header = readUint(b, p, 3)
    p += 3
    last = (header & 1) === 1
    const type = (header >>> 1) & 3
    const size = header >>> 3
    if (type === BLOCK_RESERVED) throw damaged('a block of an unknown type')
    maxOutputBytes += type === BLOCK_COMPRESSED ? blockBytes : size
    p += type === BLOCK_RLE ? 1 : size
    if (p > b.length) throw damaged('a cut frame')
  }
  if (descriptor & 0x04) p += 4 // checksum
  if (p > b.length) throw damaged('a cut frame')
  if (contentBytes !== undefined && contentBytes > maxOutputBytes) throw damaged(`a frame that declares ${contentBytes} bytes`)
  return { start, end: p, maxOutputBytes }
}

const BLOCK_RLE = 1
const BLOCK_COMPRESSED = 2
const BLOCK_RESERVED = 3

/** Little-endian. */
function readUint(b: Buffer, p: number, bytes: number): number {
  if (p + bytes > b.length) throw damaged('a cut frame')
  let value = 0
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + b[p + i]!
  return value
}

function damaged(what: string): ProtocolError {
  return new ProtocolError(`zstd: ${what}`)
}

/** What the types of Node 20 do not know yet. */
interface ZlibWithZstd {
  zstdCompressSync(b: Uint8Array, options: { params: Record<number, number>; pledgedSrcSize: number }): Buffer
  zstdDecompressSync(b: Uint8Array, options: { maxOutputLength: number; chunkSize: number }): Buffer
  constants: { ZSTD_c_compressionLevel: number }
}

function nodesOwn(): Zstd | undefined {
  if (!('zstdDecompressSync' in zlib)) return undefined
  const own = zlib as unknown as ZlibWithZstd
  return {
    compress: (bytes, level) =>
      own.zstdCompressSync(bytes, { params: { [own.constants.ZSTD_c_compressionLevel]: level }, pledgedSrcSize: bytes.length }),
    decompress: (frame, maxOutputBytes) =>
      own.zstdDecompressSync(frame, { maxOutputLength: Math.max(1, maxOutputBytes), chunkSize: 64 * 1024 }),
  }
}

interface ZstdPackage {
  Encoder: new (level: number) => { encodeSync(bytes: Uint8Array): Buffer }
  Decoder: new () => { decodeSync(bytes: Uint8Array): Buffer }
}

function packaged(): Zstd {
  const { Encoder, Decoder } = loadLibrary<ZstdPackage>('zstd', '@toondepauw/node-zstd')
  const decoder = new Decoder()
  const encoders = new Map<number, InstanceType<ZstdPackage['Encoder']>>()
  return {
    compress: (bytes, level) => {
      let encoder = encoders.get(level)
      if (encoder === undefined) encoders.set(level, (encoder = new Encoder(level)))
      return encoder.encodeSync(bytes)
    },
    decompress: frame => {
      const plain = decoder.decodeSync(frame)
      // It grows by doubling.
      handedOutNatively(2 ** Math.ceil(Math.log2(plain.length + 1)))
      return plain
    },
  }
}
