// Our own client library. Commits after each poll.
import { Kafka } from '../../../../src/index.ts'
import { type GroupTool, orders, produceAtOnce, say, serve } from './program.ts'

const { group, topic, bootstrap, sessionMs, instance, assignor } = orders

async function member(): Promise<() => Promise<void>> {
  const kafka = new Kafka({ bootstrapServers: bootstrap, clientId: 'compat-ottla' })
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeoutMs: sessionMs,
    heartbeatIntervalMs: 500,
    fetchMaxWaitMs: 250,
    autoOffsetReset: 'earliest',
    autoCommit: false,
    ...(instance === undefined ? {} : { groupInstanceId: instance }),
    ...(assignor === undefined ? {} : { partitionAssignors: [assignor as 'cooperative-sticky'] }),
  })
  /** Read, and not committed yet. */
  const pending = new Map<number, number>()
  const commit = async (partitions: readonly number[]) => {
    const offsets = partitions.flatMap(partition => (pending.has(partition) ? [{ topic, partition, offset: pending.get(partition)! }] : []))
    if (offsets.length === 0) return
    try {
      await consumer.commit(offsets)
      for (const { partition, offset } of offsets) {
        say({ event: 'committed', partition, offset })
        pending.delete(partition)
      }
    } catch (error) {
      // The group rebalances, or the broker is away: it is tried again, or the records come again.
      process.stderr.write(`${(error as Error).message}\n`)
    }
  }
  const numbers = (partitions: readonly { partition: number }[]) => partitions.map(({ partition }) => partition)
  consumer.subscribe([topic], {
    onPartitionsAssigned: partitions => say({ event: 'assigned', partitions: numbers(partitions) }),
    async onPartitionsRevoked(revoked) {
      const partitions = numbers(revoked)
      await commit(partitions)
      for (const partition of partitions) pending.delete(partition)
      say({ event: 'revoked', partitions })
    },
    onPartitionsLost(lost) {
      for (const { partition } of lost) pending.delete(partition)
      say({ event: 'revoked', partitions: numbers(lost) })
    },
  })
  let running = true
  const loop = (async () => {
    while (running) {
      const records = await consumer.poll({ maxWaitMs: 200 })
      for (const { partition, offset } of records) {
        say({ event: 'record', partition, offset })
        pending.set(partition, offset + 1)
      }
      await commit([...pending.keys()])
    }
  })()
  return async () => {
    running = false
    await loop
    await kafka.close()
  }
}

async function tool(): Promise<GroupTool> {
  const admin = new Kafka({ bootstrapServers: bootstrap, clientId: 'compat-ottla' }).admin()
  return {
    groups: async () => (await admin.listGroups()).map(({ groupId }) => groupId),
    async describe() {
      const [described] = await admin.describeGroups([group])
      return { state: described!.state, members: described!.members.length }
    },
    async committed() {
      const offsets = (await admin.listGroupOffsets(group)).filter(committed => committed.topic === topic)
      return Object.fromEntries(offsets.map(({ partition, offset }) => [partition, offset]))
    },
    alter: () =>
      admin.alterGroupOffsets(
        group,
        Object.entries(orders.offsets!).map(([partition, offset]) => ({ topic, partition: Number(partition), offset })),
      ),
    deleteOffsets: () =>
      admin.deleteGroupOffsets(
        group,
        [0, 1, 2].map(partition => ({ topic, partition })),
      ),
    delete: () => admin.deleteGroups([group]),
  }
}

async function producer(): Promise<() => Promise<void>> {
  const kafka = new Kafka({ bootstrapServers: bootstrap, clientId: 'compat-ottla' })
  const producing = kafka.producer()
  const stop = produceAtOnce(({ key, value }) => producing.send({ topic, key, value }))
  return async () => {
    await stop()
    await kafka.close()
  }
}

await serve(member, tool, producer)
