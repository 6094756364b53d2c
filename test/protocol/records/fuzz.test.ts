// Damaged bytes never do worse than a ProtocolError (decoders) or a refusal (validator), and what passes is sound.
import { describe, expect, test } from 'vitest'
import { DEFAULT_LOG_CONFIG } from '../../../src/log/config.ts'
import { readSingleBatch, validateBatch } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { BATCH_HEADER_BYTES, LOG_OVERHEAD } from '../../../src/protocol/batch.ts'
import { type Codec, compress, decompress } from '../../../src/protocol/compression.ts'
import { ProtocolError } from '../../../src/protocol/errors.ts'
import { decodeBatch, encodeBatch, type RecordInput } from '../../../src/protocol/records.ts'
import { Random } from './random.ts'

const ROUNDS = 1500
const CAP = 1 << 20
const NOW = 1_750_000_000_000
const CODECS: Codec[] = [0, 1, 2, 3, 4]

function randomBatch(random: Random, codec: Codec): Buffer {
  const records: RecordInput[] = Array.from({ length: 1 + random.below(8) }, () => ({
    key: random.below(3) === 0 ? null : random.bytes(random.below(20)),
    value: random.below(5) === 0 ? null : Buffer.alloc(random.below(300), random.bytes(3)),
    headers: Array.from({ length: random.below(3) }, () => ({
      key: `h${random.below(9)}`,
      value: random.below(2) ? null : random.bytes(4),
    })),
    timestamp: NOW - random.below(1000),
  }))
  return encodeBatch({ records, codec })
}

/** Flips, overwrites, cuts out or doubles some bytes from `from` on. */
function damage(random: Random, good: Buffer, from: number): Buffer {
  let b = Buffer.from(good)
  for (let times = 1 + random.below(3); times > 0 && b.length > from; times--) {
    const at = from + random.below(b.length - from)
    const kind = random.below(5)
    if (kind === 0) b[at]! ^= 1 << random.below(8)
    else if (kind === 1) b[at] = random.below(256)
    else if (kind === 2) b[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]!
    else if (kind === 3) b = Buffer.concat([b.subarray(0, at), b.subarray(Math.min(b.length, at + 1 + random.below(9)))])
    else b = Buffer.concat([b.subarray(0, at), b.subarray(Math.max(from, at - random.below(9)))])
  }
  return b
}

/** So that the damage is met behind the length and the checksum. */
function madeConsistent(b: Buffer): Buffer {
  if (b.length < BATCH_HEADER_BYTES) return b
  batch.setLength(b, 0, b.length - LOG_OVERHEAD)
  batch.setCrc(b, 0)
  return b
}

function protocolErrorOnly<T>(seed: number, run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw new Error(`seed ${seed}`, { cause: error })
    return undefined
  }
}

describe.each(CODECS)('codec %d', codec => {
  test('a damaged batch is decoded or refused', () => {
    let decoded = 0
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed * 7919 + codec)
      const damaged = damage(random, randomBatch(random, codec), random.below(2) === 0 ? 0 : BATCH_HEADER_BYTES)
      const b = random.below(8) === 0 ? damaged : madeConsistent(damaged)
      if (protocolErrorOnly(seed, () => decodeBatch(b, 0, { maxBytes: CAP })) !== undefined) decoded++
    }
    expect(decoded).toBeLessThan(ROUNDS)
  })

  test('a damaged batch is validated or refused, and what is stored then decodes to consecutive offsets', () => {
    const types = ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed * 104729 + codec)
      const b = madeConsistent(damage(random, randomBatch(random, codec), random.below(3) === 0 ? 21 : BATCH_HEADER_BYTES))
      const config = { ...DEFAULT_LOG_CONFIG, compressionType: types[random.below(6)]! }
      const single = readSingleBatch(b, 9)
      if (!single.ok) continue
      const result = protocolErrorOnly(seed, () => validateBatch(single.batch, config, { now: NOW, origin: 'client' }))
      expect(result, `seed ${seed}`).toBeDefined()
      if (result?.ok !== true) continue
      const records = decodeBatch(result.batch, 0, { maxBytes: CAP })
      expect(
        records.map(record => record.offset),
        `seed ${seed}`,
      ).toEqual(records.map((_, i) => i))
      expect(Math.max(-1, ...records.map(record => record.timestamp)), `seed ${seed}`).toBe(result.maxTimestamp)
    }
  })

  test('damaged blocks unpack to at most the cap, or are refused', () => {
    if (codec === 0) return
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed * 15485863 + codec)
      const plain = Buffer.concat([random.bytes(random.below(200)), Buffer.alloc(random.below(3000), random.bytes(5))])
      const cap = random.below(4000)
      const block = damage(random, compress(codec, plain), 0)
      const unpacked = protocolErrorOnly(seed, () => decompress(codec, block, cap))
      if (unpacked !== undefined) expect(unpacked.length, `seed ${seed}`).toBeLessThanOrEqual(cap)
    }
  })

  test('random bytes are refused', () => {
    if (codec === 0) return
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed)
      const unpacked = protocolErrorOnly(seed, () => decompress(codec, random.bytes(random.below(60)), 100))
      if (unpacked !== undefined) expect(unpacked.length, `seed ${seed}`).toBeLessThanOrEqual(100)
    }
  })
})
