// npm run attack: a real process under requests that mean harm, one kind after another, while a client that behaves produces and consumes. It must
// never fail, no record may be missing, and the memory the node takes is printed. Loopback only; about half a minute.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka } from '../../src/index.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { CODEC_NONE, CODEC_ZSTD } from '../../src/protocol/compression.ts'
import { encodeRequest } from '../../src/protocol/message.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { type Broker, startBroker } from '../compat/broker.ts'

const MIB = 1024 * 1024
const MAX_RSS_MIB = 2048
const MAX_WAIT_MS = 10_000
const TOPIC = 'good'

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))
const bytesOf = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks)

function open(broker: Broker): Socket {
  const [host, port] = broker.bootstrap.split(':')
  return connect(Number(port), host).on('error', () => {})
}

function batchOf(value: Buffer, codec: 0 | 4): Buffer {
  return encodeBatch({ records: [{ key: null, value, timestamp: Date.now() }], codec })
}

function produceOf(records: Buffer): Buffer {
  const topicData = [{ name: TOPIC, partitionData: [{ index: 1, records }] }]
  return bytesOf(encodeRequest(Produce, 9, 1, 'attack', { acks: 1, timeoutMs: 1000, topicData }))
}

/** Sends to so many connections, answers unread when `deaf`, and holds them open for a while. */
async function flood(
  broker: Broker,
  o: { connections: number; holdMs: number; deaf?: boolean; send: (i: number) => Buffer },
): Promise<void> {
  const sockets = times(o.connections, () => open(broker))
  sockets.forEach((socket, i) => {
    if (o.deaf === true) socket.pause()
    else socket.resume()
    socket.write(o.send(i))
  })
  await sleep(o.holdMs)
  for (const socket of sockets) socket.destroy()
}

const bomb = produceOf(batchOf(Buffer.alloc(60 * MIB), CODEC_ZSTD))
const fill = produceOf(batchOf(Buffer.alloc(MIB - 1000, 7), CODEC_NONE))
const greedy = bytesOf(
  encodeRequest(Fetch, 11, 1, 'attack', {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 55 * MIB,
    topics: [{ topic: TOPIC, partitions: times(14, i => ({ partition: 1, fetchOffset: i * 10, partitionMaxBytes: 55 * MIB })) }],
  }),
)
const unknownTopics = bytesOf(
  encodeRequest(Metadata, 9, 1, 'attack', { topics: times(100_000, i => ({ name: `u${i}` })), allowAutoTopicCreation: false }),
)
const sameResource = bytesOf(
  encodeRequest(DescribeConfigs, 4, 1, 'attack', {
    resources: times(100_000, () => ({ resourceType: 4, resourceName: '1', configurationKeys: null })),
    includeSynonyms: true,
    includeDocumentation: true,
  }),
)
const manySmall = bytesOf(times(2000, () => bytesOf(encodeRequest(ApiVersions, 0, 1, 'attack', {}))))

const ATTACKS: Record<string, (broker: Broker) => Promise<void>> = {
  'random bytes': broker =>
    flood(broker, { connections: 300, holdMs: 500, send: i => Buffer.from(times(200, k => (i * 31 + k * k * 7) & 255)) }),
  'TLS, HTTP': broker =>
    flood(broker, {
      connections: 100,
      holdMs: 500,
      send: i => (i % 2 ? Buffer.from('160301', 'hex') : Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    }),
  'announcing 100 MiB': broker => flood(broker, { connections: 200, holdMs: 1000, send: () => Buffer.from([6, 64, 0, 0, 1]) }),
  'idle, half a length': broker => flood(broker, { connections: 2000, holdMs: 2000, send: () => Buffer.from([0, 0]) }),
  'pipelining, deaf': broker => flood(broker, { connections: 10, holdMs: 2000, deaf: true, send: () => manySmall }),
  'decompression bombs': broker => flood(broker, { connections: 2, holdMs: 6000, send: () => bytesOf(times(40, () => bomb)) }),
  'filling a partition': broker => flood(broker, { connections: 1, holdMs: 4000, send: () => bytesOf(times(200, () => fill)) }),
  'greedy fetches, deaf': broker => flood(broker, { connections: 60, holdMs: 4000, deaf: true, send: () => greedy }),
  '100,000 unknown topics': broker => flood(broker, { connections: 4, holdMs: 3000, send: () => unknownTopics }),
  '100,000 times one resource': broker => flood(broker, { connections: 4, holdMs: 3000, send: () => sameResource }),
}

/** Produces a number every 10 ms and reads it back: each in its turn, none missing. */
class Bystander {
  readonly failures: string[] = []
  sent = 0
  read = 0
  worstMs = 0
  #stopped = false
  readonly #kafka: Kafka

  constructor(broker: Broker) {
    this.#kafka = new Kafka({ bootstrapServers: broker.bootstrap })
  }

  async start(): Promise<() => Promise<void>> {
    await this.#kafka.admin().createTopics([{ name: TOPIC, numPartitions: 2 }])
    const ended = Promise.all([this.#produce(), this.#consume()])
    return async () => {
      this.#stopped = true
      await ended
      await this.#kafka.close()
    }
  }

  async #produce(): Promise<void> {
    const producer = this.#kafka.producer({ lingerMs: 0 })
    while (!this.#stopped) {
      const at = performance.now()
      await producer
        .send({ topic: TOPIC, partition: 0, value: String(this.sent) })
        .then(() => this.sent++)
        .catch(error => this.failures.push(`produce: ${error}`))
      this.worstMs = Math.max(this.worstMs, performance.now() - at)
      await sleep(10)
    }
  }

  async #consume(): Promise<void> {
    const consumer = this.#kafka.consumer()
    await consumer.assign([{ topic: TOPIC, partition: 0, position: 'earliest' }])
    while (!this.#stopped || this.read < this.sent) {
      for (const { value } of await consumer.poll({ maxWaitMs: 500 })) {
        if (Number(value) !== this.read) this.failures.push(`record ${value} came where ${this.read} was due`)
        this.read++
      }
    }
  }
}

function memory(pid: number): { rss: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mib = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  return { rss: mib('VmRSS'), peak: mib('VmHWM') }
}

const folder = mkdtempSync(join(tmpdir(), 'ottla-attack-'))
const failures: string[] = []
const broker = await startBroker(['--port', '0', '--data', join(folder, 'data')])
try {
  const bystander = new Bystander(broker)
  const stop = await bystander.start()
  for (const [name, attack] of Object.entries(ATTACKS)) {
    bystander.worstMs = 0
    await attack(broker)
    await sleep(300)
    const { rss, peak } = memory(broker.pid)
    const worst = Math.round(bystander.worstMs)
    if (peak > MAX_RSS_MIB) failures.push(`${name}: the node took ${peak} MiB`)
    if (worst > MAX_WAIT_MS) failures.push(`${name}: somebody waited ${worst} ms`)
    process.stdout.write(`${name.padEnd(28)} ${rss} MiB (peak so far ${peak}), worst produce ${worst} ms, ${bystander.sent} sent\n`)
  }
  await stop()
  failures.push(...bystander.failures)
  process.stdout.write(`${bystander.sent} sent, ${bystander.read} read\n`)
} catch (error) {
  failures.push(`${(error as Error).message}\n${broker.log().slice(-2000)}`)
} finally {
  const code = await broker.stop()
  if (code !== 0) failures.push(`the broker ended with code ${code}: ${broker.log().slice(-2000)}`)
  rmSync(folder, { recursive: true, force: true })
}
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(failures.length === 0 ? 'passed\n' : `${failures.length} failed\n`)
process.exit(failures.length === 0 ? 0 : 1)
