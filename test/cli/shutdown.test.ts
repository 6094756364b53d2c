// How a process ends: what was accepted is answered, nobody new is let in, and it ends within a bound. Needs `npm run build`.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FrameReader } from '../../src/net/frames.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/message.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import type { Api, RequestIn } from '../../src/protocol/schema.ts'
import { Running } from './processes.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ottla-shutdown-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function start(): Promise<{ running: Running; port: number }> {
  const running = new Running(['start', '--port', '0', '--json', '--data', join(folder, 'data')])
  await running.prints('\n')
  return { running, port: Number(JSON.parse(running.out).bootstrap.split(':')[1]) }
}

class Peer {
  readonly socket: Socket
  readonly frames: Buffer[] = []
  readonly closed: Promise<void>
  #lastId = 0

  constructor(port: number) {
    const reader = new FrameReader(100 << 20)
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => {})
    this.socket.on('data', chunk => reader.push(chunk, frame => this.frames.push(Buffer.from(frame))))
    this.closed = new Promise(resolve => this.socket.on('close', () => resolve()))
  }

  send<A extends Api>(api: A, version: number, body: RequestIn<A>): void {
    this.socket.write(Buffer.concat(encodeRequest(api, version, ++this.#lastId, 'peer', body)))
  }

  async receives(count: number): Promise<void> {
    const deadline = Date.now() + 15_000
    while (this.frames.length < count) {
      if (Date.now() > deadline) throw new Error(`${this.frames.length} answers, ${count} expected`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
}

function batchOf(value: Buffer): Buffer {
  return encodeBatch({ records: [{ key: null, value, timestamp: Date.now() }], codec: 0 })
}

const produceOf = (records: Buffer) => ({
  acks: -1,
  timeoutMs: 10_000,
  topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
})

const fetchOf = (o: { maxWaitMs: number; minBytes: number; offset: number }) => ({
  maxWaitMs: o.maxWaitMs,
  minBytes: o.minBytes,
  maxBytes: 50 << 20,
  topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: o.offset, partitionMaxBytes: 50 << 20 }] }],
})

async function createTopic(port: number): Promise<void> {
  const peer = new Peer(port)
  const topic = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  peer.send(CreateTopics, 7, { topics: [topic], timeoutMs: 10_000 })
  await peer.receives(1)
  peer.socket.destroy()
}

test('SIGTERM: what was accepted is answered, parked fetches at once, and what was acknowledged is there afterwards', async () => {
  const { running, port } = await start()
  await createTopic(port)
  const [writer, poller] = [new Peer(port), new Peer(port)]
  poller.send(Fetch, 11, fetchOf({ maxWaitMs: 600_000, minBytes: 1 << 30, offset: 0 }))
  for (let i = 0; i < 200; i++) writer.send(Produce, 9, produceOf(batchOf(Buffer.alloc(5000, i))))
  await writer.receives(1)
  const at = Date.now()
  running.child.kill('SIGTERM')
  await Promise.all([writer.closed, poller.closed])
  expect(poller.frames).toHaveLength(1)
  expect(decodeResponse(Fetch, 11, poller.frames[0]!).body.errorCode).toBe(0)
  const codes = writer.frames.map(frame => decodeResponse(Produce, 9, frame).body.responses[0]!.partitionResponses[0]!.errorCode)
  expect(new Set(codes)).toEqual(new Set([0]))
  const refused = await new Promise<string>(resolve => {
    connect(port, '127.0.0.1')
      .on('error', error => resolve((error as { code?: string }).code ?? ''))
      .on('close', () => resolve('closed'))
  })
  expect(['ECONNREFUSED', 'ECONNRESET', 'closed']).toContain(refused)
  expect(await running.exit).toBe(0)
  expect(Date.now() - at).toBeLessThan(10_000)

  const again = await start()
  const reader = new Peer(again.port)
  reader.send(Fetch, 11, fetchOf({ maxWaitMs: 0, minBytes: 1, offset: 0 }))
  await reader.receives(1)
  const { highWatermark } = decodeResponse(Fetch, 11, reader.frames[0]!).body.responses[0]!.partitions[0]!
  expect(highWatermark).toBeGreaterThanOrEqual(writer.frames.length)
  again.running.child.kill('SIGTERM')
  expect(await again.running.exit).toBe(0)
}, 60_000)

test('a client that takes no answer holds the end up for a bounded time, and not at all after a second SIGTERM', async () => {
  for (const signals of [1, 2]) {
    rmSync(join(folder, 'data'), { recursive: true, force: true })
    const { running, port } = await start()
    await createTopic(port)
    const writer = new Peer(port)
    for (let i = 0; i < 20; i++) writer.send(Produce, 9, produceOf(batchOf(Buffer.alloc(1_000_000, i))))
    await writer.receives(20)
    const deaf = new Peer(port)
    deaf.socket.pause()
    for (let i = 0; i < 4; i++) deaf.send(Fetch, 11, fetchOf({ maxWaitMs: 0, minBytes: 1, offset: 0 }))
    writer.send(Fetch, 11, fetchOf({ maxWaitMs: 0, minBytes: 1, offset: 0 }))
    await writer.receives(21)
    const at = Date.now()
    running.child.kill('SIGTERM')
    if (signals === 2) {
      await writer.closed
      running.child.kill('SIGTERM')
    }
    expect(await running.exit).toBe(signals === 1 ? 0 : 143)
    expect(Date.now() - at).toBeLessThan(15_000)
    deaf.socket.destroy()
  }
}, 90_000)
