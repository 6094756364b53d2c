// npm run crash -- --data 1GB: how long a broker that was killed takes until it serves. Each round writes a little, kills, starts again on the same
// data, and asks the new process from its first millisecond on for an acknowledged produce and a fetch that brings that record back.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka } from '../../src/index.ts'
import { type Broker, startBroker } from '../compat/broker.ts'

export interface RestartOptions {
  readonly dataBytes: number
  readonly partitions: number
  readonly rounds: number
  readonly brokerArgs?: readonly string[]
  onRound?(times: RestartTimes): void
}

/** Milliseconds from the start of the process. */
export interface RestartTimes {
  readonly ready: number
  readonly acked: number
  /** The record that was acked came back by a fetch: the broker serves. */
  readonly read: number
}

const TOPIC = 'filled'
const VALUE = Buffer.alloc(8000, 'x')
const IN_FLIGHT = 4000
/** Written and acked in each round, over all partitions: what recovery finds behind its checkpoints is at least this. */
const ROUND_BYTES = 4_000_000

export async function measureRestarts(options: RestartOptions): Promise<RestartTimes[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ottla-restart-'))
  const args = (port: string) => ['--port', port, '--data', join(folder, 'data'), ...(options.brokerArgs ?? [])]
  let broker: Broker | undefined
  const alive = setInterval(() => {}, 2 ** 30) // the client's timers keep no process alive
  try {
    broker = await startBroker(args('0'))
    const { bootstrap } = broker
    await withKafka(bootstrap, kafka => kafka.admin().createTopics([{ name: TOPIC, numPartitions: options.partitions }]))
    await fill(bootstrap, options.dataBytes, options.partitions)
    const times: RestartTimes[] = []
    for (let round = 0; round < options.rounds; round++) {
      await fill(bootstrap, ROUND_BYTES, options.partitions)
      await broker.kill()
      const started = performance.now()
      const starting = startBroker(args(bootstrap.slice(bootstrap.lastIndexOf(':') + 1)))
      const [ready, served] = await Promise.all([
        starting.then(next => {
          broker = next
          return performance.now() - started
        }),
        untilServed(bootstrap, { started, partition: round % options.partitions }),
      ])
      times.push({ ready, ...served })
      options.onRound?.(times.at(-1)!)
    }
    return times
  } finally {
    clearInterval(alive)
    await broker?.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fill(bootstrap: string, bytes: number, partitions: number): Promise<void> {
  await withKafka(bootstrap, async kafka => {
    const producer = kafka.producer({ acks: -1, idempotent: true, lingerMs: 5, batchBytes: 1_000_000 })
    const underWay = new Set<Promise<unknown>>()
    for (let i = 0; i * VALUE.length < bytes; i++) {
      const sent = producer.send({ topic: TOPIC, partition: i % partitions, key: null, value: VALUE }).finally(() => underWay.delete(sent))
      underWay.add(sent)
      if (underWay.size >= IN_FLIGHT) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  })
}

async function untilServed(bootstrap: string, o: { started: number; partition: number }): Promise<{ acked: number; read: number }> {
  const target = { topic: TOPIC, partition: o.partition }
  await untilListens(Number(bootstrap.slice(bootstrap.lastIndexOf(':') + 1)))
  const kafka = new Kafka({ bootstrapServers: bootstrap, retryBackoffMs: 2, retryBackoffMaxMs: 2 })
  try {
    const { offset } = await kafka
      .producer({ acks: -1, idempotent: false, lingerMs: 0 })
      .send({ ...target, key: null, value: Buffer.from('served') })
    const acked = performance.now() - o.started
    const consumer = kafka.consumer()
    consumer.assign([{ ...target, position: { offset } }])
    while ((await consumer.poll({ maxWaitMs: 100 })).length === 0)
      if (performance.now() - o.started > 60_000) throw new Error('nothing is served')
    return { acked, read: performance.now() - o.started }
  } finally {
    await kafka.close()
  }
}

/** A client would wait 50 ms and more between two tries. */
async function untilListens(port: number): Promise<void> {
  for (;;) {
    const listens = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (listens) return
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

async function withKafka<T>(bootstrap: string, use: (kafka: Kafka) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ bootstrapServers: bootstrap })
  try {
    return await use(kafka)
  } finally {
    await kafka.close()
  }
}
