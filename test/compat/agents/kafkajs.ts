// kafkajs 2.2.4 on the default Node. gzip is its own; snappy, lz4 and zstd come through the plug-in point its users use.
// Reading needs a consumer group, so there is no read here.
import { type Agent, bytes, load, serve } from './serve.ts'

interface Plugin {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}
interface KafkaJs {
  Kafka: new (o: object) => { producer(o: object): Producer; admin(): Admin }
  CompressionTypes: Record<string, number>
  CompressionCodecs: Record<number, unknown>
  ConfigResourceTypes: { TOPIC: number }
  logLevel: { NOTHING: number }
}
interface Producer {
  connect(): Promise<void>
  send(o: object): Promise<unknown>
  disconnect(): Promise<void>
}
interface Admin {
  connect(): Promise<void>
  disconnect(): Promise<void>
  createTopics(o: object): Promise<boolean>
  createPartitions(o: object): Promise<boolean>
  deleteTopics(o: object): Promise<void>
  listTopics(): Promise<string[]>
  fetchTopicMetadata(o: object): Promise<{ topics: { partitions: unknown[] }[] }>
  fetchTopicOffsetsByTimestamp(topic: string, timestamp: number): Promise<{ partition: number; offset: string }[]>
  describeConfigs(o: object): Promise<{ resources: { configEntries: { configName: string; configValue: string | null }[] }[] }>
  alterConfigs(o: object): Promise<unknown>
}
interface Lz4 {
  compressFrame(b: Buffer): Promise<Buffer>
  decompressFrame(b: Buffer): Promise<Buffer>
}
interface Zstd {
  compress(b: Buffer): Promise<Buffer>
  decompress(b: Buffer): Promise<Buffer>
}

async function open(bootstrap: string): Promise<Agent> {
  const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = load<KafkaJs>('kafkajs')
  const lz4 = load<Lz4>('lz4-napi')
  const zstd = load<Zstd>('@mongodb-js/zstd')
  CompressionCodecs[CompressionTypes['Snappy']!] = load('kafkajs-snappy')
  CompressionCodecs[CompressionTypes['LZ4']!] = (): Plugin => ({
    compress: e => lz4.compressFrame(e.buffer),
    decompress: b => lz4.decompressFrame(b),
  })
  CompressionCodecs[CompressionTypes['ZSTD']!] = (): Plugin => ({
    compress: e => zstd.compress(e.buffer),
    decompress: b => zstd.decompress(b),
  })
  const types = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }

  const kafka = new Kafka({ clientId: 'compat-kafkajs', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 3 } })
  const admin = kafka.admin()
  await admin.connect()
  return {
    async produce({ topic, partition, codec, acks, idempotent, records }) {
      const producer = kafka.producer({ idempotent, ...(idempotent ? { maxInFlightRequests: 1 } : {}) })
      await producer.connect()
      try {
        const messages = records.map(record => ({
          partition,
          key: bytes(record.key),
          value: bytes(record.value),
          headers: Object.fromEntries(record.headers.map(([name, value]) => [name, bytes(value)])),
          ...(record.timestamp === undefined ? {} : { timestamp: String(record.timestamp) }),
        }))
        await producer.send({ topic, acks, compression: CompressionTypes[types[codec]], messages })
      } finally {
        await producer.disconnect()
      }
    },
    async offsetAt(topic, timestamp) {
      const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
      return Number(offsets.find(({ partition }) => partition === 0)!.offset)
    },
    async createTopic(topic, numPartitions, configs) {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const created = await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, configEntries }] })
      if (!created) throw new Error('the topic exists')
    },
    async partitionCount(topic) {
      return (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length
    },
    async addPartitions(topic, count) {
      await admin.createPartitions({ topicPartitions: [{ topic, count }] })
    },
    async deleteTopic(topic) {
      await admin.deleteTopics({ topics: [topic] })
    },
    listTopics: () => admin.listTopics(),
    async describeConfig(topic, key) {
      const answer = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
      return answer.resources[0]!.configEntries.find(entry => entry.configName === key)?.configValue ?? null
    },
    async setConfig(topic, name, value) {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
      })
    },
    close: () => admin.disconnect(),
  }
}

await serve(open)
