// How a node starts, ends, and comes back.
import { describe, expect, test } from 'vitest'
import { Node } from '../../src/broker/node.ts'
import { parseConfig } from '../../src/config.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import * as errors from '../../src/protocol/errors.ts'
import { batchOf, createTopic, fetchFrom, produce, RawClient, withNode } from './test-node.ts'

const config = parseConfig({ listeners: 'PLAINTEXT://broker:9092' })

describe('a node that comes back', () => {
  test.each(['cleanly', 'after a crash'] as const)('%s has every record it acknowledged, and leads in a higher epoch', async how => {
    await withNode(async ({ connect, node, restart }) => {
      let client = await connect()
      const { topicId } = await createTopic(client, 't', { partitions: 3 })
      for (let i = 0; i < 30; i++) expect((await produce(client, 't', batchOf(`${i}`), { partition: i % 3 })).errorCode).toBe(0)
      const { brokerEpoch, clusterId } = node
      const again = await restart(how)
      expect(again.brokerEpoch).toBeGreaterThan(brokerEpoch)
      expect(again.clusterId).toBe(clusterId)
      client = await connect()
      const { topics } = await client.ask(Metadata, 12, { topics: null })
      expect(topics).toMatchObject([{ name: 't', topicId }])
      expect(topics[0]!.partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch])).toEqual([
        [1, 1],
        [1, 1],
        [1, 1],
      ])
      for (const partition of [0, 1, 2]) expect((await fetchFrom(client, 't', 0, { partition })).highWatermark).toBe(10)
      expect(await produce(client, 't', batchOf('more'))).toMatchObject({ errorCode: 0, baseOffset: 10 })
    })
  })

  test('many times, crashed under load, loses nothing it acknowledged', async () => {
    await withNode(async ({ connect, restart }) => {
      await createTopic(await connect(), 't')
      let acknowledged = 0
      for (let round = 0; round < 8; round++) {
        const client = await connect()
        for (let i = 0; i < 5; i++) acknowledged = (await produce(client, 't', batchOf(`${round}.${i}`))).baseOffset + 1
        produce(client, 't', batchOf('perhaps')).catch(() => undefined)
        await restart('after a crash')
        expect((await fetchFrom(await connect(), 't', 0)).highWatermark).toBeGreaterThanOrEqual(acknowledged)
      }
    })
  })
})

describe('a node that closes', () => {
  test('answers what it accepted', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await connect()
      await createTopic(client, 't')
      const produced = produce(client, 't', batchOf('a'))
      const polled = connect().then(other => fetchFrom(other, 't', 1, { maxWaitMs: 0 }))
      await polled.catch(() => undefined)
      const closing = node.close()
      expect((await produced).errorCode).toBe(0)
      await closing
      await client.closed
    })
  })

  test('closes once, however often it is asked to', async () => {
    await withNode(async ({ node }) => {
      await Promise.all([node.close(), node.close()])
      await node.close()
    })
  })
})

describe('a node that meets a broken disk', () => {
  test('stops, says why, and acknowledges nothing more', async () => {
    const world = new SimWorld(3)
    await world.run(async () => {
      const node = await Node.open(world.env('broker'), { config, directory: '/data' })
      const client = await RawClient.connect(world.env('client'), 9092)
      await createTopic(client, 't')
      world.host('broker').storage.failNext({ operation: 'flush', path: 'logs', code: 'EIO' })
      const produced = produce(client, 't', batchOf('a'))
      expect((await node.failed).message).toMatch(/EIO/)
      await expect(produced).rejects.toThrow(/closed/)
      await node.close()
    })
  })

  test('does not open, and says why', async () => {
    const world = new SimWorld(3)
    await world.run(async () => {
      world.host('broker').storage.failNext({ operation: 'batch', code: 'EIO' })
      await expect(Node.open(world.env('broker'), { config, directory: '/data' })).rejects.toThrow(/EIO/)
    })
  })
})

test('a node whose disk is full refuses to append, and goes on reading', async () => {
  await withNode(async ({ connect, world }) => {
    const client = await connect()
    await createTopic(client, 't')
    expect(await produce(client, 't', batchOf('before'))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    world.host('broker').storage.failNext({ operation: 'write', path: 'logs', code: 'ENOSPC' })
    expect((await produce(client, 't', batchOf('lost'))).errorCode).toBe(errors.KAFKA_STORAGE_ERROR)
    expect((await produce(client, 't', batchOf('refused'), { acks: 1 })).errorCode).toBe(errors.KAFKA_STORAGE_ERROR)
    expect(await fetchFrom(client, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: 1 })
  })
})

test('a fetch of bytes that cannot be read is answered, and the others are served', async () => {
  await withNode(async ({ connect, restart, world }) => {
    const first = await connect()
    await createTopic(first, 't', { partitions: 2 })
    for (const partition of [0, 1]) await produce(first, 't', batchOf('a'), { partition })
    await restart('cleanly')
    const client = await connect()
    world.host('broker').storage.failNext({ operation: 'read', path: 't-0', code: 'EIO', count: 100 })
    expect((await fetchFrom(client, 't', 0)).errorCode).toBe(errors.KAFKA_STORAGE_ERROR)
    expect((await fetchFrom(client, 't', 0, { version: 5 })).errorCode).toBe(errors.NOT_LEADER_OR_FOLLOWER)
    expect((await fetchFrom(client, 't', 0, { partition: 1 })).records!.length).toBeGreaterThan(0)
  })
})

describe('a node does not open', () => {
  test('on a port that is taken, and leaves the directory as it was', async () => {
    const world = new SimWorld(3)
    await world.run(async () => {
      const env = world.env('broker')
      const taken = await env.net.listen({
        host: 'broker',
        port: 9092,
        onConnection: socket => socket.handle({ data: () => undefined, close: () => undefined }),
      })
      await expect(Node.open(env, { config, directory: '/data' })).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await taken.close()
      const node = await Node.open(env, { config, directory: '/data' })
      await node.close()
    })
  })

  test('on a directory that another node has open', async () => {
    const world = new SimWorld(3)
    await world.run(async () => {
      const env = world.env('broker')
      const node = await Node.open(env, { config, directory: '/data' })
      const other = parseConfig({ listeners: 'PLAINTEXT://broker:9999' })
      await expect(Node.open(env, { config: other, directory: '/data' })).rejects.toMatchObject({ code: 'ELOCKED' })
      await node.close()
    })
  })

  test('on the directory of another node id', async () => {
    const world = new SimWorld(3)
    await world.run(async () => {
      const env = world.env('broker')
      await (await Node.open(env, { config, directory: '/data' })).close()
      const other = parseConfig({ listeners: 'PLAINTEXT://broker:9092', 'node.id': '2' })
      await expect(Node.open(env, { config: other, directory: '/data' })).rejects.toThrow(/belongs to node 1/)
    })
  })
})

test('requests that come while a node starts wait for it', async () => {
  await withNode(async ({ connect, restart, world }) => {
    await createTopic(await connect(), 't', { partitions: 5 })
    const env = world.env('client')
    const early = async (): Promise<RawClient> => {
      for (;;) {
        try {
          return await RawClient.connect(env, 9092)
        } catch {
          await new Promise<void>(resolve => void env.clock.setTimer(0, resolve))
        }
      }
    }
    const restarting = restart('after a crash')
    const asked = early().then(client => client.ask(Metadata, 12, { topics: null }))
    expect((await asked).topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0, 0, 0])
    await restarting
  })
})

test('segments that retention no longer covers go away, and the log start moves', async () => {
  await withNode(
    async ({ connect, world }) => {
      const client = await connect()
      await createTopic(client, 't', {
        configs: { 'internal.segment.bytes': '1024', 'retention.bytes': '3000', 'file.delete.delay.ms': '0' },
      })
      for (let i = 0; i < 20; i++) await produce(client, 't', batchOf('x'.repeat(500)))
      const env = world.env('client')
      await new Promise<void>(resolve => void env.clock.setTimer(5000, resolve))
      const { logStartOffset, highWatermark } = await fetchFrom(client, 't', 20)
      expect(highWatermark).toBe(20)
      expect(logStartOffset).toBeGreaterThan(5)
    },
    { 'log.retention.check.interval.ms': '1000' },
  )
})
