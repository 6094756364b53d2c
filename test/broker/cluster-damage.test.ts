// Damage that a read meets in one copy of a replicated partition.
import { expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { hostOf, type TestCluster, withCluster } from './test-cluster.ts'

const RECORDS = 6

/** Flips a bit in the middle of the first segment, and reads it. */
async function damage(cluster: TestCluster, id: number, topic: string): Promise<void> {
  const env = cluster.world.env(hostOf(id))
  const file = await env.disk.open(`/data/logs/${topic}-0/00000000000000000000.log`, 'readWrite')
  const at = Math.floor(file.size / 2)
  const bytes = await file.read(at, 1)
  bytes[0]! ^= 4
  await new Promise<void>(resolve => file.write([bytes], at, () => resolve()))
  await file.close()
  const [replica] = [...cluster.node(id).broker.replicas.all()].filter(each => each.topic === topic)
  await expect(
    (async () => replica!.log.read({ offset: RECORDS / 2 - 1, maxBytes: 1, endOffset: replica!.highWatermark, minOneBatch: true }))().then(
      ({ sizeBytes }) => `read ${sizeBytes} bytes`,
    ),
  ).rejects.toThrow()
}

async function filled(cluster: TestCluster, topic: string): Promise<void> {
  await cluster.kafka.admin().createTopics([{ name: topic, assignments: [[1, 2, 3]] }])
  const producer = cluster.kafka.producer()
  for (let i = 0; i < RECORDS; i++) await producer.send({ topic, value: `${i}`.repeat(100) })
}

test('while no controller can be asked is told when there is one again', async () => {
  await withCluster(async cluster => {
    await filled(cluster, 't')
    await cluster.until('all in sync', () => cluster.partition('t', 0, 1)?.isr.length === 3)
    // What it has in memory is not read from the disk.
    await cluster.stop(1)
    await cluster.start(1)
    await cluster.until('led by 1 again', () => cluster.partition('t', 0, 1)?.leader === 1)
    await sleep(cluster.clientEnv.clock, 500)
    cluster.kill(2)
    cluster.kill(3)
    await damage(cluster, 1, 't')
    await sleep(cluster.clientEnv.clock, 45_000)
    await Promise.all([cluster.start(2), cluster.start(3)])
    await cluster.until('all in sync', () => cluster.partition('t', 0, 1)?.isr.length === 3)
    const { offset } = await cluster.kafka.producer().send({ topic: 't', value: 'after' })
    expect(Number(offset)).toBe(RECORDS)
  })
})
