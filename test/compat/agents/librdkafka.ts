// librdkafka through its Node binding, @confluentinc/kafka-javascript, by the RdKafka interface (node-rdkafka's). Reading assigns partitions; the
// group id is only there because the binding asks for one.
import { type Agent, bytes, load, serve, text } from './serve.ts'

type Callback<T = void> = (error: Error | null, result: T) => void
interface Message {
  offset: number
  key: Buffer | string | null
  value: Buffer | null
  headers?: Record<string, Buffer | string | null>[]
}
interface RdKafka {
  Producer: new (conf: object, topicConf: object) => Producer
  KafkaConsumer: new (conf: object, topicConf: object) => Consumer
  AdminClient: { create(conf: object): Admin }
}
interface Client {
  connect(o: object, done: Callback<{ topics: { name: string; partitions: unknown[] }[] }>): void
  disconnect(done: () => void): void
  getMetadata(o: object, done: Callback<{ topics: { name: string; partitions: unknown[] }[] }>): void
}
interface Producer extends Client {
  on(event: 'delivery-report', listener: (error: Error | null) => void): void
  setPollInterval(ms: number): void
  produce(
    topic: string,
    partition: number,
    value: Buffer | null,
    key: Buffer | null,
    timestamp?: number,
    opaque?: unknown,
    headers?: object[],
  ): void
}
interface Consumer extends Client {
  assign(partitions: object[]): void
  unassign(): void
  setDefaultConsumeTimeout(ms: number): void
  consume(count: number, done: Callback<Message[]>): void
  offsetsForTimes(partitions: object[], timeoutMs: number, done: Callback<{ offset: number; error?: Error }[]>): void
}
interface Admin {
  createTopic(o: object, timeoutMs: number, done: Callback): void
  deleteTopic(topic: string, timeoutMs: number, done: Callback): void
  createPartitions(topic: string, total: number, timeoutMs: number, done: Callback): void
  listTopics(o: object, done: Callback<string[]>): void
  disconnect(): void
}
const TIMEOUT_MS = 10_000

function settled<T>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))))
}

async function open(bootstrap: string): Promise<Agent> {
  const { RdKafka } = load<{ RdKafka: RdKafka }>('@confluentinc/kafka-javascript')
  const base = { 'bootstrap.servers': bootstrap, 'client.id': 'compat-librdkafka', 'broker.address.family': 'v4' }
  const consumerConf = { ...base, 'group.id': 'compat-unused', 'enable.auto.commit': false, 'fetch.message.max.bytes': 8 << 20 }
  const consumer = new RdKafka.KafkaConsumer(consumerConf, { 'auto.offset.reset': 'error' })
  await settled(done => consumer.connect({}, done))
  consumer.setDefaultConsumeTimeout(200)
  const admin = RdKafka.AdminClient.create(base)

  return {
    async produce({ topic, partition, codec, acks, idempotent, records }) {
      const conf = { ...base, 'compression.codec': codec, 'enable.idempotence': idempotent, 'message.max.bytes': 4 << 20, 'linger.ms': 20 }
      const producer = new RdKafka.Producer({ ...conf, dr_cb: true }, { 'request.required.acks': acks, 'message.timeout.ms': 20_000 })
      await settled(done => producer.connect({}, done))
      producer.setPollInterval(10)
      try {
        await new Promise<void>((resolve, reject) => {
          let reported = 0
          producer.on('delivery-report', error => {
            if (error) reject(error)
            else if (++reported === records.length) resolve()
          })
          for (const { key, value, headers, timestamp } of records) {
            const list = headers.map(([name, header]) => ({ [name]: bytes(header) }))
            producer.produce(topic, partition, bytes(value), bytes(key), timestamp, undefined, list)
          }
        })
      } finally {
        await new Promise<void>(resolve => producer.disconnect(resolve))
      }
    },
    async read(topic, offset, count) {
      consumer.assign([{ topic, partition: 0, offset }])
      const found: Message[] = []
      const deadline = Date.now() + 20_000
      while (found.length < count) {
        if (Date.now() > deadline) throw new Error(`${found.length} of ${count} records after 20 s`)
        found.push(...(await settled<Message[]>(done => consumer.consume(count - found.length, done))))
      }
      consumer.unassign()
      return found.map(message => ({
        key: text(message.key),
        value: text(message.value),
        headers: (message.headers ?? []).flatMap(header => Object.entries(header).map(([name, value]) => [name, text(value)] as const)),
      }))
    },
    async offsetAt(topic, timestamp) {
      const [found] = await settled<{ offset: number; error?: Error }[]>(done =>
        consumer.offsetsForTimes([{ topic, partition: 0, offset: timestamp }], TIMEOUT_MS, done),
      )
      if (found!.error) throw found!.error
      return found!.offset
    },
    createTopic: (topic, partitions, config) =>
      settled(done => admin.createTopic({ topic, num_partitions: partitions, replication_factor: 1, config }, TIMEOUT_MS, done)),
    async partitionCount(topic) {
      const { topics } = await settled<{ topics: { name: string; partitions: unknown[] }[] }>(done =>
        consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done),
      )
      return topics.find(({ name }) => name === topic)?.partitions.length ?? 0
    },
    addPartitions: (topic, total) => settled(done => admin.createPartitions(topic, total, TIMEOUT_MS, done)),
    deleteTopic: topic => settled(done => admin.deleteTopic(topic, TIMEOUT_MS, done)),
    listTopics: () => settled(done => admin.listTopics({ timeout: TIMEOUT_MS }, done)),
    async close() {
      admin.disconnect()
    },
  }
}

await serve(open)
