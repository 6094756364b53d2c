// The same as writer.ts with librdkafka, through its Node binding. Further arguments: the folder of the packages, and settings (key=value).
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { AckLines, MOST_IN_FLIGHT } from './ack-lines.ts'

interface Producer {
  connect(o: object, done: (error: Error | null) => void): void
  disconnect(done: () => void): void
  setPollInterval(ms: number): void
  on(event: 'delivery-report', listener: (error: Error | null, report: { partition: number; offset: number; opaque: number }) => void): void
  on(event: 'event.error', listener: (error: Error) => void): void
  produce(topic: string, partition: number, value: Buffer, key: null, timestamp: undefined, opaque: number): void
}
interface RdKafka {
  Producer: new (conf: object, topicConf: object) => Producer
}

const [bootstrap, topic, partitions, paceMs, packages, ...settings] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  ...string[],
]
const { RdKafka } = createRequire(join(packages, 'package.json'))('@confluentinc/kafka-javascript') as { RdKafka: RdKafka }
const conf = {
  'bootstrap.servers': bootstrap,
  'broker.address.family': 'v4',
  'enable.idempotence': true,
  dr_cb: true,
  ...Object.fromEntries(settings.map(setting => setting.split('=') as [string, string])),
}
const producer = new RdKafka.Producer(conf, { 'request.required.acks': -1, 'message.timeout.ms': 180_000 })
const next = Array.from({ length: Number(partitions) }, () => 0)
const underWay = next.map(() => 0)
const lines = new AckLines()
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
  endWhenDone()
})

function endWhenDone(): void {
  if (stopping && underWay.every(count => count === 0)) producer.disconnect(() => lines.end())
}

function fail(error: Error): never {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
}

function write(partition: number): void {
  if (stopping || underWay[partition]! >= MOST_IN_FLIGHT) return
  const sequence = next[partition]!++
  underWay[partition]!++
  producer.produce(topic, partition, Buffer.from(`${partition} ${sequence} ${'x'.repeat(sequence % 200)}`), null, undefined, sequence)
}

producer.on('event.error', () => {}) // a lost connection is what this is about
producer.on('delivery-report', (error, report) => {
  if (error) fail(error)
  lines.add(report.partition, report.opaque, report.offset)
  underWay[report.partition]!--
  endWhenDone()
})
producer.connect({}, error => {
  if (error) fail(error)
  producer.setPollInterval(5)
  for (const partition of next.keys()) setInterval(() => write(partition), Number(paceMs))
})
