// librdkafka by @confluentinc/kafka-javascript's RdKafka interface. Commits synchronously after each batch it polled.
import { fail, type GroupTool, load, orders, produceAtOnce, say, serve } from './program.ts'

type Callback<T = void> = (error: Error | null, result: T) => void
interface Place {
  topic: string
  partition: number
  offset: number
}
interface Consumer {
  connect(o: object, done: Callback<unknown>): void
  disconnect(done: () => void): void
  subscribe(topics: string[]): void
  setDefaultConsumeTimeout(ms: number): void
  consume(count: number, done: Callback<Place[]>): void
  commitSync(places: Place[]): void
  rebalanceProtocol(): string
  assign(places: Place[]): void
  unassign(): void
  incrementalAssign(places: Place[]): void
  incrementalUnassign(places: Place[]): void
}
interface Producer {
  connect(o: object, done: Callback<unknown>): void
  disconnect(done: () => void): void
  setPollInterval(ms: number): void
  on(
    event: 'delivery-report',
    listener: (error: Error | null, report: { partition: number; offset: number; opaque: Delivered }) => void,
  ): void
  on(event: 'event.error', listener: () => void): void
  produce(topic: string, partition: number, value: Buffer, key: string, timestamp: undefined, opaque: Delivered): void
}
type Delivered = (error: Error | null, place: { partition: number; offset: number }) => void
interface Admin {
  listGroups(o: object, done: Callback<{ groups: { groupId: string }[] }>): void
  describeGroups(groups: string[], o: object, done: Callback<{ groups: { state: number; members: unknown[]; error?: Error }[] }>): void
  listConsumerGroupOffsets(groups: object[], o: object, done: Callback<{ partitions: Place[]; error?: Error }[]>): void
  deleteGroups(groups: string[], o: object, done: Callback<{ error?: Error }[]>): void
}
const ASSIGN = -175
const STATES = ['Unknown', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead', 'Empty']

const { group, topic, bootstrap, sessionMs, instance, assignor } = orders
const { RdKafka } = load<{
  RdKafka: {
    KafkaConsumer: new (conf: object, topicConf: object) => Consumer
    Producer: new (conf: object, topicConf: object) => Producer
    AdminClient: { create(conf: object): Admin }
  }
}>('@confluentinc/kafka-javascript')
const base = { 'bootstrap.servers': bootstrap, 'client.id': 'compat-librdkafka', 'broker.address.family': 'v4' }

function settled<T>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))))
}

async function member(): Promise<() => Promise<void>> {
  const conf = {
    ...base,
    'group.id': group,
    'session.timeout.ms': sessionMs,
    'heartbeat.interval.ms': 500,
    'enable.auto.commit': false,
    'fetch.wait.max.ms': 250,
    'reconnect.backoff.max.ms': 1000,
    ...(instance === undefined ? {} : { 'group.instance.id': instance }),
    ...(assignor === undefined ? {} : { 'partition.assignment.strategy': assignor }),
    rebalance_cb: onRebalance,
  }
  const consumer = new RdKafka.KafkaConsumer(conf, { 'auto.offset.reset': 'earliest' })

  const owned = new Set<number>()
  /** Read, and not committed yet. */
  const pending = new Map<number, number>()

  function commit(partitions: readonly number[]): void {
    for (const partition of partitions) {
      const offset = pending.get(partition)
      if (offset === undefined) continue
      try {
        consumer.commitSync([{ topic, partition, offset }])
        say({ event: 'committed', partition, offset })
        pending.delete(partition)
      } catch (error) {
        refusal(error as Error)
      }
    }
  }

  function onRebalance(error: { code: number }, places: Place[]): void {
    const partitions = places.map(({ partition }) => partition)
    const cooperative = consumer.rebalanceProtocol() === 'COOPERATIVE'
    if (error.code === ASSIGN) {
      for (const partition of partitions) owned.add(partition)
      say({ event: 'assigned', partitions })
      if (cooperative) consumer.incrementalAssign(places)
      else consumer.assign(places)
    } else {
      commit(partitions)
      for (const partition of partitions) {
        owned.delete(partition)
        pending.delete(partition)
      }
      say({ event: 'revoked', partitions })
      if (cooperative) consumer.incrementalUnassign(places)
      else consumer.unassign()
    }
  }

  await settled(done => consumer.connect({}, done))
  consumer.setDefaultConsumeTimeout(100)
  consumer.subscribe([topic])
  let running = true
  let unsaved = 0
  const loop = (async () => {
    while (running) {
      // One at a time: in a longer list, records from before a rebalance would come after its callback.
      const read = await settled<Place[]>(done => consumer.consume(1, done)).catch((error: Error) => refusal(error))
      for (const { partition, offset } of read) {
        if (!owned.has(partition)) continue // taken just before the partition was, and read again by its next owner
        say({ event: 'record', partition, offset })
        pending.set(partition, offset + 1)
      }
      if (read.length > 0 && pending.size > 0 && ++unsaved < 20) continue
      unsaved = 0
      commit([...pending.keys()])
    }
  })()
  loop.catch(fail)
  return async () => {
    running = false
    await loop
    await new Promise<void>(resolve => consumer.disconnect(resolve))
  }
}

/** A read or commit that failed: the broker was away, or the group rebalances. The consumer goes on by itself. */
function refusal(error: Error): [] {
  process.stderr.write(`${error.message}\n`)
  return []
}

async function tool(): Promise<GroupTool> {
  const admin = RdKafka.AdminClient.create(base)
  const timeout = { timeout: 10_000 }
  const failed = <T extends { error?: Error }>(results: T[]): T => {
    if (results[0]!.error) throw results[0]!.error
    return results[0]!
  }
  return {
    groups: async () =>
      (await settled<{ groups: { groupId: string }[] }>(done => admin.listGroups(timeout, done))).groups.map(g => g.groupId),
    async describe() {
      const { groups } = await settled<{ groups: { state: number; members: unknown[]; error?: Error }[] }>(done =>
        admin.describeGroups([group], timeout, done),
      )
      const { state, members } = failed(groups)
      return { state: STATES[state]!, members: members.length }
    },
    async committed() {
      const found = await settled<{ partitions: Place[]; error?: Error }[]>(done =>
        admin.listConsumerGroupOffsets([{ groupId: group }], timeout, done),
      )
      const committed = failed(found).partitions.filter(place => place.topic === topic && place.offset >= 0)
      return Object.fromEntries(committed.map(({ partition, offset }) => [partition, offset]))
    },
    delete: async () => void failed(await settled<{ error?: Error }[]>(done => admin.deleteGroups([group], timeout, done))),
  }
}

async function producer(): Promise<() => Promise<void>> {
  const producing = new RdKafka.Producer({ ...base, 'enable.idempotence': true, dr_cb: true }, { 'request.required.acks': -1 })
  producing.on('event.error', () => {}) // a lost connection; it goes on by itself
  producing.on('delivery-report', (error, report) => report.opaque(error, report))
  await settled(done => producing.connect({}, done))
  producing.setPollInterval(10)
  const anyPartition = -1
  const stop = produceAtOnce(({ key, value }) =>
    settled(done => producing.produce(topic, anyPartition, Buffer.from(value), key, undefined, done)),
  )
  return async () => {
    await stop()
    await new Promise<void>(resolve => producing.disconnect(resolve))
  }
}

await serve(member, tool, producer)
