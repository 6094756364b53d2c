// @platformatic/kafka 2.12 under Node 24. Its consumer streams need a group, its `fetch` does not, and hands out parsed batches.
import { type Agent, bytes, load, serve, text } from './serve.ts'

interface Platformatic {
  Producer: new (o: object) => { send(o: object): Promise<unknown>; close(): Promise<void> }
  Consumer: new (o: object) => Consumer
  Admin: new (o: object) => Admin
}
interface Metadata {
  topics: Map<string, { id: string; partitions: { leader: number }[] }>
}
interface Consumer {
  metadata(o: object): Promise<Metadata>
  fetch(o: object): Promise<{ responses: { partitions: { errorCode: number; records?: Batch[] | null }[] }[] }>
  close(force: boolean): Promise<void>
}
interface Batch {
  firstOffset: bigint
  records: { offsetDelta: number; key: Buffer | null; value: Buffer | null; headers: [Buffer, Buffer | null][] }[]
}
interface Admin {
  metadata(o: object): Promise<Metadata>
  createTopics(o: object): Promise<unknown>
  createPartitions(o: object): Promise<void>
  deleteTopics(o: object): Promise<void>
  listTopics(): Promise<string[]>
  listOffsets(o: object): Promise<{ partitions: { offset: bigint }[] }[]>
  describeConfigs(o: object): Promise<{ configs: { name: string; value: string | null }[] }[]>
  incrementalAlterConfigs(o: object): Promise<void>
  close(): Promise<void>
}
const TOPIC = 2
const SET = 0

async function open(bootstrap: string): Promise<Agent> {
  const { Producer, Consumer, Admin } = load<Platformatic>('@platformatic/kafka')
  const base = { clientId: 'compat-platformatic', bootstrapBrokers: [bootstrap], retries: 3 }
  const admin = new Admin(base)
  const consumer = new Consumer({ ...base, groupId: 'compat-unused' })
  return {
    async produce({ topic, partition, codec, acks, idempotent, records }) {
      const producer = new Producer({ ...base, idempotent })
      try {
        const messages = records.map(record => ({
          topic,
          partition,
          key: bytes(record.key) ?? undefined,
          value: bytes(record.value) ?? undefined,
          headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), bytes(value)])),
          ...(record.timestamp === undefined ? {} : { timestamp: BigInt(record.timestamp) }),
        }))
        await producer.send({ messages, acks, compression: codec, autocreateTopics: false })
      } finally {
        await producer.close()
      }
    },
    async read(topic, offset, count) {
      const { id, partitions } = (await consumer.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!
      const node = partitions[0]!.leader
      const found = []
      for (let next = offset; found.length < count; ) {
        const wanted = { partition: 0, fetchOffset: BigInt(next), currentLeaderEpoch: -1, lastFetchedEpoch: -1, partitionMaxBytes: 8 << 20 }
        const answer = await consumer.fetch({
          node,
          maxWaitTime: 500,
          minBytes: 1,
          maxBytes: 8 << 20,
          topics: [{ topicId: id, partitions: [wanted] }],
        })
        const batches = answer.responses[0]?.partitions[0]?.records ?? []
        if (batches.length === 0) throw new Error(`${found.length} of ${count} records, then nothing from offset ${next} on`)
        for (const batch of batches) {
          for (const record of batch.records) {
            const at = Number(batch.firstOffset) + record.offsetDelta
            if (at < next || found.length === count) continue
            next = at + 1
            const headers = record.headers.map(([name, value]) => [name.toString(), text(value)] as const)
            found.push({ key: text(record.key), value: text(record.value), headers })
          }
        }
      }
      return found
    },
    async offsetAt(topic, timestamp) {
      const [found] = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: BigInt(timestamp) }] }],
      })
      return Number(found!.partitions[0]!.offset)
    },
    async createTopic(topic, partitions, configs) {
      await admin.createTopics({
        topics: [topic],
        partitions,
        replicas: 1,
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })
    },
    async partitionCount(topic) {
      return (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!.partitions.length
    },
    async addPartitions(topic, total) {
      await admin.createPartitions({ topics: [{ name: topic, count: total, assignments: null }], validateOnly: false })
    },
    async deleteTopic(topic) {
      await admin.deleteTopics({ topics: [topic] })
    },
    listTopics: () => admin.listTopics(),
    async describeConfig(topic, key) {
      const [found] = await admin.describeConfigs({ resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: null }] })
      return found!.configs.find(({ name }) => name === key)?.value ?? null
    },
    async setConfig(topic, name, value) {
      await admin.incrementalAlterConfigs({
        resources: [{ resourceType: TOPIC, resourceName: topic, configs: [{ name, configOperation: SET, value }] }],
        validateOnly: false,
      })
    },
    async close() {
      await consumer.close(true)
      await admin.close()
    },
  }
}

await serve(open)
