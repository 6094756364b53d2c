import { expect, test } from 'vitest'
import { frameHead, NOTICE, RESPONSE, type RpcFrame, RpcFrameReader } from '../../src/net/rpc-frames.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { BufferPool } from '../../src/util/buffer-pool.ts'
import { seeded } from './fake-world.ts'

function bytesOf(frame: { kind: number; id: number; method: number; payload: Buffer }): Buffer {
  return Buffer.concat([frameHead(frame, frame.payload.length), frame.payload])
}

const FRAMES = [0, 1, 9, 100, 2047, 2048, 5000, 70_000, 0, 3].map((bytes, i) => ({
  kind: i % 2 === 0 ? RESPONSE : NOTICE,
  id: i * 0x11111111,
  method: i,
  payload: Buffer.alloc(bytes, i + 1),
}))

test('frames come out whole and in order, wherever the stream is cut, and the chunk may be overwritten afterwards', () => {
  const stream = Buffer.concat(FRAMES.map(bytesOf))
  for (let seed = 0; seed < 40; seed++) {
    const next = seeded(seed)
    const pool = new BufferPool({ smallestBytes: 2048, maxIdleBytes: 1 << 20, poisons: true })
    const reader = new RpcFrameReader(100_000, seed % 2 === 0 ? pool : undefined)
    const out: RpcFrame[] = []
    for (let at = 0; at < stream.length; ) {
      const length = 1 + next([3, 40, 3000, 100_000][seed % 4]!)
      const chunk = Buffer.from(stream.subarray(at, at + length))
      reader.push(chunk, frame => out.push(frame) > 0)
      chunk.fill(0xdb)
      at += length
    }
    expect(Buffer.concat(out.map(bytesOf)).equals(stream)).toBe(true)
    expect(out.length).toBe(FRAMES.length)
    const leased = out.filter(({ lease }) => lease !== undefined).map(({ kind, payload }) => kind === RESPONSE && payload.length >= 2048)
    expect(leased).toEqual(seed % 2 === 0 ? [true] : [])
  }
})

test('nothing is handed over after the receiver had enough, or after a length that cannot be', () => {
  const reader = new RpcFrameReader(100)
  const out: number[] = []
  const small = (id: number) => bytesOf({ kind: NOTICE, id, method: 0, payload: Buffer.alloc(2) })
  reader.push(Buffer.concat([small(1), small(2), small(3)]), ({ id }) => out.push(id) < 2)
  expect(out).toEqual([1, 2])
  const other = new RpcFrameReader(100)
  const lying = frameHead({ kind: NOTICE, id: 9, method: 0 }, 101)
  expect(() => other.push(Buffer.concat([small(4), lying, small(5)]), ({ id }) => out.push(id) > 0)).toThrow(ProtocolError)
  expect(out).toEqual([1, 2, 4])
})

test('four bytes of a lying length are enough to be refused', () => {
  for (const length of [0, 5, 107, 0x7fffffff, 0xffffffff]) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(length)
    expect(() => new RpcFrameReader(100).push(bytes, () => true)).toThrow(/between 0 and 100 are allowed/)
  }
})

test('the memory of an answer that never became whole is given back', () => {
  const pool = new BufferPool({ smallestBytes: 2048, maxIdleBytes: 1 << 20, poisons: true })
  const reader = new RpcFrameReader(100_000, pool)
  reader.push(frameHead({ kind: RESPONSE, id: 1, method: 4 }, 50_000), () => true)
  expect(pool.idleBytes).toBe(0)
  reader.drop()
  expect(pool.idleBytes).toBeGreaterThanOrEqual(50_000)
})
