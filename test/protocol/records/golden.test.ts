// What others have written, read here. The files say who wrote them and what is in them.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readProducerBatch } from '../../../src/log/producer-state.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { CODEC_NAMES, type Codec, compress, decompress } from '../../../src/protocol/compression.ts'
import { decodeBatch, encodeBatch, type RecordInput } from '../../../src/protocol/records.ts'
import { Random } from './random.ts'

function golden(name: string): string[][] {
  const text = readFileSync(new URL(`../../golden/records/${name}`, import.meta.url), 'utf8')
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return lines.map(line => line.split(' '))
}

const LIMITS = { maxBytes: 1 << 20 }
const java = new Map(golden('java-batches.txt').map(([name, hex]) => [name!, Buffer.from(hex!, 'hex')]))

const RECORDS: RecordInput[] = Array.from({ length: 10 }, (_, i) => ({
  key: i % 3 === 0 ? null : Buffer.from(`key-${i}`),
  value: i === 4 ? null : Buffer.from(`value ${i} `.repeat(20)),
  headers:
    i % 4 === 1
      ? [
          { key: 'h', value: Buffer.from('x') },
          { key: 'ключ', value: null },
        ]
      : [],
  timestamp: 1_700_000_000_000 + i * 7 - (i === 5 ? 100 : 0),
}))

function expected(baseOffset: number, timestamp?: number) {
  return RECORDS.map((record, i) => ({ ...record, offset: baseOffset + i, timestamp: timestamp ?? record.timestamp }))
}

describe('a batch of the Java client', () => {
  test.each(CODEC_NAMES.map((name, codec) => [name, codec as Codec] as const))('in %s is read', (name, codec) => {
    const b = java.get(name)!
    expect(batch.codecOf(b, 0)).toBe(codec)
    expect(decodeBatch(b, 0, LIMITS)).toEqual(expected(0))
  })

  test('uncompressed is byte for byte what we write', () => {
    expect(encodeBatch({ records: RECORDS, codec: 0 }).equals(java.get('none')!)).toBe(true)
    const producer = { producerId: Number.MAX_SAFE_INTEGER, producerEpoch: 12, baseSequence: 2 ** 31 - 3 }
    const b = encodeBatch({ records: RECORDS, codec: 0, baseOffset: 42, leaderEpoch: 5, transactional: true, ...producer })
    expect(b.equals(java.get('producer')!)).toBe(true)
  })

  test('with the log append time is read', () => {
    expect(decodeBatch(java.get('logAppendTime')!, 0, LIMITS)).toEqual(expected(7, 1_800_000_000_000))
  })

  test.each([
    ['commit', false, 99],
    ['abort', true, 100],
  ])('with a %s marker is read', (name, aborts, offset) => {
    const it = {
      type: 'marker',
      producerId: 1234,
      producerEpoch: 6,
      coordinatorEpoch: 17,
      aborts,
      offset,
      timestamp: 1_700_000_000_024 + offset,
    }
    expect(readProducerBatch(java.get(name)!, 0)).toEqual(it)
  })
})

const TEXTS: Record<string, Buffer> = {
  small: Buffer.from(Array.from({ length: 40 }, (_, i) => `line ${i} of the small text\n`).join('')),
  large: Buffer.from(
    Array.from({ length: 1500 }, (_, i) => `line ${i % 100} of the large text, which is long enough for several blocks\n`).join(''),
  ),
}

describe('a block compressed by others', () => {
  const blocks = golden('codecs.txt').map(
    ([codec, text, how, base64]) => [codec!, text!, how!, Buffer.from(base64!, 'base64')] as [string, string, string, Buffer],
  )

  test.each(blocks.filter(([codec]) => codec !== 'refused'))(
    '%s %s %s is unpacked, under a cap of exactly its size',
    (codec, name, _, block) => {
      const number = CODEC_NAMES.indexOf(codec as (typeof CODEC_NAMES)[number])
      const text = TEXTS[name]!
      expect(decompress(number, block, text.length).equals(text)).toBe(true)
      expect(() => decompress(number, block, text.length - 1)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
    },
  )

  test.each(blocks.filter(([codec]) => codec === 'refused'))('%s: %s %s', (_, codec, __, block) => {
    const number = CODEC_NAMES.indexOf(codec as (typeof CODEC_NAMES)[number])
    expect(() => decompress(number, block, 1 << 20)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  })
})

describe.each([1, 2, 3, 4] as const)('codec %d', codec => {
  test.each([0, 1, 15, 65_535, 65_536, 65_537, 200_000])('gives back %d bytes', length => {
    const text = Buffer.alloc(length, TEXTS['large'])
    const noise = new Random(length).bytes(length)
    for (const bytes of [text, noise]) expect(decompress(codec, compress(codec, bytes), length).equals(bytes)).toBe(true)
  })
})
