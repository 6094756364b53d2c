// The four codecs of record batches, synchronous and capped. Each codec, and the library it needs, is one file in compression/; libraries
// are loaded at the first use of their codec.

import { freeNow } from '../util/native-memory.ts'
import { gzipPack, gzipUnpack } from './compression/gzip.ts'
import { lz4Pack, lz4Unpack } from './compression/lz4.ts'
import { snappyPack, snappyUnpack } from './compression/snappy.ts'
import { zstdIsNodes, zstdPack, zstdUnpack } from './compression/zstd.ts'
import { ProtocolError } from './errors.ts'

export const CODEC_NONE = 0
export const CODEC_GZIP = 1
export const CODEC_SNAPPY = 2
export const CODEC_LZ4 = 3
export const CODEC_ZSTD = 4

/** The number in a batch's attributes. */
export type Codec = 0 | 1 | 2 | 3 | 4

/** By number; Kafka's names for compression.type. */
export const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export function isCodec(value: number): value is Codec {
  return value >= CODEC_NONE && value <= CODEC_ZSTD
}

/**
 * @param level  gzip 1…9 (default 6), zstd -131072…22 (default 3); snappy has none, and lz4 is always compressed at its fast level
 * @throws KafkaError UNSUPPORTED_COMPRESSION_TYPE when this platform lacks the codec's library
 */
export function compress(codec: Codec, bytes: Uint8Array, level?: number): Buffer {
  switch (codec) {
    case CODEC_NONE:
      return bufferOf(bytes)
    case CODEC_GZIP:
      return gzipPack(bytes, level)
    case CODEC_SNAPPY:
      return snappyPack(bytes)
    case CODEC_LZ4:
      return lz4Pack(bytes)
    case CODEC_ZSTD:
      return zstdPack(bytes, level)
  }
}

/** What was unpacked in this process so far: native buffers are freed between events only, so who hands out work keeps an eye on it. */
export const unpacked = { bytes: 0 }

/**
 * Unpacks the whole of `bytes`. Sizes declared inside are not believed: nothing is allocated by them beyond the cap.
 * @param maxOutputBytes  more output than this is refused
 * @throws ProtocolError on damage, trailing bytes, an unknown codec or output over the cap
 * @throws KafkaError UNSUPPORTED_COMPRESSION_TYPE when this platform lacks the codec's library
 */
export function decompress(codec: number, bytes: Uint8Array, maxOutputBytes: number): Buffer {
  const plain = unpack(codec, bytes, maxOutputBytes)
  if (codec !== CODEC_NONE) unpacked.bytes += plain.length
  return plain
}

/** Smaller ones are left to the garbage collector. */
const FREED_FROM_BYTES = 2 * 1024 * 1024

/** Nobody looks again at what `decompress` gave for this codec: its memory is free at once, unless it is a library's. */
export function doneWith(codec: number, plain: Buffer): void {
  if (codec === CODEC_NONE || plain.length <= FREED_FROM_BYTES || (codec === CODEC_ZSTD && !zstdIsNodes())) return
  freeNow(plain)
}

function unpack(codec: number, bytes: Uint8Array, maxOutputBytes: number): Buffer {
  switch (codec) {
    case CODEC_NONE:
      if (bytes.length > maxOutputBytes) throw new ProtocolError(`${bytes.length} bytes, at most ${maxOutputBytes} are taken`)
      return bufferOf(bytes)
    case CODEC_GZIP:
      return gzipUnpack(bytes, maxOutputBytes)
    case CODEC_SNAPPY:
      return snappyUnpack(bytes, maxOutputBytes)
    case CODEC_LZ4:
      return lz4Unpack(bytes, maxOutputBytes)
    case CODEC_ZSTD:
      return zstdUnpack(bytes, maxOutputBytes)
    default:
      throw new ProtocolError(`compression codec ${codec} is not known`)
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
