// @platformatic/kafka 2.12 under Node 24: eager, round-robin. Commits each message before it takes the next.
import { brokers, fail, type GroupTool, load, orders, produceInTurn, say, serve } from './program.ts'

interface Platformatic {
  Consumer: new (o: object) => Consumer
  Producer: new (o: object) => { send(o: object): Promise<unknown>; close(): Promise<void> }
  Admin: new (o: object) => Admin
}
interface Message {
  partition: number
  offset: bigint
  commit(): Promise<void>
}
interface Consumer {
  on(event: 'consumer:group:join', listener: (e: { assignments?: { topic: string; partitions: number[] }[] }) => void): void
  on(event: 'consumer:group:rebalance', listener: () => void): void
  consume(o: object): Promise<AsyncIterable<Message>>
  close(force?: boolean): Promise<void>
}
interface Admin {
  listGroups(): Promise<Map<string, unknown>>
  describeGroups(o: object): Promise<Map<string, { state: string; members: Map<string, unknown> }>>
  listConsumerGroupOffsets(
    o: object,
  ): Promise<{ topics: { name: string; partitions: { partitionIndex: number; committedOffset: bigint }[] }[] }[]>
  alterConsumerGroupOffsets(o: object): Promise<void>
  deleteConsumerGroupOffsets(o: object): Promise<unknown>
  deleteGroups(o: object): Promise<void>
}

const { group, topic, sessionMs, instance } = orders
const { Consumer, Producer, Admin } = load<Platformatic>('@platformatic/kafka')
const base = { clientId: 'compat-platformatic', bootstrapBrokers: brokers, retries: 200, retryDelay: 250 }
const timing = { sessionTimeout: sessionMs, rebalanceTimeout: Math.max(sessionMs, 10_000), heartbeatInterval: 500, maxWaitTime: 250 }

async function member(): Promise<() => Promise<void>> {
  const consumer = new Consumer({ ...base, ...timing, groupId: group, ...(instance === undefined ? {} : { groupInstanceId: instance }) })
  consumer.on('consumer:group:rebalance', () => say({ event: 'revoked' }))
  consumer.on('consumer:group:join', ({ assignments }) =>
    say({ event: 'assigned', whole: true, partitions: assignments?.find(assignment => assignment.topic === topic)?.partitions ?? [] }),
  )
  const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false })
  void (async () => {
    for await (const message of stream) {
      const offset = Number(message.offset)
      say({ event: 'record', partition: message.partition, offset })
      await message.commit()
      say({ event: 'committed', partition: message.partition, offset: offset + 1 })
    }
  })().catch(fail)
  return () => consumer.close(true)
}

async function tool(): Promise<GroupTool> {
  const admin = new Admin(base)
  return {
    groups: async () => [...(await admin.listGroups()).keys()],
    async describe() {
      const described = (await admin.describeGroups({ groups: [group] })).get(group)!
      return { state: described.state, members: described.members.size }
    },
    async committed() {
      const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
      const partitions = found!.topics.find(({ name }) => name === topic)?.partitions ?? []
      return Object.fromEntries(partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)]))
    },
    alter: () =>
      admin.alterConsumerGroupOffsets({
        groupId: group,
        topics: [
          {
            name: topic,
            partitionOffsets: Object.entries(orders.offsets!).map(([partition, offset]) => ({
              partition: Number(partition),
              offset: BigInt(offset),
            })),
          },
        ],
      }),
    deleteOffsets: () => admin.deleteConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionIndexes: [0, 1, 2] }] }),
    delete: () => admin.deleteGroups({ groups: [group] }),
  }
}

async function producer(): Promise<() => Promise<void>> {
  const producing = new Producer({ ...base, idempotent: true })
  // One at a time: partitions that one leader had when they were sent together are sent together for ever (2.12.1), whoever leads them since.
  const stop = produceInTurn(({ key, value }) =>
    producing.send({ messages: [{ topic, key: Buffer.from(key), value: Buffer.from(value) }], acks: -1, autocreateTopics: false }),
  )
  return async () => {
    await stop()
    await producing.close()
  }
}

await serve(member, tool, producer)
