// What administrators of a simulation do: topics that the load needs, and others that come and go.

import type { Kafka } from '../../client/kafka.ts'
import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { identify, payloadOf, recordId } from './payload.ts'
import type { TopicPlan } from './plan.ts'
import { kafkaOf, type Stage } from './workloads.ts'

/** Answers that say the wish is fulfilled: an earlier try came through, though its answer did not. */
const THERE_ALREADY = 'TOPIC_ALREADY_EXISTS'
const GONE_ALREADY = 'UNKNOWN_TOPIC_OR_PARTITION'
const RETRY_MS = 100

/** Tries until it holds: brokers crash in the middle of it. */
export async function createTopics(env: Env, topics: readonly TopicPlan[]): Promise<void> {
  const kafka = kafkaOf(env, 'admin')
  for (const { name, partitions, configs } of topics) {
    await untilDone(env, THERE_ALREADY, () => kafka.admin().createTopics([{ name, numPartitions: partitions, configs }]))
  }
  await kafka.close()
}

/** Makes a topic, writes to it, reads it back, deletes it; the next one of the same name must begin empty. */
export async function churn(env: Env, stage: Stage, random: SeededRandom): Promise<void> {
  const kafka = kafkaOf(env, 'churn')
  const admin = kafka.admin()
  const name = 'comes-and-goes'
  for (let round = 0; stage.running(); round++) {
    await untilDone(env, THERE_ALREADY, () => admin.createTopics([{ name, numPartitions: 1 }]))
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
