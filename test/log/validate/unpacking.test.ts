// A few kilobytes can unpack to 64 MiB, and everybody waits meanwhile: what one request may cost is bounded.
import { describe, expect, test } from 'vitest'
import { validateBatch } from '../../../src/log/validate.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { CODEC_GZIP, CODEC_NONE, CODEC_ZSTD } from '../../../src/protocol/compression.ts'
import { MESSAGE_TOO_LARGE } from '../../../src/protocol/errors.ts'
import { encodeBatch } from '../../../src/protocol/records.ts'
import { CONFIG, NOW, record } from './batches.ts'

const MIB = 1024 * 1024
const CLIENT = { now: NOW, origin: 'client' } as const

function zeros(bytes: number): Buffer {
  const value = Buffer.alloc(MIB)
  const records = Array.from({ length: bytes / MIB }, () => ({ ...record('', {}), value }))
  return encodeBatch({ records, codec: CODEC_ZSTD })
}

/** Of which enough does not pack that the whole may unpack to much. */
function mixed(bytes: number, codec: 1 | 4): Buffer {
  const noise = Buffer.from(Array.from({ length: MIB / 2 }, (_, i) => (Math.imul(i, 0x9e3779b1) ^ Math.imul(i * i, 0x85ebca77)) >>> 24))
  const records = [noise, Buffer.alloc(bytes - MIB / 2)].map(value => ({ ...record('', {}), value }))
  return encodeBatch({ records, codec })
}

describe('a batch that must be packed anew', () => {
  const config = { ...CONFIG, maxMessageBytes: MIB, compressionType: 'gzip' } as const

  test('is taken up to sixteen times max.message.bytes, and told to be split beyond', () => {
    expect(validateBatch(mixed(15 * MIB, CODEC_ZSTD), config, CLIENT)).toMatchObject({ ok: true })
    expect(validateBatch(mixed(17 * MIB, CODEC_ZSTD), config, CLIENT)).toMatchObject({ ok: false, errorCode: MESSAGE_TOO_LARGE })
  })

  test('is the only kind that bound is for', () => {
    expect(validateBatch(mixed(17 * MIB, CODEC_GZIP), config, CLIENT)).toMatchObject({ ok: true })
  })
})

describe('the budget of a request', () => {
  test('is used up by what batches unpack to; then only uncompressed ones are taken', () => {
    const unpacking = { leftBytes: 5 * MIB }
    for (let i = 0; i < 2; i++) expect(validateBatch(zeros(3 * MIB), CONFIG, { ...CLIENT, unpacking })).toMatchObject({ ok: true })
    expect(validateBatch(zeros(3 * MIB), CONFIG, { ...CLIENT, unpacking })).toMatchObject({ ok: false, errorCode: MESSAGE_TOO_LARGE })
    const plain = encodeBatch({ records: [record('a', {})], codec: CODEC_NONE })
    expect(validateBatch(plain, CONFIG, { ...CLIENT, unpacking })).toMatchObject({ ok: true })
  })

  test('is charged in full for a batch that turns out to be damaged', () => {
    const unpacking = { leftBytes: 4.5 * MIB }
    const damaged = zeros(3 * MIB)
    damaged[damaged.length - 1]! ^= 0xff
    damaged[batch.BATCH_HEADER_BYTES]! ^= 0xff
    batch.setCrc(damaged, 0)
    expect(validateBatch(damaged, CONFIG, { ...CLIENT, unpacking })).toMatchObject({ ok: false })
    expect(unpacking.leftBytes).toBeLessThanOrEqual(MIB)
  })
})
