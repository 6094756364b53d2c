import { describe, expect, test } from 'vitest'
import { JoinGroup, Metadata } from '../../src/protocol/apis.ts'
import { INVALID_REQUEST, KafkaError, UNSUPPORTED_VERSION } from '../../src/protocol/errors.ts'
import { arr, bytes, f64, i16, i32, i64, MAX_I64, records, schema, str, struct, u16, u32, uuid } from '../../src/protocol/schema.ts'
import { REFERENCE_BYTES, Writer } from '../../src/protocol/writer.ts'
import { encode } from './random-value.ts'

describe('a writer', () => {
  test('grows from any size without losing a byte, also in the middle of a tagged field', () => {
    const codec = schema('X', '0', {
      flex: 0,
      fields: { a: str, b: arr(i32), c: struct({ d: str, e: arr(str) }).tag(0, '0+'), f: i64.tag(3, '0+'), g: bytes.tag(9, '0+') },
    }).at(0)
    const value = { a: 'x'.repeat(100), b: [1, 2, 3], c: { d: 'y'.repeat(200), e: ['z'.repeat(70), 'é'] }, f: 5, g: Buffer.alloc(300, 7) }
    const whole = encode(codec, value, { sizeBytes: 4096 })
    for (let sizeBytes = 0; sizeBytes < whole.length + 8; sizeBytes++) {
      expect(encode(codec, value, { sizeBytes }).equals(whole), `${sizeBytes} bytes`).toBe(true)
    }
    expect(codec.decode(whole, 0, whole.length)).toEqual(value)
  })

  test('passes records on by reference from a few KiB on, copies smaller ones', () => {
    const codec = schema('X', '0', { flex: 0, fields: { a: i16, r: records, b: i16 } }).at(0)
    const chunksFor = (r: Uint8Array | Uint8Array[]) => {
      const w = new Writer()
      codec.encode({ a: 1, r, b: 2 }, w)
      return w.done()
    }
    const large = Buffer.alloc(REFERENCE_BYTES)
    expect(chunksFor(Buffer.alloc(REFERENCE_BYTES - 1)).length).toBe(1)
    expect(chunksFor(large)[1]).toBe(large)
    expect(chunksFor([large, Buffer.alloc(10), large]).map(chunk => chunk.length)).toEqual([4, REFERENCE_BYTES, 10, REFERENCE_BYTES, 3])
    expect(chunksFor([]).map(chunk => Buffer.from(chunk).toString('hex'))).toEqual(['0001' + '01' + '0002' + '00'])
  })

  test('lays messages one after another without one overwriting the other, also when two are written at once', () => {
    const codec = schema('X', '0', { fields: { a: str } }).at(0)
    const chunks: Uint8Array[] = []
    for (let i = 0; i < 5000; i++) {
      const [one, two] = [new Writer(), new Writer()]
      codec.encode({ a: `one ${i}` }, one)
      codec.encode({ a: `two ${i}` }, two)
      chunks.push(...one.done(), ...two.done())
    }
    const texts = chunks.map(chunk => codec.decode(chunk as Buffer, 0, chunk.length).a)
    expect(texts).toEqual(Array.from({ length: 5000 }, (_, i) => [`one ${i}`, `two ${i}`]).flat())
  })

  test('a message that failed half-way leaves no trace in the next', () => {
    const codec = schema('X', '0', { fields: { a: str } }).at(0)
    expect(() => encode(codec, { a: 'é'.repeat(20_000) })).toThrow(KafkaError)
    expect(encode(codec, { a: 'ok' }).toString('hex')).toBe('00026f6b')
  })
})

describe('values', () => {
  test('integers are written to the edges of their ranges, int64 beyond 2^53 as the extreme', () => {
    const codec = schema('X', '0', { fields: { a: i16, b: u16, c: i32, d: u32, e: i64, f: i64, g: f64 } }).at(0)
    const value = { a: -32768, b: 65535, c: -(2 ** 31), d: 2 ** 32 - 1, e: MAX_I64, f: -(2 ** 53) + 1, g: -0.5 }
    const written = encode(codec, value)
    expect(written.toString('hex')).toBe('8000ffff80000000ffffffff7fffffffffffffffffe0000000000001bfe0000000000000')
    expect(codec.decode(written, 0, written.length)).toEqual(value)
  })

  test('an int64 that is none, a missing one included, is our fault', () => {
    const codec = schema('X', '0', { fields: { a: i64 } }).at(0)
    for (const a of [Number.NaN, 2 ** 54, undefined as unknown as number]) expect(() => encode(codec, { a })).toThrow('not an int64')
  })

  test('a uuid is 22 characters of URL-safe base64', () => {
    const codec = schema('X', '0', { fields: { a: uuid } }).at(0)
    expect(encode(codec, { a: 'AAECAwQFBgcICQoLDA0ODw' }).toString('hex')).toBe('000102030405060708090a0b0c0d0e0f')
    expect(encode(codec, { a: '_-7dzLuqmYh3ZlVEMyIRAA' }).toString('base64url')).toBe('_-7dzLuqmYh3ZlVEMyIRAA')
    for (const a of [
      '',
      'AAECAwQFBgcICQoLDA0OD',
      '00010203-0405-0607-0809-0a0b0c0d0e0f',
      'AAECAwQFBgcICQoLDA0OD+',
      'AAECAwQFBgcICQoLDA0Oé0',
    ]) {
      expect(() => encode(codec, { a })).toThrow('not a uuid')
    }
  })

  test('strings of any length and alphabet are read as written, up to 32767 bytes', () => {
    for (const flex of [0, 1]) {
      const codec = schema('X', '0', { flex, fields: { a: str } }).at(0)
      for (const a of [
        '',
        'a',
        'x'.repeat(64),
        'x'.repeat(65),
        'x'.repeat(126),
        'x'.repeat(127),
        'x'.repeat(32767),
        'ä',
        '東京🙂',
        'é'.repeat(64),
        '\u0000',
      ]) {
        const written = encode(codec, { a }, { sizeBytes: 1 })
        expect(codec.decode(written, 0, written.length)).toEqual({ a })
      }
      expect(() => encode(codec, { a: 'x'.repeat(32768) })).toThrow('a string of 32768 bytes is longer than 32767')
    }
  })

  test('names that meet in one slot of the memory of names stay apart', () => {
    const codec = schema('X', '0', { fields: { a: arr(str) } }).at(0)
    const a = Array.from({ length: 20_000 }, (_, i) => `topic-${i % 7000}-${'é'.repeat(i % 3)}`)
    const written = encode(codec, { a })
    expect(codec.decode(written, 0, written.length)).toEqual({ a })
    const ids = schema('X', '0', { fields: { a: arr(uuid) } }).at(0)
    const many = { a: Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i % 1700}`.padStart(16, '0')).toString('base64url')) }
    const idBytes = encode(ids, many)
    expect(ids.decode(idBytes, 0, idBytes.length)).toEqual(many)
  })

  test('null where the version has none is refused by name: the version cannot say it', () => {
    const request = () => encode(Metadata.req(0), { topics: null })
    expect(request).toThrow('Metadata request v0: topics cannot be null')
    expect(encode(Metadata.req(1), { topics: null }).toString('hex')).toBe('ffffffff')
    try {
      encode(JoinGroup.res(6), { generationId: 1, protocolName: null, leader: '', memberId: '', members: [] })
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: UNSUPPORTED_VERSION, codeName: 'UNSUPPORTED_VERSION' })
    }
    expect(INVALID_REQUEST).toBe(42)
  })

  test('fields a version lacks are left out', () => {
    expect(encode(Metadata.req(0), { topics: [], allowAutoTopicCreation: false }).toString('hex')).toBe('00000000')
  })

  test('a tagged field is written only where it differs from its default, in ascending order', () => {
    const codec = schema('X', '0-1', { flex: 1, fields: { b: i32.tag(2, '1+', -1), a: str.null().tag(0, '1+'), c: arr(i16).tag(1, '1+') } })
    expect(encode(codec.at(1), {}).toString('hex')).toBe('00')
    expect(encode(codec.at(1), { b: -1, a: null, c: [] }).toString('hex')).toBe('00')
    expect(encode(codec.at(1), { b: 0, a: '', c: [7] }).toString('hex')).toBe('03' + '000101' + '0103020007' + '020400000000')
    expect(encode(codec.at(0), { b: 0, a: '', c: [7] }).toString('hex')).toBe('')
  })
})
