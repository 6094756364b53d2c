import { describe, expect, test } from 'vitest'
import type { Node } from '../../src/broker/node.ts'
import { sleep } from '../../src/env/env.ts'
import type { SimWorld } from '../../src/env/sim/world.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { batchSize } from '../../src/protocol/batch.ts'
import * as errors from '../../src/protocol/errors.ts'
import { decodeBatch } from '../../src/protocol/records.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, type Scene, withNode } from './test-node.ts'

function values(bytes: Buffer | null): string[] {
  const found: string[] = []
  for (let p = 0; p < bytes!.length; p += batchSize(bytes!, p))
    found.push(...decodeBatch(bytes!, p, { maxBytes: 1e6 }).map(({ value }) => String(value)))
  return found
}

async function filled(connect: Scene['connect'], ...batches: string[][]): Promise<RawClient> {
  const client = await connect()
  await createTopic(client, 't')
  for (const batch of batches) await produce(client, 't', batchOf(...batch))
  return client
}

async function parkedFetches(world: SimWorld, node: Node, count: number): Promise<void> {
  const replica = [...node.broker.replicas.all()][0]!
  while (replica.fetchWaits.size !== count) await sleep(world.env('client').clock, 1)
}

describe('fetch', () => {
  test('hands out what was produced, with offsets assigned', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a', 'b'], ['c'])
      const answer = await fetchFrom(client, 't', 0)
      expect(answer).toMatchObject({ errorCode: 0, highWatermark: 3, lastStableOffset: 3, logStartOffset: 0, preferredReadReplica: -1 })
      expect(values(answer.records)).toEqual(['a', 'b', 'c'])
    })
  })

  test('from inside a batch returns the whole batch', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a', 'b', 'c'], ['d'])
      expect(values((await fetchFrom(client, 't', 1)).records)).toEqual(['a', 'b', 'c', 'd'])
    })
  })

  test('at the end is empty, not null and no error', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      const answer = await fetchFrom(client, 't', 1)
      expect(answer.errorCode).toBe(0)
      expect(answer.records).toHaveLength(0)
    })
  })

  test.each([-1, 2, 99])('at offset %i is out of range', async offset => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      expect(await fetchFrom(client, 't', offset)).toMatchObject({
        errorCode: errors.OFFSET_OUT_OF_RANGE,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
      })
    })
  })

  test('shows aborted transactions as null to read_uncommitted and as none to read_committed', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      expect((await fetchFrom(client, 't', 0)).abortedTransactions).toBeNull()
      expect((await fetchFrom(client, 't', 0, { isolationLevel: 1 })).abortedTransactions).toEqual([])
      expect((await fetchFrom(client, 'none', 0)).abortedTransactions).toEqual([])
    })
  })

  test.each([4, 12])('of v%i that fails as a whole says so of every partition', async version => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      expect((await fetchFrom(client, 't', 0, { version, isolationLevel: 2 })).errorCode).toBe(errors.INVALID_REQUEST)
    })
  })

  test('returns the first batch whole although it is larger than every limit, and no second', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['x'.repeat(5000)], ['y'.repeat(5000)])
      const { records } = await fetchFrom(client, 't', 0, { maxBytes: 100, partitionMaxBytes: 100 })
      expect(values(records)).toEqual(['x'.repeat(5000)])
    })
  })

  test('large answers of several clients, who go away in between, are what was stored', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const partitions = [0, 1, 2, 3, 4, 5]
      await createTopic(client, 't', { partitions: partitions.length })
      for (const partition of partitions) {
        for (const letter of ['a', 'b', 'c']) await produce(client, 't', batchOf(`${partition}${letter.repeat(60_000)}`), { partition })
      }
      const ask = async (reader: RawClient, fetchOffset: number) => {
        const { responses } = await reader.ask(Fetch, 11, {
          maxWaitMs: 0,
          minBytes: 1,
          topics: [{ topic: 't', partitions: partitions.map(partition => ({ partition, fetchOffset, partitionMaxBytes: 100_000 })) }],
        })
        const letter = 'abc'[fetchOffset]!
        const expected = partitions.map(partition => `${partition}${letter.repeat(60_000)}`)
        expect(responses[0]!.partitions.flatMap(({ records }) => values(records))).toEqual(expected)
      }
      const readers = await Promise.all(partitions.map(() => connect()))
      for (let round = 0; round < 6; round++) {
        const leaver = await connect()
        const gone = ask(leaver, 0).catch(() => {})
        const asked = readers.map((reader, i) => ask(reader, (round + i) % 3))
        leaver.close()
        await Promise.all([...asked, gone])
      }
    })
  })

  test('gives later partitions nothing when the answer is full', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { partitions: 2 })
      for (const partition of [0, 1]) await produce(client, 't', batchOf('x'.repeat(500)), { partition })
      const wish = (partition: number) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })
      const { responses } = await client.ask(Fetch, 11, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 700,
        topics: [{ topic: 't', partitions: [wish(1), wish(0)] }],
      })
      const [first, second] = responses[0]!.partitions
      expect([first!.partitionIndex, first!.records!.length > 500]).toEqual([1, true])
      expect([second!.partitionIndex, second!.errorCode, second!.records!.length]).toEqual([0, 0, 0])
    })
  })

  test('answers an unknown topic, partition or id', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      expect((await fetchFrom(client, 'none', 0)).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      expect((await fetchFrom(client, 't', 0, { partition: 9 })).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      const { responses } = await client.ask(Fetch, 13, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topicId: 'abcdefghijklmnopqrstuw', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] }],
      })
      expect(responses[0]!.partitions[0]!.errorCode).toBe(errors.UNKNOWN_TOPIC_ID)
    })
  })

  test('checks the leader epoch the client believes in', async () => {
    await withNode(async ({ connect, restart }) => {
      await filled(connect, ['a'])
      await restart('cleanly')
      const client = await connect()
      const ask = async (currentLeaderEpoch: number) => {
        const wish = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000, currentLeaderEpoch }
        return (await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 't', partitions: [wish] }] })).responses[0]!
          .partitions[0]!
      }
      expect((await ask(0)).errorCode).toBe(errors.FENCED_LEADER_EPOCH)
      expect((await ask(1)).errorCode).toBe(errors.NONE)
      expect((await ask(2)).errorCode).toBe(errors.UNKNOWN_LEADER_EPOCH)
    })
  })

  test('tells a client whose last epoch ended earlier where it ended (v12)', async () => {
    await withNode(async ({ connect, restart }) => {
      await filled(connect, ['a'])
      await restart('cleanly')
      const client = await connect()
      await produce(client, 't', batchOf('b', 'c'))
      const ask = async (lastFetchedEpoch: number, fetchOffset: number) => {
        const wish = { partition: 0, fetchOffset, partitionMaxBytes: 1000, lastFetchedEpoch }
        return (await client.ask(Fetch, 12, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 't', partitions: [wish] }] })).responses[0]!
          .partitions[0]!
      }
      expect(await ask(0, 2)).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: 0, endOffset: 1 } })
      expect((await ask(0, 2)).records).toHaveLength(0)
      expect((await ask(1, 2)).divergingEpoch.epoch).toBe(-1)
      expect((await ask(9, 2)).errorCode).toBe(errors.OFFSET_OUT_OF_RANGE)
    })
  })

  test('of a replica on a client listener gets the connection closed', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      client.send(Fetch, 11, { replicaId: 2, maxWaitMs: 0, minBytes: 1, topics: [] })
      await client.closed
    })
  })
})

describe('a long poll', () => {
  test('of a client that goes while its records are read from the disk ends without a word', async () => {
    await withNode(async ({ connect, world, node }) => {
      const client = await filled(connect, ['a'])
      world.host('broker').diskSlowness = 50_000
      client.send(Fetch, 4, {
        replicaId: -1,
        maxWaitMs: 1000,
        minBytes: 1000,
        maxBytes: 10_000,
        topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }] }],
      })
      await sleep(world.env('client').clock, 2)
      client.close()
      await sleep(world.env('client').clock, 60_000)
      await parkedFetches(world, node, 0)
      expect(world.host('broker').lines.filter(line => line.includes('request failed'))).toEqual([])
    })
  })

  test('is answered by the record it waited for', async () => {
    await withNode(async ({ connect, world }) => {
      const client = await filled(connect, ['a'])
      const other = await connect()
      const before = world.now
      const polled = fetchFrom(client, 't', 1, { maxWaitMs: 60_000 })
      await produce(other, 't', batchOf('b'))
      expect(values((await polled).records)).toEqual(['b'])
      expect(world.now - before).toBeLessThan(1000)
    })
  })

  test('does not wait for bytes that its own limits keep out', async () => {
    await withNode(async ({ connect, world }) => {
      const client = await filled(connect, ['x'.repeat(300)], ['y'.repeat(300)], ['z'.repeat(300)])
      const { clock } = world.env('client')
      const startedAt = clock.now()
      // Whole batches fill neither limit to the last byte.
      for (const limits of [
        { maxBytes: 900, minBytes: 900 },
        { partitionMaxBytes: 900, minBytes: 900 },
        { maxBytes: 900, minBytes: 1_000_000 },
      ]) {
        const { records } = await fetchFrom(client, 't', 0, { ...limits, maxWaitMs: 60_000 })
        expect(values(records)).toHaveLength(2)
      }
      expect(clock.now() - startedAt).toBeLessThan(1000)
    })
  })

  test('that wants more bytes waits for more records', async () => {
    await withNode(async ({ connect }) => {
      const client = await filled(connect, ['a'])
      const other = await connect()
      const polled = fetchFrom(client, 't', 1, { maxWaitMs: 60_000, minBytes: 150 })
      await produce(other, 't', batchOf('b'))
      await produce(other, 't', batchOf('c'))
      await produce(other, 't', batchOf('d'))
      expect(values((await polled).records).length).toBeGreaterThanOrEqual(2)
    })
  })

  test('is answered empty when its time is over', async () => {
    await withNode(async ({ connect, world }) => {
      const client = await filled(connect, ['a'])
      const before = world.now
      expect((await fetchFrom(client, 't', 1, { maxWaitMs: 500 })).records).toHaveLength(0)
      expect(world.now - before).toBeGreaterThanOrEqual(500)
      expect(world.now - before).toBeLessThan(600)
    })
  })

  test('does not wait when one of its partitions has an error', async () => {
    await withNode(async ({ connect, world }) => {
      const client = await filled(connect, ['a'])
      const before = world.now
      const wish = (partition: number) => ({ partition, fetchOffset: 1, partitionMaxBytes: 1000 })
      await client.ask(Fetch, 11, { maxWaitMs: 60_000, minBytes: 1, topics: [{ topic: 't', partitions: [wish(0), wish(5)] }] })
      expect(world.now - before).toBeLessThan(1000)
    })
  })

  test('is answered when its topic is deleted', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await filled(connect, ['a'])
      const polled = fetchFrom(client, 't', 1, { maxWaitMs: 60_000 })
      const topics = [{ name: 't', topicId: node.broker.image.topics.get('t')!.topicId }]
      await node.broker.controller.deleteTopics({
        topics: [{ ...topics[0]!, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
        topicNames: [],
        timeoutMs: 1000,
      })
      expect((await polled).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
    })
  })

  test('leaves nothing behind when its client goes away', async () => {
    await withNode(async ({ connect, node, world }) => {
      const client = await filled(connect, ['a'])
      client.send(Fetch, 11, {
        maxWaitMs: 60_000,
        minBytes: 1,
        topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 100 }] }],
      })
      await parkedFetches(world, node, 1)
      client.close()
      await parkedFetches(world, node, 0)
    })
  })

  test('is answered when the node closes', async () => {
    await withNode(async ({ connect, node, world }) => {
      const client = await filled(connect, ['a'])
      const polled = fetchFrom(client, 't', 1, { maxWaitMs: 600_000 })
      await parkedFetches(world, node, 1)
      const closing = node.close()
      expect((await polled).records).toHaveLength(0)
      await closing
    })
  })
})

describe('a fetch session', () => {
  test('repeats nothing and is told only what is new', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { partitions: 3 })
      const wish = (partition: number) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })
      const full = await client.ask(Fetch, 11, {
        maxWaitMs: 0,
        minBytes: 1,
        sessionEpoch: 0,
        topics: [{ topic: 't', partitions: [0, 1, 2].map(wish) }],
      })
      expect(full.sessionId).toBeGreaterThan(0)
      expect(full.responses[0]!.partitions).toHaveLength(3)
      const idle = await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, sessionId: full.sessionId, sessionEpoch: 1, topics: [] })
      expect(idle).toMatchObject({ errorCode: 0, sessionId: full.sessionId, responses: [] })
      await produce(client, 't', batchOf('a'), { partition: 1 })
      const news = await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, sessionId: full.sessionId, sessionEpoch: 2, topics: [] })
      expect(news.responses.flatMap(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex))).toEqual([1])
      const late = await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, sessionId: full.sessionId, sessionEpoch: 2, topics: [] })
      expect(late).toMatchObject({ errorCode: errors.INVALID_FETCH_SESSION_EPOCH, sessionId: 0, responses: [] })
    })
  })
})
