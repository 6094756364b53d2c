// What administrators of a simulation do: topics that the load needs, and others that come and go.

import type { Kafka } from '../../client/kafka.ts'
import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { Connection } from '../../net/connection.ts'
import { DeleteRecords } from '../../protocol/api/21-delete-records.ts'
import { KafkaError, NONE } from '../../protocol/errors.ts'
import { BROKER, PORT } from './broker-host.ts'
import { identify, payloadOf, recordId } from './payload.ts'
import type { Plan } from './plan.ts'
import { kafkaOf, type Stage } from './workloads.ts'

/** Answers that say the wish is fulfilled: an earlier try came through, though its answer did not. */
const THERE_ALREADY = 'TOPIC_ALREADY_EXISTS'
const GONE_ALREADY = 'UNKNOWN_TOPIC_OR_PARTITION'
const RETRY_MS = 100
/** The broker's clock may be hours behind the client's. */
const ANY_TIME = { 'message.timestamp.after.max.ms': '9223372036854775807' }

/** Tries until it holds: brokers crash in the middle of it. */
export async function createTopics(env: Env, stage: Stage): Promise<void> {
  const kafka = kafkaOf(env, 'admin', stage)
  for (const { name, partitions, replicationFactor, configs } of stage.topics) {
    await untilDone(env, THERE_ALREADY, () => kafka.admin().createTopics([{ name, numPartitions: partitions, replicationFactor, configs }]))
  }
  await kafka.close()
}

/** Deletes records where the plan lets the log's start move, changes configurations, and lets what was damaged be led again. */
export async function operate(env: Env, plan: Plan, stage: Stage, random: SeededRandom): Promise<void> {
  const kafka = kafkaOf(env, 'operator', stage)
  const admin = kafka.admin({ timeoutMs: OPERATION_MS })
  while (stage.running()) {
    await sleep(env.clock, random.integerBetween(5, 300))
    const topic = random.pick(stage.topics)
    try {
      if (plan.operates && topic.retains && random.chance(0.6)) await deleteSome(env, stage, topic.name, random)
      else if (plan.operates)
        await admin.incrementalAlterConfigs([
          { type: 'topic', name: topic.name, operations: [{ operation: 'set', ...drawChange(random) }] },
        ])
    } catch {
      // The broker is down, or went down: it may be done or not.
    }
  }
  await kafka.close()
}

const OPERATION_MS = 2000

function drawChange(random: SeededRandom): { name: string; value: string } {
  return random.pick([
    { name: 'internal.segment.bytes', value: String(random.pick([32_768, 65_536, 262_144])) },
    { name: 'segment.ms', value: String(random.pick([50, 1000, 604_800_000])) },
    { name: 'index.interval.bytes', value: String(random.pick([100, 4096])) },
    { name: 'compression.type', value: random.pick(['producer', 'zstd', 'uncompressed']) },
    { name: 'flush.ms', value: String(random.pick([1, 100, 10_000])) },
  ])
}

async function deleteSome(env: Env, stage: Stage, name: string, random: SeededRandom): Promise<void> {
  const partitionIndex = random.integer(stage.partitionCounts.get(name)!)
  const connection = await Connection.open(env, { host: BROKER, port: PORT, clientId: 'operator', timeoutMs: OPERATION_MS })
  try {
    const request = { topics: [{ name, partitions: [{ partitionIndex, offset: random.integer(200) - 1 }] }], timeoutMs: OPERATION_MS }
    const answer = await connection.request(DeleteRecords, request, { timeoutMs: OPERATION_MS })
    const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
    if (errorCode === NONE) stage.history.add({ type: 'deletedRecords', topic: name, partition: partitionIndex, lowWatermark })
  } finally {
    connection.close()
  }
}

/** Makes a topic, writes to it, reads it back, deletes it; the next one of the same name must begin empty. */
export async function churn(env: Env, stage: Stage, random: SeededRandom): Promise<void> {
  const kafka = kafkaOf(env, 'churn', stage)
  const admin = kafka.admin()
  const name = 'comes-and-goes'
  for (let round = 0; stage.running(); round++) {
    await untilDone(env, THERE_ALREADY, () => admin.createTopics([{ name, numPartitions: 1, configs: ANY_TIME }]))
    if (random.chance(0.3)) await untilDone(env, 'INVALID_PARTITIONS', () => admin.createPartitions([{ name, count: 2 }]))
    await writeAndRead(kafka, { topic: name, round, stage, random })
    await untilDone(env, GONE_ALREADY, () => admin.deleteTopics([name]))
    await sleep(env.clock, random.integer(300))
  }
  await kafka.close()
}

async function writeAndRead(kafka: Kafka, o: { topic: string; round: number; stage: Stage; random: SeededRandom }): Promise<void> {
  const { topic, round, stage, random } = o
  const producer = kafka.producer({ acks: -1, idempotent: true })
  const sent: string[] = []
  for (let i = random.integerBetween(1, 5); i > 0; i--) {
    const id = recordId(`churn-${round}`, i, random.integer(100))
    sent.push(id)
    await producer.send({ topic, partition: 0, value: payloadOf(id) })
  }
  await producer.close()
  const consumer = kafka.consumer()
  consumer.assign([{ topic, partition: 0, position: { offset: 0 } }])
  const found: (string | undefined)[] = []
  while (found.length < sent.length) {
    for (const { value } of await consumer.poll({ maxWaitMs: 200 })) {
      const { id, intact } = identify(value)
      found.push(intact ? id : `${id} (damaged)`)
    }
  }
  await consumer.close()
  if (found.join() !== sent.join()) stage.fail(`a new topic held ${found.join(', ')} instead of ${sent.join(', ')}`)
}

async function untilDone(env: Env, done: string, attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (error instanceof KafkaError && error.codeName === done) return
      await sleep(env.clock, RETRY_MS)
    }
  }
}
