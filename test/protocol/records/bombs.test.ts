// Small input that wants much memory: refused before the memory is taken. Sizes declared inside are not believed.

import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compress, decompress } from '../../../src/protocol/compression.ts'

const MIB = 1024 * 1024
const CAP = 4 * MIB

/** External memory taken while `run` refuses, in bytes. */
function memoryTakenToRefuse(codec: number, block: Buffer): number {
  decompress(1, gzipSync('loaded'), 100)
  const before = process.memoryUsage.rss()
  expect(() => decompress(codec, block, CAP)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  return process.memoryUsage.rss() - before
}

function zstdFrame(descriptor: number, header: number[], blocks: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...header]), ...blocks])
}

function rleBlock(size: number, last: boolean): Buffer {
  const header = (size << 3) | (1 << 1) | (last ? 1 : 0)
  return Buffer.from([header & 0xff, (header >>> 8) & 0xff, header >>> 16, 0x41])
}

const BOMBS: [what: string, codec: number, block: Buffer][] = [
  ['gzip of 200 MiB of zeros', 1, gzipSync(Buffer.alloc(200 * MIB))],
  ['snappy of 200 MiB of zeros', 2, compress(2, Buffer.alloc(200 * MIB))],
  ['lz4 of 200 MiB of zeros', 3, compress(3, Buffer.alloc(200 * MIB))],
  ['zstd of 200 MiB of zeros', 4, compress(4, Buffer.alloc(200 * MIB))],
  [
    'zstd of 2 GiB in run-length blocks',
    4,
    zstdFrame(0, [0x58], [...Array<Buffer>(16_384).fill(rleBlock(128 * 1024, false)), rleBlock(1, true)]),
  ],
  ['zstd with a window of 2^41 bytes', 4, zstdFrame(0, [0xf8], [rleBlock(1, true)])],
  ['zstd that declares 2^62 bytes', 4, zstdFrame(0xe0, [0, 0, 0, 0, 0, 0, 0, 0x40], [rleBlock(1, true)])],
  ['snappy that declares 2^32-1 bytes', 2, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])],
  ['snappy that declares 4 MiB in 10 bytes', 2, Buffer.from([0x80, 0x80, 0x80, 0x02, 0xfc, 0, 0, 0, 0, 0])],
  ['gzip whose trailer declares 2^32-1 bytes', 1, Buffer.concat([gzipSync('x').subarray(0, -4), Buffer.alloc(4, 0xff)])],
]

describe('a bomb is refused with little memory', () => {
  test.each(BOMBS)('%s', (_, codec, block) => {
    expect(memoryTakenToRefuse(codec, block)).toBeLessThan(64 * MIB)
  })
})

test('an lz4 frame whose content size lies is refused', () => {
  const frame = compress(3, Buffer.alloc(1000, 'a'))
  expect(decompress(3, frame, 1000)).toHaveLength(1000)
  const linkedFlag = Buffer.from(frame)
  linkedFlag[4]! &= ~0x20
  expect(() => decompress(3, linkedFlag, 1000)).toThrow('depend')
})

test.each([5, 6, 7, -1])('codec %d is not known', codec => {
  expect(() => decompress(codec, Buffer.alloc(10), 100)).toThrow('not known')
})
