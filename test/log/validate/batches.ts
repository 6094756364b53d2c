// Batches for the validator's tests: good ones, and ones with a body made byte by byte.

import type { ValidateConfig } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../../../src/protocol/batch.ts'
import { type Codec, compress } from '../../../src/protocol/compression.ts'
import { encodeBatch, type RecordInput } from '../../../src/protocol/records.ts'

export const NOW = 1_750_000_000_000
export const HOUR = 3_600_000

export const CONFIG: ValidateConfig = {
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  messageTimestampAfterMaxMs: HOUR,
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionZstdLevel: 3,
  maxMessageBytes: 1_048_588,
  cleanupPolicy: ['delete'],
}

export function record(value: string, o: Partial<RecordInput> = {}): RecordInput {
  return { key: Buffer.from('k'), value: Buffer.from(value), timestamp: NOW, ...o }
}

export const three = [record('a', { timestamp: NOW - 5 }), record('b', { timestamp: NOW + 7 }), record('c', { timestamp: NOW })]

export function goodBatch(codec: Codec = 0): Buffer {
  return encodeBatch({ records: three, codec })
}

/** A good batch after `change`, its checksum set again. */
export function changed(change: (b: Buffer) => void, codec: Codec = 0): Buffer {
  const b = goodBatch(codec)
  change(b)
  batch.setCrc(b, 0)
  return b
}

/** A batch of `count` records whose body is these bytes, compressed by `codec`. */
export function rawBatch(body: Buffer, count: number, codec: Codec = 0): Buffer {
  const packed = compress(codec, body)
  const b = Buffer.concat([goodBatch(codec).subarray(0, BATCH_HEADER_BYTES), packed])
  batch.setLength(b, 0, b.length - batch.LOG_OVERHEAD)
  batch.setRecordCount(b, 0, count)
  batch.setLastOffsetDelta(b, 0, count - 1)
  batch.setCrc(b, 0)
  return b
}

/** One record from its fields after the length, which is put in front. */
export function rawRecord(...fields: (number | number[])[]): Buffer {
  const body = Buffer.from(fields.flat())
  return Buffer.concat([Buffer.from(varint(body.length)), body])
}

/** Zig-zag, any int32. */
export function varint(value: number): number[] {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  const bytes: number[] = []
  while (rest > 127) {
    bytes.push((rest & 127) | 128)
    rest >>>= 7
  }
  return [...bytes, rest]
}
