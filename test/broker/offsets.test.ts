import { describe, expect, test } from 'vitest'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { InitProducerId } from '../../src/protocol/api/22-init-producer-id.ts'
import { OffsetForLeaderEpoch } from '../../src/protocol/api/23-offset-for-leader-epoch.ts'
import * as errors from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { batchOf, createTopic, produce, type RawClient, records, type Scene, withNode } from './test-node.ts'

async function list(
  client: RawClient,
  timestamp: number,
  o: { version?: number; topic?: string; partition?: number; epoch?: number } = {},
) {
  const question = { partitionIndex: o.partition ?? 0, timestamp, currentLeaderEpoch: o.epoch ?? -1 }
  const { topics } = await client.ask(ListOffsets, o.version ?? 11, {
    replicaId: -1,
    topics: [{ name: o.topic ?? 't', partitions: [question] }],
  })
  return topics[0]!.partitions[0]!
}

const T = 1_767_225_600_000

async function filled(connect: Scene['connect'], codec: 0 | 1 = 0): Promise<RawClient> {
  const client = await connect()
  await createTopic(client, 't')
  const times = (...offsets: number[]) => records(...offsets.map(ms => ({ timestamp: T + ms, value: Buffer.from(`${ms}`) })))
  await produce(client, 't', encodeBatch({ records: times(0, 10, 20), codec }))
  await produce(client, 't', encodeBatch({ records: times(50, 30), codec }))
  await produce(client, 't', encodeBatch({ records: times(40), codec }))
  return client
}

describe('ListOffsets', () => {
  test('knows where a partition begins and ends', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect)
      expect(await list(client, -1)).toMatchObject({ errorCode: 0, offset: 6, timestamp: -1, leaderEpoch: 0 })
      expect(await list(client, -2)).toMatchObject({ errorCode: 0, offset: 0, timestamp: -1, leaderEpoch: 0 })
      expect(await list(client, -4)).toMatchObject({ errorCode: 0, offset: 0, timestamp: -1 })
    })
  })

  test.each([0, 1] as const)('finds the first record at or after a time, inside the batch (codec %i)', async codec => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, codec)
      const found = async (ms: number) => {
        const { offset, timestamp } = await list(client, T + ms)
        return [offset, timestamp === -1 ? -1 : timestamp - T]
      }
      expect(await found(-100)).toEqual([0, 0])
      expect(await found(5)).toEqual([1, 10])
      expect(await found(20)).toEqual([2, 20])
      expect(await found(25)).toEqual([3, 50])
      expect(await found(50)).toEqual([3, 50])
      expect(await found(51)).toEqual([-1, -1])
    })
  })

  test('finds the record with the largest timestamp (-3)', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect)
      expect(await list(client, -3)).toMatchObject({ errorCode: 0, offset: 3, timestamp: T + 50 })
      await createTopic(client, 'empty')
      expect(await list(client, -3, { topic: 'empty' })).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 })
    })
  })

  test('knows of nothing tiered (-5, -6)', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect)
      for (const timestamp of [-5, -6]) expect(await list(client, timestamp)).toMatchObject({ errorCode: 0, offset: -1, leaderEpoch: -1 })
    })
  })

  test.each([
    [6, -3],
    [7, -4],
    [8, -5],
    [10, -6],
    [11, -7],
  ])('v%i does not know the question %i', async (version, timestamp) => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect)
      expect((await list(client, timestamp, { version })).errorCode).toBe(errors.UNSUPPORTED_VERSION)
    })
  })

  test('refuses what is unknown, asked twice, or of another epoch', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect)
      expect((await list(client, -1, { topic: 'x' })).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      expect((await list(client, -1, { partition: 4 })).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      expect((await list(client, -1, { epoch: 3 })).errorCode).toBe(errors.UNKNOWN_LEADER_EPOCH)
      const question = { partitionIndex: 0, timestamp: -1 }
      const { topics } = await client.ask(ListOffsets, 5, { replicaId: -1, topics: [{ name: 't', partitions: [question, question] }] })
      expect(topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([errors.INVALID_REQUEST])
      // Any epoch but -1 is checked, and what the version does not know is refused before anything is looked for.
      expect((await list(client, -1, { epoch: -2 })).errorCode).toBe(errors.FENCED_LEADER_EPOCH)
      expect((await list(client, -9, { partition: 4 })).errorCode).toBe(errors.UNSUPPORTED_VERSION)
    })
  })
})

test('an isolation level that does not exist is refused', async () => {
  await withNode(async ({ connect }) => {
    const client = await filled(connect)
    const { topics } = await client.ask(ListOffsets, 5, {
      replicaId: -1,
      isolationLevel: 2,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    expect(topics[0]!.partitions).toMatchObject([{ errorCode: errors.INVALID_REQUEST, offset: -1 }])
  })
})

test('OffsetForLeaderEpoch says where an epoch ended', async () => {
  await withNode(async ({ connect, restart }) => {
    await filled(connect)
    await restart('cleanly')
    const client = await connect()
    await produce(client, 't', batchOf('later'))
    const ask = async (leaderEpoch: number, o: { topic?: string; current?: number } = {}) => {
      const question = { partition: 0, leaderEpoch, currentLeaderEpoch: o.current ?? -1 }
      const { topics } = await client.ask(OffsetForLeaderEpoch, 4, {
        replicaId: -1,
        topics: [{ topic: o.topic ?? 't', partitions: [question] }],
      })
      const { errorCode, leaderEpoch: epoch, endOffset } = topics[0]!.partitions[0]!
      return [errorCode, epoch, endOffset]
    }
    expect(await ask(0)).toEqual([0, 0, 6])
    expect(await ask(1)).toEqual([0, 1, 7])
    expect(await ask(5)).toEqual([0, -1, -1])
    expect(await ask(0, { topic: 'x' })).toEqual([errors.UNKNOWN_TOPIC_OR_PARTITION, -1, -1])
    for (const current of [0, -2]) expect(await ask(0, { current })).toEqual([errors.FENCED_LEADER_EPOCH, -1, -1])
  })
})

describe('InitProducerId', () => {
  const init = (
    client: RawClient,
    o: { transactionalId?: string | null; producerId?: number; producerEpoch?: number; version?: number } = {},
  ) => {
    const { version = 4, transactionalId = null, ...rest } = o
    return client.ask(InitProducerId, version, { transactionalId, transactionTimeoutMs: 1000, ...rest })
  }

  test('gives every producer an id of its own, over restarts and crashes', async () => {
    await withNode(async ({ connect, restart }) => {
      const seen = new Set<number>()
      let count = 0
      for (const how of ['cleanly', 'after a crash', undefined] as const) {
        const client = await connect()
        for (let i = 0; i < 30; i++) {
          const { errorCode, producerId, producerEpoch } = await init(client)
          expect([errorCode, producerEpoch]).toEqual([0, 0])
          seen.add(producerId)
          count++
        }
        if (how !== undefined) await restart(how)
      }
      expect(seen.size).toBe(count)
    })
  })

  test('goes on when a block of ids is used up', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const seen = new Set<number>()
      for (let i = 0; i < 2100; i++) seen.add((await init(client, { version: 0 })).producerId)
      expect(seen.size).toBe(2100)
    })
  })

  test('refuses a transactional id as long as there are no transactions', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      expect((await init(client, { transactionalId: 'tx' })).errorCode).toBe(errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
      expect((await init(client, { transactionalId: '' })).errorCode).toBe(errors.INVALID_REQUEST)
      expect((await init(client, { producerId: 5, producerEpoch: -1 })).errorCode).toBe(errors.INVALID_REQUEST)
    })
  })
})
