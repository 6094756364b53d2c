// kafkajs 2.2.4: eager, its own round-robin assignor, no static members. Commits after each batch.
import { brokers, fail, type GroupTool, load, orders, produceInTurn, say, serve } from './program.ts'

interface KafkaJs {
  Kafka: new (o: object) => { consumer(o: object): Consumer; producer(o: object): Producer; admin(): Admin }
  logLevel: { NOTHING: number }
}
interface Batch {
  partition: number
  messages: { offset: string }[]
}
interface Consumer {
  events: { GROUP_JOIN: string; REBALANCING: string; CRASH: string }
  on(
    event: string,
    listener: (e: { payload: { memberAssignment: Record<string, number[]>; error: Error; restart: boolean } }) => void,
  ): void
  connect(): Promise<void>
  subscribe(o: object): Promise<void>
  run(o: object): Promise<void>
  commitOffsets(offsets: object[]): Promise<void>
  disconnect(): Promise<void>
}
interface Producer {
  connect(): Promise<void>
  send(o: object): Promise<unknown>
  disconnect(): Promise<void>
}
interface Admin {
  connect(): Promise<void>
  listGroups(): Promise<{ groups: { groupId: string }[] }>
  describeGroups(groups: string[]): Promise<{ groups: { state: string; members: unknown[] }[] }>
  fetchOffsets(o: object): Promise<{ partitions: { partition: number; offset: string }[] }[]>
  setOffsets(o: object): Promise<void>
  deleteGroups(groups: string[]): Promise<unknown>
}

const { group, topic, sessionMs } = orders
const { Kafka, logLevel } = load<KafkaJs>('kafkajs')
const retry = { initialRetryTime: 100, maxRetryTime: 1000, retries: 5 }
const kafka = new Kafka({ clientId: 'compat-kafkajs', brokers, logLevel: logLevel.NOTHING, retry })

async function member(): Promise<() => Promise<void>> {
  const forEver = { ...retry, restartOnFailure: async () => true }
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: sessionMs,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 250,
    retry: forEver,
  })
  consumer.on(consumer.events.REBALANCING, () => say({ event: 'revoked' }))
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    say({ event: 'assigned', whole: true, partitions: payload.memberAssignment[topic] ?? [] }),
  )
  // After some errors it restarts by itself, after others it stays down.
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => restart || fail(error))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    async eachBatch({ batch, resolveOffset, isStale, isRunning }: BatchTools) {
      let last = -1
      for (const { offset } of batch.messages) {
        if (!isRunning() || isStale()) break
        last = Number(offset)
        say({ event: 'record', partition: batch.partition, offset: last })
        resolveOffset(offset)
      }
      if (last < 0) return
      try {
        await consumer.commitOffsets([{ topic, partition: batch.partition, offset: String(last + 1) }])
      } catch (error) {
        // It repeats a commit that found no broker with the member and generation of then. Thrown from here, this ends the consumer for good.
        const { type = '' } = error as { type?: string }
        if (!['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'].includes(type)) throw error
        return
      }
      say({ event: 'committed', partition: batch.partition, offset: last + 1 })
    },
  })
  return () => consumer.disconnect()
}

interface BatchTools {
  batch: Batch
  resolveOffset(offset: string): void
  isStale(): boolean
  isRunning(): boolean
}

async function tool(): Promise<GroupTool> {
  const admin = kafka.admin()
  await admin.connect()
  return {
    groups: async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId),
    async describe() {
      const [described] = (await admin.describeGroups([group])).groups
      return { state: described!.state, members: described!.members.length }
    },
    async committed() {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      const committed = found!.partitions.filter(({ offset }) => Number(offset) >= 0)
      return Object.fromEntries(committed.map(({ partition, offset }) => [partition, Number(offset)]))
    },
    alter: () =>
      admin.setOffsets({
        groupId: group,
        topic,
        partitions: Object.entries(orders.offsets!).map(([partition, offset]) => ({
          partition: Number(partition),
          offset: String(offset),
        })),
      }),
    delete: () => admin.deleteGroups([group]),
  }
}

async function producer(): Promise<() => Promise<void>> {
  const producing = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry: { ...retry, retries: 200 } })
  await producing.connect()
  // One at a time: of records sent together it forgets those whose new leader has answered for others already, and resolves (2.2.4, sendMessages.js).
  const stop = produceInTurn(({ key, value }) => producing.send({ topic, acks: -1, messages: [{ key, value }] }))
  return async () => {
    await stop()
    await producing.disconnect()
  }
}

await serve(member, tool, producer)
