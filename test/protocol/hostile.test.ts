// Damaged and hostile bytes: a decoder answers with a value or a ProtocolError, and what it allocates is in proportion to what it was given.
import { describe, expect, test } from 'vitest'
import { DeleteGroups, Fetch, Metadata, Produce } from '../../src/protocol/apis.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { budget, MAX_ARRAY_LENGTH, MAX_DECODED_BYTES, MAX_TAGGED_FIELDS } from '../../src/protocol/reading.ts'
import { arr, type Codec, i8, i32, i64, records, schema, str, struct, uuid } from '../../src/protocol/schema.ts'
import { encode, Random, randomValue, type Subject, subjectsByName } from './random-value.ts'

/** Bytes of decoded objects that one byte of input may cost: an empty compact array in a struct of a few such. */
const BYTES_PER_BYTE = 80

const DAMAGES: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  flipBits,
  flipBits,
  flipBits,
  (bytes, random) => lie(bytes, random, [0x7f, 0xff, 0xff, 0xff]),
  (bytes, random) => lie(bytes, random, [0xff, 0xff, 0xff, 0xff]),
  (bytes, random) => lie(bytes, random, [0xff, 0xff, 0xff, 0xff, 0x0f]),
  (bytes, random) => lie(bytes, random, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  (bytes, random) => lie(bytes, random, [0x00, 0x00, 0x03, 0xe8]),
  (bytes, random) => lie(bytes, random, [0xf4, 0x03]),
  (bytes, random) => lie(bytes, random, [0x80]),
  (_, random) => random.bytes(random.below(200)),
  (_, random) => Buffer.alloc(1024, random.pick([0, 1, 2, 3, 4])),
  (_, random) => Buffer.concat([random.bytes(8), Buffer.alloc(1024, random.pick([0, 1, 2, 0xff]))]),
]

function flipBits(bytes: Buffer, random: Random): Buffer {
  const damaged = Buffer.from(bytes)
  for (let i = random.below(3); i >= 0 && damaged.length > 0; i--) damaged[random.below(damaged.length)]! ^= 1 << random.below(8)
  return damaged
}

/** Overwrites some place, in the hope that it is a length. */
function lie(bytes: Buffer, random: Random, claim: number[]): Buffer {
  const damaged = Buffer.concat([bytes, Buffer.alloc(8)])
  damaged.set(claim, random.below(Math.min(bytes.length, 64) + 1))
  return damaged
}

describe('a damaged message is a value or a ProtocolError, for every message and version', () => {
  for (const [name, versions] of subjectsByName()) {
    test(name, () => {
      for (const subject of versions) for (const seed of ['hostile 1', 'hostile 2']) damage(subject, seed)
    })
  }
})

function damage(subject: Subject, seed: string): void {
  const bytes = encode(subject.codec, randomValue(subject, seed))
  for (const [i, damaging] of DAMAGES.entries()) {
    const random = new Random(`${seed} ${subject.name} ${subject.version} ${i}`)
    const damaged = damaging(bytes, random)
    let value: unknown
    try {
      value = subject.codec.decode(damaged, 0, damaged.length)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw new Error(`v${subject.version} ${damaged.toString('hex')}`, { cause: error })
    }
    expect(MAX_DECODED_BYTES - budget.left).toBeLessThanOrEqual(BYTES_PER_BYTE * damaged.length)
    expect(elements(value)).toBeLessThanOrEqual(damaged.length)
  }
}

/** Array elements at every depth: what a count on the wire makes. */
function elements(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + 1 + elements(element), 0)
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return 0
  return Object.values(value).reduce((sum: number, member) => sum + elements(member), 0)
}

describe('what is checked', () => {
  const decode = (codec: Codec<unknown, unknown>, bytes: number[] | Buffer) => codec.decode(Buffer.from(bytes), 0, bytes.length)
  const message = (fields: Parameters<typeof schema>[2]['fields'], flex = 0) => schema('X', '0', { flex, fields }).at(0)

  test('bytes after a message are refused, unless only the prefix is asked for', () => {
    expect(() => decode(message({ a: i8 }), [5, 0, 9])).toThrow('X v0: is followed by 1 more bytes')
    expect(message({ a: i8 }).decodePrefix(Buffer.from([5, 0, 9]), 0, 3)).toEqual({ a: 5 })
  })

  test('a message that ends too early is refused, whatever bytes lie behind it', () => {
    const codec = message({ a: i32, b: i8 }, 1)
    expect(() => codec.decode(Buffer.alloc(100), 3, 7)).toThrow('X v0: is cut off')
    expect(() => message({ u: uuid }, 1).decode(Buffer.alloc(100), 0, 15)).toThrow(ProtocolError)
  })

  test('a message is read from the middle of a buffer', () => {
    expect(message({ a: i32, b: i8 }, 1).decode(Buffer.from([9, 9, 0, 0, 0, 7, 3, 9]), 2, 7)).toEqual({ a: 7, b: 3 })
  })

  test('a count is held against what is left, by the smallest size of an element', () => {
    expect(() => decode(message({ a: arr(i32) }), [3, 0, 0, 0, 1, 0])).toThrow('a has 2 elements where 5 bytes are left')
    expect(() => decode(message({ a: arr({ name: str, id: uuid }) }, 1), [0, 0, 0, 1, ...Array(17).fill(0)])).toThrow('17 bytes are left')
  })

  test('a length is held against what is left', () => {
    expect(() => decode(message({ a: records }), [0x80, 0x80, 0x80, 0x80, 0x08, 0])).toThrow(/a has 2147483647 bytes where 1 are left/)
    expect(() => decode(message({ a: str }, 1), [0, 2, 65])).toThrow('a has 2 bytes where 1 are left')
  })

  test('a string has at most 32767 bytes, as in Kafka', () => {
    expect(() => decode(message({ a: str }), [0x81, 0x80, 0x02, ...Array(32769).fill(65)])).toThrow('a is a string of 32768 bytes')
  })

  test('null is refused where it may not be', () => {
    expect(() => decode(message({ a: str }), [0, 0])).toThrow('a is null')
    expect(() => decode(message({ a: arr(i8) }, 1), [255, 255, 255, 255])).toThrow('a is null')
    expect(decode(message({ a: arr(i8).null() }, 1), [255, 255, 255, 255])).toEqual({ a: null })
  })

  test('a varint has at most five bytes', () => {
    expect(() => decode(message({ a: records }), [0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0])).toThrow('longer than five bytes')
  })

  test('an int64 beyond 2^53 is refused, except for the two extremes', () => {
    const codec = message({ a: i64 }, 1)
    expect(() => decode(codec, [0, 0x20, 0, 0, 0, 0, 0, 0])).toThrow('beyond 2^53: 9007199254740992')
    expect(() => decode(codec, [0x80, 0, 0, 0, 0, 0, 0, 1])).toThrow('beyond 2^53')
    expect(decode(codec, [0x7f, ...Array(7).fill(0xff)])).toEqual({ a: 2 ** 63 })
    expect(decode(codec, [0x80, ...Array(7).fill(0)])).toEqual({ a: -(2 ** 63) })
  })

  test('an int64 that is only compared is the extreme of its sign beyond 2^53', () => {
    const codec = message({ a: i64.clamped() }, 1)
    expect(decode(codec, [0, 0x1f, ...Array(6).fill(0xff)])).toEqual({ a: 2 ** 53 - 1 })
    expect(decode(codec, [0, 0x20, 0, 0, 0, 0, 0, 0])).toEqual({ a: 2 ** 63 })
    expect(decode(codec, [0xff, 0xdf, ...Array(6).fill(0xff)])).toEqual({ a: -(2 ** 63) })
    expect(decode(codec, [0x80, ...Array(7).fill(0)])).toEqual({ a: -(2 ** 63) })
  })

  test('unknown tagged fields are skipped, known ones must fill their size, and none may reach beyond the message', () => {
    const codec = message({ a: i8.tag(1, '0+'), s: struct({ b: i8 }) })
    expect(decode(codec, [7, 0, 2, 1, 1, 5, 9, 2, 0xaa, 0xbb])).toEqual({ a: 5, s: { b: 7 } })
    expect(() => decode(codec, [7, 0, 1, 1, 2, 5, 5])).toThrow('a has a wrong size')
    expect(() => decode(codec, [7, 0, 1, 9, 4, 5, 5])).toThrow('has a tagged field of 4 bytes where 2 are left')
    expect(() => decode(codec, [7, 0xff, 0x4d, 1, 2])).toThrow('s has 9983 tagged fields where 2 bytes are left')
    expect(() => decode(codec, [7, 0x91, 0x4e, ...Array(30_000).fill(0)])).toThrow(`more than ${MAX_TAGGED_FIELDS}`)
  })

  test('a million elements are the most an array may have, and they are refused before anything is made', () => {
    const frame = Buffer.alloc(MAX_ARRAY_LENGTH + 20_000, 1)
    frame.set([0xc2, 0x84, 0x3d])
    expect(() => DeleteGroups.req(2).decode(frame, 0, frame.length)).toThrow(/more than 1000000/)
    expect(budget.left).toBe(MAX_DECODED_BYTES)
  })

  test('elements that would take more memory than one message may are refused before anything is made', () => {
    const lists = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`list${i}`, arr(i8)]))
    const frame = Buffer.alloc(200_000 * 31 + 10, 1)
    frame.set([0xc0, 0x9a, 0x0c])
    expect(() => decode(message({ a: arr(lists) }), frame)).toThrow('a would make the message too large for memory')
  })

  test('the hot messages refuse a claimed count without allocating for it', () => {
    for (const codec of [Produce.req(9), Fetch.req(12), Metadata.req(12)] as Codec<unknown, unknown>[]) {
      const frame = Buffer.alloc(1024, 0xff)
      expect(() => decode(codec, frame)).toThrow(ProtocolError)
      expect(MAX_DECODED_BYTES - budget.left).toBeLessThanOrEqual(BYTES_PER_BYTE * 1024)
    }
  })
})
