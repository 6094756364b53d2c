// What is sent by somebody who means harm, one kind after another. Each attack runs for as long as it is told and says what it got.
import { connect, type Socket } from 'node:net'
import { ADVERTISED } from '../../src/broker/advertised.ts'
import { HANDLERS } from '../../src/broker/apis.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { DescribeTopicPartitions } from '../../src/protocol/api/75-describe-topic-partitions.ts'
import { CODEC_GZIP, CODEC_LZ4, CODEC_NONE, CODEC_SNAPPY, CODEC_ZSTD, type Codec } from '../../src/protocol/compression.ts'
import { encodeRequest } from '../../src/protocol/message.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import type { Api, RequestIn } from '../../src/protocol/schema.ts'

export const TOPIC = 'good'
const MIB = 1024 * 1024

/** What the attacker got. */
export interface Got {
  connections: number
  answers: number
  answerBytes: number
  /** By the broker. */
  closed: number
  sentBytes: number
}

export const sleep = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))

interface Plan {
  readonly connections: number
  /** What connection i sends first. */
  readonly send?: (i: number) => Buffer
  /** Sent again and again, as fast as the broker takes it. */
  readonly flood?: Buffer
  /** Sent anew when the answer to the one before has come, or the connection was closed. */
  readonly repeat?: Buffer
  /** Bytes a second that are sent after `send`. */
  readonly drip?: number
  /** Takes no answers, or so many bytes a second. */
  readonly takes?: number
  /** Resets the connection so long after it sent, and comes again. */
  readonly resetAfterMs?: number
  /** Held against somebody who writes as much and takes the answers: the disk is shared with the other client. */
  readonly writes?: boolean
  /** One request of this size is legitimate, and takes it. */
  readonly mayTakeMib?: number
}

class Peer {
  readonly #plan: Plan
  readonly #got: Got
  readonly #i: number
  readonly #at: { host: string; port: number }
  #socket!: Socket
  #left = 0
  #over = false
  #wasReset = false

  constructor(at: { host: string; port: number }, plan: Plan, got: Got, i: number) {
    this.#at = at
    this.#plan = plan
    this.#got = got
    this.#i = i
    this.#open()
  }

  end(): void {
    this.#over = true
    this.#socket.destroy()
  }

  #open(): void {
    const plan = this.#plan
    const socket = connect(this.#at.port, this.#at.host)
    this.#socket = socket
    this.#left = 0
    this.#wasReset = false
    this.#got.connections++
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      if (this.#over) return
      if (!this.#wasReset) this.#got.closed++
      if (plan.repeat !== undefined || plan.flood !== undefined || plan.resetAfterMs !== undefined)
        setTimeout(() => !this.#over && this.#open(), 20)
    })
    if (plan.takes === undefined) socket.on('data', chunk => this.#take(chunk))
    else socket.pause()
    if (plan.takes !== undefined && plan.takes > 0) this.#takeSlowly(socket, plan.takes)
    const first = plan.send?.(this.#i)
    if (first !== undefined) this.#send(first)
    if (plan.repeat !== undefined) this.#send(plan.repeat)
    if (plan.flood !== undefined) this.#flood(socket, plan.flood)
    if (plan.drip !== undefined) this.#drip(socket, plan.drip)
    if (plan.resetAfterMs !== undefined) setTimeout(() => this.#reset(socket), plan.resetAfterMs)
  }

  #reset(socket: Socket): void {
    if (socket !== this.#socket || socket.destroyed) return
    this.#wasReset = true
    socket.resetAndDestroy()
  }

  #send(bytes: Buffer): boolean {
    this.#got.sentBytes += bytes.length
    return this.#socket.write(bytes)
  }

  #flood(socket: Socket, bytes: Buffer): void {
    const fill = () => {
      while (!socket.destroyed && this.#send(bytes));
    }
    socket.on('drain', fill)
    socket.on('connect', fill)
  }

  #drip(socket: Socket, bytes: number): void {
    const timer = setInterval(() => {
      if (socket.destroyed) clearInterval(timer)
      else this.#send(Buffer.alloc(bytes))
    }, 1000)
  }

  #takeSlowly(socket: Socket, bytes: number): void {
    const timer = setInterval(() => {
      if (socket.destroyed) clearInterval(timer)
      else this.#got.answerBytes += (socket.read(bytes) as Buffer | null)?.length ?? 0
    }, 1000)
  }

  /** Counts frames. */
  #take(chunk: Buffer): void {
    this.#got.answerBytes += chunk.length
    for (let p = 0; p < chunk.length; ) {
      if (this.#left === 0) {
        if (chunk.length - p < 4) return
        this.#left = chunk.readUInt32BE(p)
        p += 4
        this.#got.answers++
        if (this.#plan.repeat !== undefined && !this.#over) setImmediate(() => this.#socket.writable && this.#send(this.#plan.repeat!))
      }
      const part = Math.min(this.#left, chunk.length - p)
      this.#left -= part
      p += part
    }
  }
}

async function run(bootstrap: string, plan: Plan, forMs: number): Promise<Got> {
  const [host, port] = bootstrap.split(':')
  const got: Got = { connections: 0, answers: 0, answerBytes: 0, closed: 0, sentBytes: 0 }
  const peers: Peer[] = []
  for (let i = 0; i < plan.connections; i++) {
    peers.push(new Peer({ host: host!, port: Number(port) }, plan, got, i))
    if (i % 200 === 199) await sleep(20)
  }
  await sleep(forMs)
  for (const peer of peers) peer.end()
  return got
}

// ------------------------------------------------------------------------------------------------------------------------------ requests

function request<A extends Api>(api: A, version: number, body: RequestIn<A>): Buffer {
  return Buffer.concat(encodeRequest(api, version, 1, 'attack', body))
}

function batchOf(value: Buffer, codec: Codec): Buffer {
  return encodeBatch({ records: [{ key: null, value, timestamp: Date.now() }], codec })
}

function produceOf(records: Buffer, partition = 1): Buffer {
  return request(Produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: TOPIC, partitionData: [{ index: partition, records }] }] })
}

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function header(apiKey: number, version: number): Buffer {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(apiKey, 0)
  bytes.writeInt16BE(version, 2)
  bytes.writeInt16BE(-1, 8)
  return bytes
}

const bomb = (codec: Codec, mib: number) => () => produceOf(batchOf(Buffer.alloc(mib * MIB), codec))
const fill = () => produceOf(batchOf(Buffer.alloc(MIB - 1000, 7), CODEC_NONE))
const greedy = () =>
  request(Fetch, 11, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 55 * MIB,
    topics: [{ topic: TOPIC, partitions: times(14, i => ({ partition: 0, fetchOffset: i * 10, partitionMaxBytes: 55 * MIB })) }],
  })

const NAMES: Record<string, (count: number) => Buffer> = {
  Metadata: count => request(Metadata, 9, { topics: times(count, i => ({ name: `u${i}` })), allowAutoTopicCreation: false }),
  'CreateTopics (validate)': count => createTopics(count, true),
  CreateTopics: count => createTopics(count, false),
  Fetch: count =>
    request(Fetch, 11, {
      maxWaitMs: 10_000,
      minBytes: 1 << 30,
      topics: [{ topic: TOPIC, partitions: times(count, () => ({ partition: 0, fetchOffset: 1 << 30, partitionMaxBytes: 1 })) }],
    }),
  ListOffsets: count =>
    request(ListOffsets, 7, {
      replicaId: -1,
      topics: times(count, i => ({ name: `u${i}`, partitions: [{ partitionIndex: 0, timestamp: -1 }] })),
    }),
  'DescribeConfigs, one resource': count => describeConfigs(count, () => '1'),
  'DescribeConfigs, topics': count => describeConfigs(count, i => `u${i}`),
  DescribeTopicPartitions: count =>
    request(DescribeTopicPartitions, 0, { topics: times(count, i => ({ name: `u${i}` })), responsePartitionLimit: 2000, cursor: null }),
}

function createTopics(count: number, validateOnly: boolean): Buffer {
  const topics = times(count, i => ({ name: `c${i}`, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }))
  return request(CreateTopics, 7, { topics, timeoutMs: 1000, validateOnly })
}

function describeConfigs(count: number, name: (i: number) => string): Buffer {
  const resources = times(count, i => ({ resourceType: name(i) === '1' ? 4 : 2, resourceName: name(i), configurationKeys: null }))
  return request(DescribeConfigs, 4, { resources, includeSynonyms: true, includeDocumentation: true })
}

/** Every length and count in a request, one after another, made a lie. */
function lies(): Buffer[] {
  const honest = [
    produceOf(batchOf(Buffer.from('abc'), CODEC_NONE)),
    greedy(),
    NAMES['CreateTopics (validate)']!(3),
    NAMES['DescribeConfigs, topics']!(3),
    NAMES['ListOffsets']!(3),
  ]
  return honest.flatMap(whole =>
    times(whole.length - 12, i => {
      const lie = Buffer.from(whole)
      lie[12 + i] = [0xff, 0x7f, 0x80, 0][i % 4]!
      return lie
    }),
  )
}

const everyVersion = () =>
  ADVERTISED.flatMap(({ apiKey, minVersion, maxVersion }) => [minVersion - 1, maxVersion + 1, 32_767].map(v => framed(header(apiKey, v))))
const everyKey = () => times(300, i => framed(header(i < 150 ? i : i * 217 - 32_768, 0)))
/** All advertised requests, of nothing but a header. */
const everyStub = () =>
  [...HANDLERS.keys()].map(key =>
    framed(Buffer.concat([header(key, ADVERTISED.find(a => a.apiKey === key)?.maxVersion ?? 0), Buffer.alloc(3)])),
  )

const oneEach = (make: () => Buffer[], connections = 400) => {
  const all = make()
  return (): Plan => ({ connections, send: i => all[i % all.length]!, resetAfterMs: 1500 })
}

// ------------------------------------------------------------------------------------------------------------------------------- attacks

/** By name; made when it is its turn. */
export const ATTACKS: Record<string, () => Plan> = {
  'random bytes': () => ({ connections: 300, send: i => Buffer.from(times(200, k => (i * 31 + k * k * 7) & 255)) }),
  'TLS, HTTP': () => ({ connections: 100, send: i => (i % 2 ? Buffer.from('160301', 'hex') : Buffer.from('GET / HTTP/1.1\r\n\r\n')) }),
  'unknown APIs': oneEach(everyKey),
  'unknown versions': oneEach(everyVersion),
  'bodies cut off': oneEach(everyStub),
  'lengths that lie': oneEach(lies, 600),
  'bytes behind the body, 8 MiB': () => ({
    connections: 8,
    repeat: framed(Buffer.concat([header(3, 1), Buffer.alloc(4), Buffer.alloc(8 * MIB)])),
  }),
  '5,000 idle connections': () => ({ connections: 5000 }),
  'half a length': () => ({ connections: 2000, send: () => Buffer.from([0, 0]) }),
  'announcing 100 MiB, dripping': () => ({ connections: 1000, send: () => Buffer.from([6, 64, 0, 0, 1]), drip: 10 }),
  '100 MiB frames, true': () => {
    const flood = Buffer.alloc(MIB)
    return { connections: 30, send: () => Buffer.concat([Buffer.from([6, 64, 0, 0]), header(0, 9)]), flood, mayTakeMib: 164 }
  },
  'reset mid-frame': () => ({ connections: 300, send: () => fill().subarray(0, 600_000), resetAfterMs: 50 }),
  'connections come and go': () => ({ connections: 100, resetAfterMs: 100 }),
  'pipelining, deaf': () => ({ connections: 50, takes: 0, send: () => Buffer.concat(times(2000, () => request(ApiVersions, 0, {}))) }),
  'greedy fetches, deaf': () => ({ connections: 200, takes: 0, send: () => Buffer.concat(times(20, greedy)) }),
  'slow readers, 1 KiB/s': () => ({ connections: 100, takes: 1024, send: () => Buffer.concat(times(20, greedy)) }),
  'fast writers, deaf': () => ({ writes: true, connections: 4, takes: 0, flood: fill() }),
  'fast writer, many small': () => ({
    writes: true,
    connections: 4,
    flood: Buffer.concat(times(500, () => produceOf(batchOf(Buffer.from('x'), CODEC_NONE)))),
  }),
  'zstd bombs, 3 MiB': () => ({ connections: 4, flood: bomb(CODEC_ZSTD, 3)() }),
  'zstd bombs, 60 MiB': () => ({ connections: 4, flood: bomb(CODEC_ZSTD, 60)() }),
  'gzip bombs, 60 MiB': () => ({ connections: 4, flood: bomb(CODEC_GZIP, 60)() }),
  'lz4 bombs, 60 MiB': () => ({ connections: 4, flood: bomb(CODEC_LZ4, 60)() }),
  'lz4 bombs, 200 MiB': () => ({ connections: 4, flood: bomb(CODEC_LZ4, 200)() }),
  'snappy bombs, 60 MiB': () => ({ connections: 4, flood: bomb(CODEC_SNAPPY, 60)() }),
  'bombs on 40 connections': () => ({ connections: 40, flood: bomb(CODEC_ZSTD, 3)() }),
  'produce to 1,000,000 partitions': () => {
    const partitionData = times(1_000_000, i => ({ index: i, records: null }))
    return { connections: 4, repeat: request(Produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: TOPIC, partitionData }] }) }
  },
  ...Object.fromEntries(
    Object.entries(NAMES).flatMap(([name, make]) => [
      [`${name}, 100,000 names`, () => ({ connections: 4, repeat: make(100_000) })],
      [`${name}, 20,000 names`, () => ({ connections: 4, repeat: make(20_000) })],
    ]),
  ),
}

/** Who sends much and means no harm: one request under way on each connection, answers taken. */
const HARMLESS: Record<string, () => Plan> = {
  'a busy client': () => ({ connections: 2, repeat: produceOf(batchOf(Buffer.alloc(64 * 1024, 7), CODEC_NONE), 2) }),
  'a busy writer': () => ({ connections: 4, repeat: fill() }),
}

export async function attack(name: string, bootstrap: string, forMs: number): Promise<Got> {
  return run(bootstrap, (ATTACKS[name] ?? HARMLESS[name]!)(), forMs)
}
