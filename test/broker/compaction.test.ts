// The cleaner of a node: which logs it looks at, and that a node ends in the middle of its work.
import { expect, test } from 'vitest'
import type { LocalReplica } from '../../src/broker/local-replica.ts'
import { sleep } from '../../src/env/env.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { createTopic, type Scene, withNode } from './test-node.ts'

const CONFIGS = { 'internal.segment.bytes': '2000', 'min.cleanable.dirty.ratio': '0.1' }

async function filled(scene: Scene, name: string, configs: Record<string, string>): Promise<LocalReplica> {
  const client = await scene.connect()
  await createTopic(client, name, { configs: { ...CONFIGS, ...configs } })
  client.close()
  const replica = [...scene.node.broker.replicas.all()].find(({ topic }) => topic === name)!
  for (let i = 0; i < 200; i++) {
    const record = { key: Buffer.from(`key ${i % 5}`), value: Buffer.from(`value ${i}`), timestamp: scene.env.clock.wallTime() }
    expect(replica.append(encodeBatch({ records: [record], codec: 0 })).ok).toBe(true)
  }
  await replica.log.flush()
  return replica
}

test('logs are compacted whose policy says so, and no others', async () => {
  await withNode(
    async scene => {
      const compacted = await filled(scene, 'compacted', { 'cleanup.policy': 'compact' })
      const kept = await filled(scene, 'kept', { 'cleanup.policy': 'delete' })
      await sleep(scene.env.clock, 3000)
      expect(compacted.log.sizeBytes).toBeLessThan(kept.log.sizeBytes / 3)
      expect(compacted.log.logEndOffset).toBe(200)
      await scene.restart('after a crash')
      await sleep(scene.env.clock, 3000)
    },
    { 'log.cleaner.backoff.ms': '1000' },
  )
})

test('a switched-off cleaner leaves everything as it is', async () => {
  await withNode(
    async scene => {
      const { log } = await filled(scene, 'compacted', { 'cleanup.policy': 'compact,delete' })
      const before = log.sizeBytes
      await sleep(scene.env.clock, 10_000)
      expect(log.sizeBytes).toBe(before)
    },
    { 'log.cleaner.backoff.ms': '1000', 'log.cleaner.enable': 'false' },
  )
})

test('a node ends while it cleans, however slowly', async () => {
  await withNode(
    async scene => {
      const { log } = await filled(scene, 'compacted', { 'cleanup.policy': 'compact' })
      await sleep(scene.env.clock, 1500)
      expect(log.compaction.dirtiness(200).firstDirtyOffset).toBe(0)
      const before = scene.world.now
      await scene.restart('cleanly')
      expect(scene.world.now - before).toBeLessThan(2000)
    },
    { 'log.cleaner.backoff.ms': '1000', 'log.cleaner.io.max.bytes.per.second': '100' },
  )
})
