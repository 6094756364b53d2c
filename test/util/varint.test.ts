import { describe, expect, test } from 'vitest'
import { sizeOfUnsignedVarint, sizeOfVarint, sizeOfVarlong, writeUnsignedVarint, writeVarint, writeVarlong } from '../../src/util/varint.ts'

const scratch = Buffer.alloc(16)

function written(write: (b: Uint8Array, p: number, value: number) => number, value: number): string {
  return scratch.toString('hex', 0, write(scratch, 0, value))
}

/** The definition, with bigints: zig-zag, then 7 bits a byte. */
function zigZagReference(value: number): string {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(low | (rest > 0n ? 0x80 : 0))
  } while (rest > 0n)
  return Buffer.from(bytes).toString('hex')
}

const INT32 = [0, -1, 1, -2, 63, 64, -64, -65, 8191, 8192, 2 ** 27, -(2 ** 27) - 1, 2 ** 31 - 1, -(2 ** 31)]
const SAFE = [...INT32, 2 ** 31, -(2 ** 31) - 1, 2 ** 34, 2 ** 41 + 12345, -(2 ** 48), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]

describe('varints', () => {
  test.each(INT32)('varint %d is written in zig-zag, in the size foretold', value => {
    expect(written(writeVarint, value)).toBe(zigZagReference(value))
    expect(sizeOfVarint(value) * 2).toBe(zigZagReference(value).length)
  })

  test.each(SAFE)('varlong %d is written in zig-zag, in the size foretold', value => {
    expect(written(writeVarlong, value)).toBe(zigZagReference(value))
    expect(sizeOfVarlong(value) * 2).toBe(zigZagReference(value).length)
  })

  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16383, 'ff7f'],
    [16384, '808001'],
    [2 ** 32 - 1, 'ffffffff0f'],
  ])('unsigned varint %d', (value, hex) => {
    expect(written(writeUnsignedVarint, value)).toBe(hex)
    expect(sizeOfUnsignedVarint(value) * 2).toBe(hex.length)
  })
})
