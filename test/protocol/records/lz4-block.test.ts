// What unpacks to megabytes is unpacked by our own code: it must agree with the library, and take damage for what it is.
import { describe, expect, test } from 'vitest'
import { lz4Pack, lz4Unpack } from '../../../src/protocol/compression/lz4.ts'
import { unpackBlock, unpackedBytes } from '../../../src/protocol/compression/lz4-block.ts'
import { ProtocolError } from '../../../src/protocol/errors.ts'
import { seeded } from '../../net/fake-world.ts'

const MIB = 1024 * 1024

/** Runs, repeated stretches near and far, and noise, of all lengths. */
function varied(bytes: number, random: (below: number) => number): Buffer {
  const out = Buffer.alloc(bytes)
  for (let p = 0; p < bytes; ) {
    const length = Math.min(bytes - p, 1 + random(random(4) === 0 ? 3000 : 40))
    const kind = random(3)
    if (kind === 0) out.fill(random(256), p, p + length)
    else if (kind === 1 && p > 0) for (let i = 0, back = 1 + random(Math.min(p, 70_000)); i < length; i++) out[p + i] = out[p + i - back]!
    else for (let i = 0; i < length; i++) out[p + i] = random(256)
    p += length
  }
  return out
}

describe('what unpacks to megabytes', () => {
  test.each([1, 2, 3, 4])('comes out as it went in (seed %i)', seed => {
    const plain = varied(3 * MIB + seeded(seed)(MIB), seeded(seed))
    expect(lz4Unpack(lz4Pack(plain), 5 * MIB).equals(plain)).toBe(true)
  })

  test('stands in memory of its own', () => {
    const plain = lz4Unpack(lz4Pack(Buffer.alloc(3 * MIB)), 5 * MIB)
    expect(plain.byteOffset).toBe(0)
    expect(plain.equals(Buffer.alloc(3 * MIB))).toBe(true)
  })

  test('and is over the cap is told as that', () => {
    expect(() => lz4Unpack(lz4Pack(Buffer.alloc(6 * MIB)), 5 * MIB)).toThrow(expect.objectContaining({ isOverLimit: true }))
  })

  test('is damage or something else, and nothing worse, when bytes are flipped', () => {
    const random = seeded(9)
    const packed = lz4Pack(varied(3 * MIB, random))
    for (let i = 0; i < 60; i++) {
      const flipped = Buffer.from(packed)
      flipped[7 + random(packed.length - 7)]! ^= 1 + random(255)
      try {
        expect(lz4Unpack(flipped, 5 * MIB).length).toBeLessThanOrEqual(5 * MIB)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
    }
  })
})

describe('a block', () => {
  const out = Buffer.alloc(100)
  const unpack = (bytes: number[], end = 100) => unpackBlock(Buffer.from(bytes), out, 10, end)

  test.each([
    ['nothing', []],
    ['cut literals', [0x20, 1]],
    ['a cut length', [0xf0]],
    ['a cut distance', [0x10, 1, 1]],
    ['a distance of 0', [0x10, 1, 0, 0, 0]],
    ['a match from before it', [0x10, 1, 2, 0, 0]],
    ['a match at its end', [0x10, 1, 1, 0]],
    ['a cut length of a match', [0x1f, 1, 1, 0, 255]],
  ])('with %s is damaged', (_, bytes) => {
    expect(unpack(bytes)).toBe('damaged')
  })

  test('tells what it unpacks to', () => {
    expect(unpackedBytes(Buffer.from([0x30, 1, 2, 3]))).toBe(3)
    expect(unpackedBytes(Buffer.from([0x1f, 7, 1, 0, 255, 3, 0]))).toBe(1 + 4 + 15 + 255 + 3)
  })

  test('takes no more room than there is', () => {
    expect(unpack([0x30, 1, 2, 3], 12)).toBe('more than there is room for')
    expect(unpack([0x10, 1, 1, 0, 0], 14)).toBe('more than there is room for')
    expect(unpack([0x10, 7, 1, 0, 0], 15)).toBe(15)
    expect([...out.subarray(10, 16)]).toEqual([7, 7, 7, 7, 7, 0])
  })
})
