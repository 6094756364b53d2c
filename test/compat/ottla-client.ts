// Our client library against a broker, any broker: node dist/test/compat/ottla-client.js host:port
// Each check makes topics of its own, so the cluster may be in use. Held against Apache Kafka, which is where the client's manners come from.

import { deepStrictEqual, ok, rejects } from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { ConsumedRecord, Consumer } from '../../src/client/consumer.ts'
import { type Compression, Kafka } from '../../src/client/kafka.ts'
import type { Logger } from '../../src/env/env.ts'
import { realEnv } from '../../src/env/real/env.ts'
import { type KafkaError, OFFSET_OUT_OF_RANGE, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION } from '../../src/protocol/errors.ts'

export interface OttlaClientCheck {
  readonly name: string
  run(kafka: Kafka, topic: string): Promise<void>
}

const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

async function create(kafka: Kafka, topic: string, numPartitions: number, configs: Record<string, string> = {}): Promise<void> {
  await using admin = kafka.admin()
  await admin.createTopics([{ name: topic, numPartitions, replicationFactor: 1, configs }])
}

/** Polls until `count` records are there, or fails after 20 s. */
async function read(consumer: Consumer, count: number): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  const deadline = Date.now() + 20_000
  while (records.length < count) {
    ok(Date.now() < deadline, `${records.length} of ${count} records came within 20 s`)
    records.push(...(await consumer.poll({ maxWaitMs: 500 })))
  }
  return records
}

export const OTTLA_CLIENT_CHECKS: readonly OttlaClientCheck[] = [
  ...COMPRESSIONS.map(compression => ({
    name: `produces and consumes with ${compression}`,
    async run(kafka: Kafka, topic: string) {
      await create(kafka, topic, 1)
      await using producer = kafka.producer({ compression })
      const timestamp = 1_700_000_000_000
      const headers = { trace: 'abc', empty: null }
      const sent = await producer.sendBatch([
        { topic, key: 'k', value: 'v'.repeat(5000), headers, timestamp },
        { topic, value: null, key: Buffer.from([0, 255]), timestamp: timestamp + 1 },
        { topic, value: '', timestamp: timestamp + 2 },
      ])
      deepStrictEqual(
        sent.map(({ offset }) => offset),
        [0, 1, 2],
      )
      await using consumer = kafka.consumer()
      consumer.assign([{ topic, partition: 0, position: 'earliest' }])
      const records = await read(consumer, 3)
      deepStrictEqual(
        records.map(record => [record.offset, String(record.key), record.value?.length, record.timestamp - timestamp]),
        [
          [0, 'k', 5000, 0],
          [1, String(Buffer.from([0, 255])), undefined, 1],
          [2, 'null', 0, 2],
        ],
      )
      deepStrictEqual(
        records[0]!.headers.map(({ key, value }) => [key, value === null ? null : String(value)]),
        [
          ['trace', 'abc'],
          ['empty', null],
        ],
      )
    },
  })),
  ...([-1, 1, 0] as const).map(acks => ({
    name: `writes 5000 records in order with acks ${acks}, each once`,
    async run(kafka: Kafka, topic: string) {
      await create(kafka, topic, 3)
      await using producer = kafka.producer({ acks, batchBytes: 2000, compression: 'lz4' })
      const outcomes = []
      for (let i = 0; i < 5000; i++) outcomes.push(producer.send({ topic, partition: i % 3, value: String(i) }))
      await producer.flush()
      for (const [i, { partition, offset }] of (await Promise.all(outcomes)).entries()) {
        deepStrictEqual([partition, offset], [i % 3, acks === 0 ? -1 : Math.floor(i / 3)])
      }
      await using consumer = kafka.consumer({ partitionMaxBytes: 3000 })
      consumer.assign([0, 1, 2].map(partition => ({ topic, partition, position: 'earliest' })))
      for (const { partition, offset, value } of await read(consumer, 5000)) deepStrictEqual(Number(value), offset * 3 + partition)
      deepStrictEqual(await consumer.poll({ maxWaitMs: 50 }), [])
    },
  })),
  {
    name: 'positions are found by name, offset and time; a consumer seeks, pauses and waits for what comes',
    async run(kafka, topic) {
      await create(kafka, topic, 2)
      await using producer = kafka.producer()
      const start = 1_600_000_000_000
      await producer.sendBatch(
        Array.from({ length: 10 }, (_, i) => ({ topic, partition: 0, value: String(i), timestamp: start + i * 1000 })),
      )
      await using consumer = kafka.consumer()
      const positions: [Parameters<Consumer['assign']>[0][0]['position'], number][] = [
        ['earliest', 0],
        ['latest', 10],
        [{ offset: 4 }, 4],
        [{ timestamp: start + 2500 }, 3],
        [{ timestamp: start + 3000 }, 3],
        [{ timestamp: start + 99_000 }, 10],
        ['maxTimestamp', 9],
      ]
      for (const [position, offset] of positions) {
        consumer.assign([{ topic, partition: 0, position }])
        deepStrictEqual(await consumer.position({ topic, partition: 0 }), offset, JSON.stringify(position))
      }
      consumer.assign([0, 1].map(partition => ({ topic, partition, position: { offset: 0 } })))
      deepStrictEqual(await consumer.endOffsets(), [
        { topic, partition: 0, offset: 10 },
        { topic, partition: 1, offset: 0 },
      ])
      deepStrictEqual((await read(consumer, 10)).map(Number, 0).length, 10)
      consumer.seek({ topic, partition: 0, position: { offset: 7 } })
      deepStrictEqual(
        (await read(consumer, 3)).map(({ offset }) => offset),
        [7, 8, 9],
      )
      const waiting = consumer.poll({ maxWaitMs: 10_000 })
      await producer.send({ topic, partition: 1, value: 'late' })
      deepStrictEqual(
        (await waiting).map(({ partition, value }) => [partition, String(value)]),
        [[1, 'late']],
      )
      consumer.pause([{ topic, partition: 0 }])
      await producer.send({ topic, partition: 0, value: 'held' })
      deepStrictEqual(await consumer.poll({ maxWaitMs: 300 }), [])
      consumer.resume([{ topic, partition: 0 }])
      deepStrictEqual(
        (await read(consumer, 1)).map(({ value }) => String(value)),
        ['held'],
      )
    },
  },
  {
    name: 'keys choose partitions as Java does; records without a key spread',
    async run(kafka, topic) {
      await create(kafka, topic, 10)
      await using producer = kafka.producer({ batchBytes: 1000 })
      // Utils.toPositive(Utils.murmur2(key)) % 10
      const expected = { '21': 0, foobar: 6, 'a-little-bit-long-string': 2, abc: 7 }
      for (const [key, partition] of Object.entries(expected)) {
        deepStrictEqual([key, (await producer.send({ topic, key, value: 'v' })).partition], [key, partition])
      }
      const spread = await Promise.all(Array.from({ length: 500 }, () => producer.send({ topic, value: 'x'.repeat(50) })))
      ok(new Set(spread.map(({ partition }) => partition)).size > 5)
    },
  },
  {
    name: 'an offset outside the log is an error, or is reset',
    async run(kafka, topic) {
      await create(kafka, topic, 1)
      await using producer = kafka.producer()
      await producer.send({ topic, value: 'only' })
      await using strict = kafka.consumer()
      strict.assign([{ topic, partition: 0, position: { offset: 99 } }])
      await rejects(strict.poll({ maxWaitMs: 5000 }), (error: KafkaError) => error.code === OFFSET_OUT_OF_RANGE)
      await using lenient = kafka.consumer({ autoOffsetReset: 'earliest' })
      lenient.assign([{ topic, partition: 0, position: { offset: 99 } }])
      deepStrictEqual(String((await read(lenient, 1))[0]!.value), 'only')
    },
  },
  {
    name: 'a batch over max.message.bytes is halved until it fits; a record that never fits is refused',
    async run(kafka, topic) {
      await create(kafka, topic, 1, { 'max.message.bytes': '2000' })
      await using producer = kafka.producer({ batchBytes: 20_000 })
      const records = Array.from({ length: 60 }, (_, i) => ({ topic, value: `${i}:${'x'.repeat(300)}` }))
      const sent = await producer.sendBatch(records)
      deepStrictEqual(
        sent.map(({ offset }) => offset),
        records.map((_, i) => i),
      )
      const outcomes = await Promise.allSettled([
        producer.send({ topic, value: 'before' }),
        producer.send({ topic, value: 'x'.repeat(3000) }),
        producer.send({ topic, value: 'after' }),
      ])
      deepStrictEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      deepStrictEqual((outcomes[1] as PromiseRejectedResult).reason.codeName, 'MESSAGE_TOO_LARGE')
    },
  },
  {
    name: 'topics are created, described, enlarged, listed and deleted',
    async run(kafka, topic) {
      await using admin = kafka.admin()
      const [created] = await admin.createTopics([{ name: topic, numPartitions: 2, replicationFactor: 1 }])
      deepStrictEqual([created!.numPartitions, created!.replicationFactor], [2, 1])
      await rejects(admin.createTopics([{ name: topic }]), (error: KafkaError) => error.code === TOPIC_ALREADY_EXISTS)
      await rejects(admin.createTopics([{ name: 'no/such/name' }]), /INVALID_TOPIC_EXCEPTION/)
      await admin.createTopics([{ name: `${topic}-not-made`, numPartitions: 1 }], { validateOnly: true })
      const described = (await eventually(() => admin.describeTopics([topic])))[0]!
      deepStrictEqual([described.topicId, described.partitions.length], [created!.topicId, 2])
      ok(described.partitions.every(({ leaderId, isr }) => isr.includes(leaderId)))
      await admin.createPartitions([{ name: topic, count: 5 }])
      await eventually(async () => deepStrictEqual((await admin.describeTopics([topic]))[0]!.partitions.length, 5))
      await rejects(admin.createPartitions([{ name: topic, count: 3 }]), /INVALID_PARTITIONS/)
      const names = (await admin.listTopics()).map(({ name }) => name)
      ok(names.includes(topic) && !names.includes(`${topic}-not-made`))
      await admin.deleteTopics([topic])
      await rejects(
        eventually(async () => {
          await admin.describeTopics([topic])
          throw new Error('the topic is still there')
        }, /still there/),
        (error: KafkaError) => error.code === UNKNOWN_TOPIC_OR_PARTITION,
      )
      await rejects(admin.deleteTopics([topic]), /UNKNOWN_TOPIC_OR_PARTITION/)
    },
  },
  {
    name: 'configurations are described and altered',
    async run(kafka, topic) {
      await using admin = kafka.admin()
      await admin.createTopics([{ name: topic, numPartitions: 1, replicationFactor: 1, configs: { 'retention.ms': '1234567' } }])
      const entry = async (name: string) => {
        const [described] = await admin.describeConfigs([{ type: 'topic', name: topic, keys: ['retention.ms', 'cleanup.policy'] }])
        deepStrictEqual(described!.entries.length, 2)
        return described!.entries.find(candidate => candidate.name === name)!
      }
      await eventually(async () => {
        const { value, source, isDefault } = await entry('retention.ms')
        deepStrictEqual([value, source, isDefault], ['1234567', 'topic', false])
      })
      const operations = [
        { operation: 'set', name: 'cleanup.policy', value: 'delete' },
        { operation: 'append', name: 'cleanup.policy', value: 'delete' },
        { operation: 'delete', name: 'retention.ms' },
      ] as const
      for (const operation of operations) await admin.incrementalAlterConfigs([{ type: 'topic', name: topic, operations: [operation] }])
      await eventually(async () => {
        const { value, source } = await entry('cleanup.policy')
        deepStrictEqual([value, source], ['delete', 'topic'])
        deepStrictEqual((await entry('retention.ms')).isDefault, true)
      })
      const bad = [{ operation: 'set', name: 'retention.ms', value: 'long' }] as const
      await rejects(admin.incrementalAlterConfigs([{ type: 'topic', name: topic, operations: bad }]), /INVALID_CONFIG/)
      const { brokers, clusterId, controllerId } = await admin.describeCluster()
      ok(brokers.length > 0 && clusterId !== null && brokers.some(({ nodeId }) => nodeId === controllerId))
      const broker = String(brokers[0]!.nodeId)
      const [described] = await admin.describeConfigs([{ type: 'broker', name: broker }])
      ok(described!.entries.some(({ name, value }) => name === 'node.id' && value === broker))
    },
  },
  {
    name: 'offsets are listed by name and time',
    async run(kafka, topic) {
      await create(kafka, topic, 2)
      await using producer = kafka.producer()
      for (let i = 0; i < 5; i++) await producer.send({ topic, partition: 0, value: 'v', timestamp: 1_650_000_000_000 + i })
      await using admin = kafka.admin()
      const specs = ['earliest', 'latest', 'maxTimestamp', { timestamp: 1_650_000_000_002 }, { timestamp: 1_650_000_000_099 }] as const
      const found = await admin.listOffsets(specs.map(spec => ({ topic, partition: 0, spec })))
      deepStrictEqual(
        found.map(({ offset }) => offset),
        [0, 5, 4, 2, -1],
      )
      deepStrictEqual(found[3]!.timestamp, 1_650_000_000_002)
      await rejects(admin.listOffsets([{ topic: `${topic}-missing`, partition: 0, spec: 'latest' }]), /does not exist/)
      await rejects(admin.listOffsets([{ topic, partition: 9, spec: 'latest' }]), /partitions 0 to 1, not 9/)
    },
  },
  {
    name: 'what does not exist is said so',
    async run(kafka, topic) {
      await using producer = kafka.producer({ metadataTimeoutMs: 1500, allowAutoTopicCreation: false })
      await rejects(producer.send({ topic, value: 'v' }), (error: KafkaError) => error.code === UNKNOWN_TOPIC_OR_PARTITION)
      await create(kafka, topic, 1)
      await producer.send({ topic, value: 'v' })
      await rejects(producer.send({ topic, partition: 4, value: 'v' }), /partitions 0 to 0; partition 4/)
      await using consumer = kafka.consumer()
      consumer.assign([{ topic: `${topic}-missing`, partition: 0, position: { offset: 0 } }])
      await rejects(consumer.poll({ maxWaitMs: 10_000 }), (error: KafkaError) => error.code === UNKNOWN_TOPIC_OR_PARTITION)
    },
  },
  {
    name: 'what was given before close is written',
    async run(kafka, topic) {
      await create(kafka, topic, 1)
      const producer = kafka.producer({ lingerMs: 60_000 })
      const sent = Array.from({ length: 100 }, (_, i) => producer.send({ topic, value: String(i) }))
      await producer.close()
      deepStrictEqual((await Promise.all(sent)).length, 100)
      await rejects(producer.send({ topic, value: 'late' }), /closed/)
    },
  },
  {
    name: 'shares a group, cooperatively, and goes on from its commits',
    async run(kafka: Kafka, topic: string) {
      await create(kafka, topic, 4)
      await using producer = kafka.producer()
      const send = (from: number) =>
        producer.sendBatch(Array.from({ length: 100 }, (_, i) => ({ topic, partition: i % 4, value: String(from + i) })))
      const join = () => {
        const consumer = kafka.consumer({
          groupId: `${topic}-group`,
          autoOffsetReset: 'earliest',
          partitionAssignors: ['cooperative-sticky'],
        })
        consumer.subscribe([topic])
        return consumer
      }
      const values: number[] = []
      const poll = async (consumers: readonly Consumer[], done: () => boolean) => {
        for (const deadline = Date.now() + 20_000; !done(); ) {
          ok(
            Date.now() < deadline,
            `${values.length} records came, assigned are ${consumers.map(({ assignment }) => assignment.length).join(', ')}`,
          )
          for (const consumer of consumers)
            for (const { value } of await consumer.poll({ maxWaitMs: 50 })) values.push(Number(String(value)))
        }
      }
      await send(0)
      const [first, second] = [join(), join()]
      await poll([first, second], () => values.length >= 100 && first.assignment.length === 2 && second.assignment.length === 2)
      await send(100)
      await poll([first, second], () => values.length >= 200)
      await first.close()
      await send(200)
      await poll([second], () => values.length >= 300)
      await second.close()
      deepStrictEqual(
        values.sort((a, b) => a - b),
        Array.from({ length: 300 }, (_, i) => i),
      )
      await using admin = kafka.admin()
      const committed = await admin.listGroupOffsets(`${topic}-group`)
      deepStrictEqual(
        committed.map(({ offset }) => offset),
        [75, 75, 75, 75],
      )
      await admin.deleteGroups([`${topic}-group`])
    },
  },
]

/** A change shows on the broker that is asked a moment after it was made. */
async function eventually<T>(attempt: () => Promise<T>, passing?: RegExp): Promise<T> {
  const deadline = Date.now() + 5000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const mayPass = passing === undefined || passing.test((error as Error).message)
      if (!mayPass || Date.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** Runs every check; says how many failed. */
export async function checkOttlaClient(bootstrap: string, report: (line: string) => void): Promise<number> {
  const log: string[] = []
  const logger: Logger = { log: (level, event, fields) => void log.push(`${level} ${event} ${JSON.stringify(fields)}`) }
  const env = realEnv({ logger })
  const run = Date.now().toString(36)
  let failures = 0
  for (const [i, check] of OTTLA_CLIENT_CHECKS.entries()) {
    log.length = 0
    const startedAt = Date.now()
    const kafka = new Kafka(env, { bootstrapServers: bootstrap, clientId: 'ottla-client-check' })
    try {
      await check.run(kafka, `ottla-client-${run}-${i}`)
      report(`ok    ${check.name} (${Date.now() - startedAt} ms)`)
    } catch (error) {
      failures++
      report(`FAIL  ${check.name}: ${(error as Error).stack}\n${log.slice(-10).join('\n')}`)
    } finally {
      await kafka.close()
    }
  }
  return failures
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bootstrap = process.argv[2] ?? '127.0.0.1:9092'
  // Timers of the real clock keep no process alive.
  const alive = setInterval(() => undefined, 1000)
  const failures = await checkOttlaClient(bootstrap, line => process.stdout.write(`${line}\n`))
  clearInterval(alive)
  process.exitCode = failures === 0 ? 0 : 1
}
