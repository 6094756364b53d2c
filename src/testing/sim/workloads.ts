// What the clients of a simulation do. Each loop goes on until it is told to stop, whatever happens to the broker, and writes down what it did and saw.

import { Kafka } from '../../client/kafka.ts'
import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { Connection } from '../../net/connection.ts'
import { Fetch } from '../../protocol/api/01-fetch.ts'
import * as batch from '../../protocol/batch.ts'
import { KafkaError, NONE } from '../../protocol/errors.ts'
import { decodeBatch } from '../../protocol/records.ts'
import type { History, SeenRecord } from '../history.ts'
import { BROKER, PORT } from './broker-host.ts'
import { identify, payloadOf, recordId } from './payload.ts'
import type { ProducerPlan, TopicPlan } from './plan.ts'

/** Impatient: a broker that is gone shall be noticed while it matters. */
export function kafkaOf(env: Env, clientId: string, o: Pick<Stage, 'bootstrapServers' | 'requestTimeoutMs'>): Kafka {
  const { bootstrapServers, requestTimeoutMs } = o
  return new Kafka(env, { bootstrapServers, clientId, requestTimeoutMs, connectTimeoutMs: Math.min(1000, requestTimeoutMs) })
}

/** Said before anything is written: the record is certainly not in the log. */
const CERTAIN = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_REQUIRED_ACKS',
  'INVALID_TOPIC_EXCEPTION',
])

export interface Stage {
  readonly bootstrapServers: string
  /** Of all clients. */
  readonly requestTimeoutMs: number
  readonly history: History
  readonly topics: readonly TopicPlan[]
  /** What is known of the partitions: may grow. */
  readonly partitionCounts: Map<string, number>
  /** Bits of stored records flip. */
  readonly damages: boolean
  running(): boolean
  fail(reason: string): void
}

/** Counts what became of the records, for the summary. */
export interface Counts {
  sent: number
  acked: number
  refused: number
  read: number
}

export async function produce(env: Env, plan: ProducerPlan, stage: Stage, counts: Counts, random: SeededRandom): Promise<void> {
  const kafka = kafkaOf(env, plan.name, stage)
  const producer = kafka.producer({
    acks: plan.acks,
    idempotent: plan.idempotent,
    lingerMs: plan.lingerMs,
    batchBytes: plan.batchBytes,
    compression: plan.compression,
    deliveryTimeoutMs: plan.deliveryTimeoutMs,
  })
  const underWay = new Set<Promise<void>>()
  const send = (topic: string, partition: number) => {
    const id = recordId(plan.name, counts.sent, Math.floor(random.fraction() ** 3 * plan.maxValueBytes))
    counts.sent++
    const compacts = stage.topics.some(({ name, compacts }) => name === topic && compacts)
    const settled = sendOne(producer, { topic, partition, id, plan, key: random.chance(0.5) || compacts }, stage, counts).finally(() =>
      underWay.delete(settled),
    )
    underWay.add(settled)
  }
  while (stage.running()) {
    const burst = random.chance(0.1) ? random.integerBetween(2, 40) : 1
    for (let i = 0; i < burst; i++) {
      const topic = random.pick(stage.topics).name
      send(topic, random.integer(stage.partitionCounts.get(topic)!))
    }
    while (underWay.size >= plan.maxInFlight) await Promise.race(underWay)
    await sleep(env.clock, random.fraction() * 2 * plan.pauseMs)
  }
  // The last words prove that everything works again.
  for (const { name } of stage.topics) for (let p = 0; p < stage.partitionCounts.get(name)!; p++) send(name, p)
  await producer.flush()
  await Promise.all(underWay)
  await kafka.close()
}

type Producer = ReturnType<Kafka['producer']>

async function sendOne(
  producer: Producer,
  { topic, partition, id, plan, key }: { topic: string; partition: number; id: string; plan: ProducerPlan; key: boolean },
  { history }: Stage,
  counts: Counts,
): Promise<void> {
  history.add({ type: 'sent', topic, partition, id, producer: plan.name, acks: plan.acks, idempotent: plan.idempotent })
  try {
    const headers = key ? [{ key: 'who', value: Buffer.from(plan.name) }] : []
    const { offset } = await producer.send({ topic, partition, key: key ? Buffer.from(id) : null, value: payloadOf(id), headers })
    counts.acked++
    history.add({ type: 'acked', id, offset })
  } catch (error) {
    counts.refused++
    const reason = error instanceof KafkaError ? error.codeName : String(error)
    // Of a producer that is not idempotent an earlier try may stand, though the last one was refused (seed 836).
    const certain = plan.idempotent && error instanceof KafkaError && CERTAIN.has(error.codeName)
    history.add({ type: 'refused', id, certain, reason })
  }
}

/** Follows all partitions live. Where a cut took back what was not promised to be kept, it begins again. */
export async function consume(env: Env, name: string, stage: Stage, counts: Counts): Promise<void> {
  for (let pass = 0; stage.running(); pass++) {
    const kafka = kafkaOf(env, name, stage)
    const consumer = kafka.consumer()
    try {
      consumer.assign(allPartitions(stage).map(partition => ({ ...partition, position: 'earliest' as const })))
      while (stage.running()) {
        const records = await consumer.poll({ maxWaitMs: 200 })
        counts.read += records.length
        noteRead(records, `${name} ${pass}`, stage.history)
      }
    } catch (error) {
      const code = error instanceof KafkaError ? error.codeName : undefined
      const lostGround = code === 'OFFSET_OUT_OF_RANGE' || (stage.damages && (code === 'CORRUPT_MESSAGE' || code === 'KAFKA_STORAGE_ERROR'))
      if (!lostGround) stage.fail(`${name}: polling failed: ${error instanceof Error ? error.stack : error}`)
      else if (!stage.damages && stage.topics.every(topic => topic.flushesFirst && !topic.retains))
        stage.fail(`${name}: what it had read is gone: ${error}`)
      await sleep(env.clock, 50)
    }
    await kafka.close()
  }
}

interface ConsumedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly value: Uint8Array | null
}

function noteRead(records: readonly ConsumedRecord[], reader: string, history: History): void {
  const byPartition = new Map<string, { topic: string; partition: number; records: SeenRecord[] }>()
  for (const { topic, partition, offset, value } of records) {
    const key = `${topic}-${partition}`
    let entry = byPartition.get(key)
    if (entry === undefined) byPartition.set(key, (entry = { topic, partition, records: [] }))
    entry.records.push({ offset, ...identify(value) })
  }
  for (const { topic, partition, records } of byPartition.values()) {
    history.add({ type: 'read', topic, partition, reader: `${reader} ${topic}-${partition}`, records })
  }
}

export function allPartitions(stage: Stage): { topic: string; partition: number }[] {
  return stage.topics.flatMap(({ name }) =>
    Array.from({ length: stage.partitionCounts.get(name)! }, (_, partition) => ({ topic: name, partition })),
  )
}

/** Everything there is, from the first record to the end. */
export async function readAll(env: Env, stage: Stage): Promise<void> {
  const kafka = kafkaOf(env, 'final', stage)
  for (const target of allPartitions(stage)) {
    while (!(await readPartition(kafka, target, stage.history))) {
      // Retention took what was about to be read: from the new start again.
    }
  }
  await kafka.close()
}

async function readPartition(kafka: Kafka, target: { topic: string; partition: number }, history: History): Promise<boolean> {
  const admin = kafka.admin()
  const [start, end] = await admin.listOffsets([
    { ...target, spec: 'earliest' },
    { ...target, spec: 'latest' },
  ])
  await admin.close()
  const logStartOffset = start!.offset
  const endOffset = end!.offset
  const consumer = kafka.consumer()
  consumer.assign([{ ...target, position: { offset: logStartOffset } }])
  const records: SeenRecord[] = []
  try {
    while ((records.at(-1)?.offset ?? logStartOffset - 1) + 1 < endOffset) {
      // Beyond the end: records without acknowledgement (acks=0) may still have been on their way.
      for (const { offset, value } of await consumer.poll({ maxWaitMs: 500 })) {
        if (offset < endOffset) records.push({ offset, ...identify(value) })
      }
    }
  } catch (error) {
    if (error instanceof KafkaError && error.codeName === 'OFFSET_OUT_OF_RANGE') return false
    throw error
  } finally {
    await consumer.close()
  }
  history.add({ type: 'final', ...target, logStartOffset, endOffset, records })
  return true
}

/** The same from logs of which parts may be damaged: batch by batch, until nothing damaged is met any more. */
export async function readDamaged(env: Env, stage: Stage): Promise<void> {
  const kafka = kafkaOf(env, 'final', stage)
  const connection = await Connection.open(env, { host: BROKER, port: PORT, clientId: 'final', timeoutMs: FINAL_TIMEOUT_MS })
  for (const target of allPartitions(stage)) {
    while (!(await readPast(env, { kafka, connection, stage }, target))) {
      // Retention took what was about to be read: from the new start again.
    }
  }
  connection.close()
  await kafka.close()
}

const FINAL_TIMEOUT_MS = 10_000
const FINAL_PAUSE_MS = 50
const FINAL_UNPACKED_BYTES = 64 * 1024 * 1024

/** @returns whether it could be read through */
async function readPast(
  env: Env,
  { kafka, connection, stage }: { kafka: Kafka; connection: Connection; stage: Stage },
  target: { topic: string; partition: number },
): Promise<boolean> {
  const admin = kafka.admin()
  const [start, end] = await admin.listOffsets([
    { ...target, spec: 'earliest' },
    { ...target, spec: 'latest' },
  ])
  await admin.close()
  const [logStartOffset, endOffset] = [start!.offset, end!.offset]
  const records: SeenRecord[] = []
  for (let offset = logStartOffset; offset < endOffset; ) {
    const partition = { partition: target.partition, fetchOffset: offset, partitionMaxBytes: 1 }
    const topics = [{ topic: target.topic, partitions: [partition] }]
    const request = { maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, topics, forgottenTopicsData: [], rackId: '' }
    const answer = await connection.request(Fetch, request, { version: 12, timeoutMs: FINAL_TIMEOUT_MS })
    const { errorCode, records: bytes } = answer.responses[0]!.partitions[0]!
    if (errorCode !== NONE) {
      // Damage that is met takes what lies behind it out of the log, which is led again after that.
      stage.history.add({ type: 'damaged', ...target })
      await sleep(env.clock, FINAL_PAUSE_MS)
      return false
    }
    if (bytes === null || bytes.length === 0) {
      stage.fail(`${target.topic}-${target.partition} answers nothing at offset ${offset} of ${endOffset}`)
      return true
    }
    for (const record of decodeBatch(bytes, 0, { maxBytes: FINAL_UNPACKED_BYTES })) {
      if (record.offset >= offset && record.offset < endOffset) records.push({ offset: record.offset, ...identify(record.value) })
    }
    offset = Math.max(offset + 1, batch.lastOffset(bytes, 0) + 1)
  }
  stage.history.add({ type: 'final', ...target, logStartOffset, endOffset, records })
  return true
}
