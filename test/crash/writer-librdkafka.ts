// The same as writer.ts with librdkafka, through its Node binding. Arguments: bootstrap, topic, partitions, ack file, folder of the packages.
import { openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

interface Producer {
  connect(o: object, done: (error: Error | null) => void): void
  disconnect(done: () => void): void
  flush(timeoutMs: number, done: (error: Error | null) => void): void
  setPollInterval(ms: number): void
  on(event: 'delivery-report', listener: (error: Error | null, report: { partition: number; offset: number; opaque: number }) => void): void
  on(event: 'event.error', listener: (error: Error) => void): void
  produce(topic: string, partition: number, value: Buffer, key: null, timestamp: undefined, opaque: number): void
}
interface RdKafka {
  Producer: new (conf: object, topicConf: object) => Producer
}

const [bootstrap, topic, partitions, ackFile, packages] = process.argv.slice(2) as [string, string, string, string, string]
const IN_FLIGHT_PER_PARTITION = 50
const { RdKafka } = createRequire(join(packages, 'package.json'))('@confluentinc/kafka-javascript') as { RdKafka: RdKafka }

const acks = openSync(ackFile, 'a')
const conf = {
  'bootstrap.servers': bootstrap,
  'broker.address.family': 'v4',
  'enable.idempotence': true,
  'linger.ms': 1,
  'reconnect.backoff.ms': 20,
  'reconnect.backoff.max.ms': 200,
  dr_cb: true,
}
const producer = new RdKafka.Producer(conf, { 'request.required.acks': -1, 'message.timeout.ms': 120_000 })
const next = Array.from({ length: Number(partitions) }, () => 0)
const underWay = next.map(() => 0)
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
  endWhenDone()
})

function endWhenDone(): void {
  if (stopping && underWay.every(count => count === 0)) producer.disconnect(() => process.exit(0))
}

function fail(error: Error): never {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
}

function fill(partition: number): void {
  for (; !stopping && underWay[partition]! < IN_FLIGHT_PER_PARTITION; underWay[partition]!++) {
    const sequence = next[partition]!++
    producer.produce(
      topic,
      partition,
      Buffer.from(`librdkafka ${partition} ${sequence} ${'x'.repeat(sequence % 200)}`),
      null,
      undefined,
      sequence,
    )
  }
}

producer.on('event.error', () => {}) // a lost connection is what this is about
producer.on('delivery-report', (error, report) => {
  if (error) fail(error)
  writeSync(acks, `${report.partition} ${report.opaque} ${report.offset}\n`)
  underWay[report.partition]!--
  fill(report.partition)
  endWhenDone()
})
producer.connect({}, error => {
  if (error) fail(error)
  producer.setPollInterval(5)
  for (const partition of next.keys()) fill(partition)
})
