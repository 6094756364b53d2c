// What three nodes do together that one does alone, and what they must do when one is away.
import { describe, expect, test } from 'vitest'
import type { ConsumedRecord } from '../../src/client/consumer.ts'
import { Kafka } from '../../src/client/kafka.ts'
import { sleep } from '../../src/env/env.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { KafkaError, NOT_ENOUGH_REPLICAS } from '../../src/protocol/errors.ts'
import { hostOf, type TestCluster, withCluster } from './test-cluster.ts'
import { batchOf, RawClient } from './test-node.ts'

async function createTopic(cluster: TestCluster, name: string, o: { replicationFactor?: number; partitions?: number } = {}) {
  await cluster.kafka.admin().createTopics([{ name, numPartitions: o.partitions ?? 1, replicationFactor: o.replicationFactor }])
}

async function readAll(cluster: TestCluster, topic: string, count: number): Promise<string[]> {
  const consumer = cluster.kafka.consumer()
  consumer.assign([{ topic, partition: 0, position: 'earliest' }])
  const records: ConsumedRecord[] = []
  const deadline = cluster.world.now + 30_000
  while (records.length < count && cluster.world.now < deadline) records.push(...(await consumer.poll({ maxWaitMs: 100 })))
  await consumer.close()
  return records.map(({ value }) => String(value))
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => String(from + i))

async function produce(cluster: TestCluster, topic: string, values: readonly string[]): Promise<void> {
  const producer = cluster.kafka.producer()
  for (const value of values) await producer.send({ topic, value })
  await producer.close()
}

describe('three nodes', () => {
  test('form a cluster with defaults for three, and keep what is written on all of them', async () => {
    await withCluster(async cluster => {
      expect(new Set(cluster.nodes.map(({ clusterId }) => clusterId)).size).toBe(1)
      await createTopic(cluster, 't')
      expect(cluster.partition('t')).toMatchObject({ replicas: expect.arrayContaining([1, 2, 3]), isr: expect.arrayContaining([1, 2, 3]) })
      await produce(cluster, 't', numbers(20))
      expect(await readAll(cluster, 't', 20)).toEqual(numbers(20))
      const ends = () => cluster.nodes.map(({ broker }) => [...broker.replicas.all()][0]!.log.logEndOffset)
      expect(ends()).toEqual([20, 20, 20])
      const [config] = await cluster.kafka.admin().describeConfigs([{ type: 'topic', name: 't' }])
      expect(config!.entries.find(({ name }) => name === 'min.insync.replicas')!.value).toBe('2')
    })
  })

  test('go on without the leader, and have it back in sync', async () => {
    await withCluster(async cluster => {
      await createTopic(cluster, 't')
      await produce(cluster, 't', numbers(10))
      const leader = cluster.partition('t')!.leader
      cluster.kill(leader)
      await produce(cluster, 't', numbers(10, 10))
      await cluster.until('another leads', () => cluster.partition('t')!.leader !== leader && cluster.partition('t')!.leader !== -1)
      await cluster.start(leader)
      await cluster.until('all in sync', () => cluster.partition('t')!.isr.length === 3)
      expect(await readAll(cluster, 't', 20)).toEqual(numbers(20))
      const logs = cluster.nodes.map(({ broker }) => [...broker.replicas.all()][0]!.log.logEndOffset)
      expect(logs).toEqual([20, 20, 20])
    })
  })

  test('go on without the controller', async () => {
    await withCluster(async cluster => {
      await createTopic(cluster, 't')
      const controller = cluster.controllerId!
      cluster.kill(controller)
      await cluster.until('another controller', () => cluster.controllerId !== undefined)
      await cluster.until('the old one is fenced', () => cluster.nodes[0]!.image.brokers.get(controller)!.fenced)
      await createTopic(cluster, 'u', { replicationFactor: 2 })
      await produce(cluster, 'u', numbers(5))
      await cluster.start(controller)
      await cluster.until('the old one knows the topic', () => cluster.node(controller).image.topics.has('u'))
      expect(await readAll(cluster, 'u', 5)).toEqual(numbers(5))
    })
  })

  test('refuse what they cannot keep while two are away, and go on when these are back', async () => {
    await withCluster(async cluster => {
      await createTopic(cluster, 't')
      await produce(cluster, 't', numbers(5))
      const leader = cluster.partition('t')!.leader
      const others = [1, 2, 3].filter(id => id !== leader)
      for (const id of others) cluster.kill(id)
      const producer = cluster.kafka.producer({ deliveryTimeoutMs: 4000, idempotent: false })
      const refused = await producer.send({ topic: 't', value: 'lost' }).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(Error)
      await producer.close()
      await expect(createTopic(cluster, 'never')).rejects.toBeInstanceOf(KafkaError)
      await Promise.all(others.map(id => cluster.start(id)))
      await cluster.until('all in sync', () => cluster.partition('t')!.isr.length === 3)
      await produce(cluster, 't', numbers(5, 5))
      expect((await readAll(cluster, 't', 10)).filter(value => value !== 'lost')).toEqual(numbers(10))
    })
  })

  test('refuse changes while the disk of the controller is full, whoever is asked', async () => {
    await withCluster(async cluster => {
      const controller = cluster.controllerId!
      const disk = cluster.world.host(hostOf(controller)).storage
      const asked = controller === 1 ? 2 : 1
      await using kafka = new Kafka(cluster.clientEnv, { bootstrapServers: `${hostOf(asked)}:9092` }, () => () => {})
      const create = (name: string) => kafka.admin().createTopics([{ name }])
      disk.full = true
      await expect(create('t')).rejects.toThrow("The broker's disk has 0 bytes left")
      disk.full = false
      await create('t')
      expect(cluster.controllerId).toBe(controller)
    })
  })

  test('answer NOT_ENOUGH_REPLICAS from a leader that is cut off, once its lease has ended', async () => {
    await withCluster(async cluster => {
      await createTopic(cluster, 't')
      const leader = cluster.partition('t')!.leader
      cluster.isolate(leader)
      await sleep(cluster.clientEnv.clock, 3500)
      const client = await RawClient.connect(cluster.clientEnv, 9092, hostOf(leader))
      const answer = await client.ask(Produce, 9, {
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf('late') }] }],
      })
      expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(NOT_ENOUGH_REPLICAS)
      client.close()
      cluster.heal()
      await cluster.until('all in sync', () => [1, 2, 3].every(id => cluster.partition('t', 0, id)!.isr.length === 3))
    })
  })
})
