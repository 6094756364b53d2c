import { describe, expect, test } from 'vitest'
import { FrameReader } from '../../src/net/frames.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { frameOf, seeded } from './fake-world.ts'

function read(chunks: readonly Uint8Array[], maxFrameBytes = 1 << 20): Buffer[] {
  const reader = new FrameReader(maxFrameBytes)
  const frames: Buffer[] = []
  for (const chunk of chunks) reader.push(Buffer.from(chunk), frame => frames.push(frame))
  return frames
}

const stream = Buffer.concat(['first', '', 'the third one', 'x'.repeat(40)].map(frameOf))
const texts = ['first', '', 'the third one', 'x'.repeat(40)]

describe('frames', () => {
  test('a stream cut in two at every byte gives the same frames', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      expect(read([stream.subarray(0, cut), stream.subarray(cut)]).map(String)).toEqual(texts)
    }
  })

  test('a stream that arrives byte by byte gives the same frames', () => {
    expect(read([...stream].map(byte => Uint8Array.of(byte))).map(String)).toEqual(texts)
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('frames of all sizes cut at random places arrive whole (seed %i)', seed => {
    const random = seeded(seed)
    const bodies = Array.from({ length: 40 }, () => Buffer.alloc(random(4) === 0 ? random(200_000) : random(300), random(256)))
    const whole = Buffer.concat(bodies.map(frameOf))
    const chunks: Buffer[] = []
    for (let p = 0; p < whole.length; ) {
      const size = 1 + random(random(2) === 0 ? 70_000 : 50)
      chunks.push(whole.subarray(p, p + size))
      p += size
    }
    const frames = read(chunks)
    expect(frames.length).toBe(bodies.length)
    for (const [i, frame] of frames.entries()) expect(frame.equals(bodies[i]!)).toBe(true)
  })

  test('a frame that is kept pins no more than its own bytes when its chunk held others', () => {
    const big = Buffer.alloc(20_000, 1)
    const [first, second] = read([Buffer.concat([frameOf(big), frameOf(big), frameOf(big)])])
    expect(first!.buffer.byteLength).toBe(20_000)
    expect(second!.buffer.byteLength).toBe(20_000)
  })

  test('a frame shares no memory with the chunk, which is read into again', () => {
    const memory = Buffer.from(new ArrayBuffer(50_004))
    frameOf(Buffer.alloc(50_000, 7)).copy(memory)
    const frames: Buffer[] = []
    new FrameReader(1 << 20).push(memory, frame => frames.push(frame))
    memory.fill(0)
    expect(frames[0]).toEqual(Buffer.alloc(50_000, 7))
  })

  test('a claim costs what arrived, not what was claimed', () => {
    const reader = new FrameReader(100 << 20)
    const length = Buffer.alloc(4)
    length.writeInt32BE(100 << 20)
    const frames: Buffer[] = []
    reader.push(length, frame => frames.push(frame))
    expect(reader.heldBytes).toBe(0)
    reader.push(Buffer.alloc(10), frame => frames.push(frame))
    expect(reader.heldBytes).toBe(16 * 1024)
    let sent = 10
    while (sent < 3 << 20) {
      reader.push(Buffer.alloc(65_536), frame => frames.push(frame))
      sent += 65_536
      expect(reader.heldBytes).toBeLessThanOrEqual(4 * sent)
    }
    expect(frames).toEqual([])
  })

  test('a frame of exactly the limit passes, one byte more does not', () => {
    expect(read([frameOf('12345')], 5).map(String)).toEqual(['12345'])
    expect(() => read([frameOf('123456')], 5)).toThrow(ProtocolError)
  })

  test.each([-1, -2147483648, 2147483647])('a length of %i is refused, the frames before it are given out', length => {
    const bad = Buffer.alloc(4)
    bad.writeInt32BE(length)
    for (const cut of [0, 2]) {
      const reader = new FrameReader(1000)
      const frames: string[] = []
      const bytes = Buffer.concat([frameOf('good'), bad])
      expect(() => {
        reader.push(bytes.subarray(0, 8 + cut), frame => frames.push(String(frame)))
        reader.push(bytes.subarray(8 + cut), frame => frames.push(String(frame)))
      }).toThrow(/0 and 1000/)
      expect(frames).toEqual(['good'])
    }
  })
})
