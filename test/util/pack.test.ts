import { expect, test } from 'vitest'
import { type Packable, PackError, pack, unpack } from '../../src/util/pack.ts'

test('what was packed is unpacked, numbers exact to 2^53 and bytes as buffers', () => {
  const fields = [null, true, 'ü', -1, 2 ** 40, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0.5, Buffer.from([1, 2]), [1, ['a', []]]]
  expect(unpack(pack(7, 2, fields), 'it')).toEqual({ type: 7, version: 2, fields })
})

test('unpacked bytes are a copy', () => {
  const packed = pack(1, 1, [Buffer.from('abc')])
  const [bytes] = unpack(packed, 'it').fields
  packed.fill(0)
  expect(String(bytes)).toBe('abc')
})

const nested = (depth: number): Packable => (depth === 0 ? 1 : [nested(depth - 1)])

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a number', Buffer.from([5])],
  ['a list of one', Buffer.from([0x91, 1])],
  ['a type that is a string', Buffer.from([0x92, 0xa1, 0x61, 1])],
  ['bytes after the end', Buffer.concat([pack(1, 1, []), Buffer.from([0])])],
  ['a cut value', pack(1, 1, ['a longer string']).subarray(0, 8)],
  ['a list that claims more than there is', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
  ['a map', Buffer.from([0x93, 1, 1, 0x81, 1, 2])],
  ['a date', Buffer.from([0x93, 1, 1, 0xd6, 0xff, 0, 0, 0, 0])],
  ['a big integer out of range', Buffer.from([0x93, 1, 1, 0xc7, 0, 0x42])],
  ['lists without end', Buffer.alloc(200_000, 0x91)],
  ['lists too deep', pack(1, 1, [nested(20)])],
])('%s is refused', (_name, bytes) => {
  expect(() => unpack(bytes, 'it')).toThrow(PackError)
})

test('more bytes than allowed are not looked at', () => {
  expect(() => unpack(pack(1, 1, ['x'.repeat(100)]), 'it', 50)).toThrow('it: 105 bytes, at most 50 are read')
})
