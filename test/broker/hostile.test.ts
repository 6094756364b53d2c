// Requests that are well formed and mean harm: what a few bytes can cost the node is bounded, and whoever behaves is served meanwhile.
import { describe, expect, test } from 'vitest'
import { AnswerRoom } from '../../src/broker/answer-room.ts'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { CODEC_ZSTD } from '../../src/protocol/compression.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/message.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import type { Api, RequestIn, ResponseOut } from '../../src/protocol/schema.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, records, withNode } from './test-node.ts'

const MIB = 1024 * 1024
const MARK = 0x1122334455667

describe('topics', () => {
  const create = (client: RawClient, ...topics: { name: string; numPartitions?: number }[]) =>
    client.ask(CreateTopics, 7, {
      topics: topics.map(topic => ({ numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...topic })),
      timeoutMs: 10_000,
    })

  test.each(['', '.', '..', 'a/b', '../a', 'a\0b', 'é', '日本', 'a b', 'a'.repeat(250), 'a'.repeat(32_000)])(
    'the name %j reaches no folder',
    async name => {
      await withNode(async ({ connect, env }) => {
        const client = await connect()
        expect((await create(client, { name })).topics[0]).toMatchObject({ errorCode: 17 })
        await client.ask(Metadata, 9, { topics: [{ name }], allowAutoTopicCreation: true })
        expect(await env.disk.list('/data/logs')).toEqual([])
      })
    },
  )

  test.each(['__proto__', 'constructor', 'toString', 'con', '-1'])('%s is a name like others', async name => {
    await withNode(async scene => {
      const client = await scene.connect()
      expect((await client.ask(Metadata, 9, { topics: [{ name }], allowAutoTopicCreation: false })).topics[0]).toMatchObject({
        errorCode: 3,
      })
      expect(await createTopic(client, name)).toMatchObject({ errorCode: 0 })
      expect(await produce(client, name, batchOf('a'))).toMatchObject({ errorCode: 0 })
      await scene.restart('after a crash')
      expect((await fetchFrom(await scene.connect(), name, 0)).highWatermark).toBe(1)
    })
  })

  test('partitions beyond a bound are refused, however the sum is made', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      for (const numPartitions of [10_001, 2 ** 31 - 1])
        expect((await create(client, { name: 'big', numPartitions })).topics[0]).toMatchObject({ errorCode: 44 })
      const { topics } = await create(client, { name: 'low', numPartitions: -(2 ** 31) }, { name: 'big', numPartitions: 10_001 })
      expect(topics.map(({ errorCode }) => errorCode)).toEqual([44, 44])
    })
  })

  test('asking for many unknown topics makes a bounded number of them at a time', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const asked = Array.from({ length: 3000 }, (_, i) => ({ name: `t${i}` }))
      expect((await client.ask(Metadata, 9, { topics: asked, allowAutoTopicCreation: true })).topics).toHaveLength(3000)
      await produceTo(client, 't0')
      expect((await client.ask(Metadata, 9, { topics: null })).topics.length).toBeLessThanOrEqual(500)
    })
  })
})

async function produceTo(client: RawClient, topic: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) if ((await produce(client, topic, batchOf('a'))).errorCode === 0) return
  throw new Error(`${topic} did not come to be`)
}

test('a resource is described once in an answer', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    const resources = Array.from({ length: 1000 }, () => ({ resourceType: 4, resourceName: '1', configurationKeys: null }))
    const { results } = await client.ask(DescribeConfigs, 4, { resources })
    expect(results[0]).toMatchObject({ errorCode: 0 })
    expect(results[0]!.configs.length).toBeGreaterThan(10)
    for (const { errorCode, configs } of results.slice(1)) expect({ errorCode, configs }).toEqual({ errorCode: 42, configs: [] })
  })
})

describe('numbers at their ends', () => {
  /** Sends the request with this int64 in the place of MARK: our own encoder writes no such numbers. */
  async function askWith<A extends Api>(client: RawClient, api: A, version: number, body: RequestIn<A>, value: bigint) {
    const bytes = Buffer.concat(encodeRequest(api, version, 1, 'test', body))
    const mark = Buffer.alloc(8)
    mark.writeBigInt64BE(BigInt(MARK))
    bytes.writeBigInt64BE(value, bytes.indexOf(mark))
    client.sendBytes(bytes)
    return decodeResponse(api, version, await client.nextFrame()).body as ResponseOut<A>
  }

  test.each([
    ['in nanoseconds', 1_767_225_600_000_000_000n, -1],
    ['at the end of time', 2n ** 63n - 1n, -1],
    ['just beyond 2^53', 2n ** 53n, -1],
    ['zero', 0n, 0],
  ])('a lookup by a time %s is answered', async (_, timestamp, offset) => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      await produce(client, 't', batchOf('a'))
      const body = { replicaId: -1, topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: MARK }] }] }
      const { topics } = await askWith(client, ListOffsets, 7, body, timestamp)
      expect(topics[0]!.partitions[0]).toMatchObject({ errorCode: 0, offset })
    })
  })

  test.each([2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, -1n, -(2n ** 62n), -(2n ** 63n)])(
    'a fetch from offset %d is out of range',
    async offset => {
      await withNode(async ({ connect }) => {
        const client = await connect()
        await createTopic(client, 't')
        const partitions = [{ partition: 0, fetchOffset: MARK, partitionMaxBytes: 1000 }]
        const { responses } = await askWith(client, Fetch, 11, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 't', partitions }] }, offset)
        expect(responses[0]!.partitions[0]).toMatchObject({ errorCode: 1 })
      })
    },
  )

  test.each([2 ** 53 - 1, 32_503_680_000_000, 0])('a record of the time %d harms neither rolling nor retention', async timestamp => {
    await withNode(async scene => {
      const client = await scene.connect()
      const configs = { 'message.timestamp.after.max.ms': '9223372036854775807', 'segment.ms': '1000', 'retention.ms': '10000' }
      await createTopic(client, 't', { configs })
      expect(await produce(client, 't', batchOf({ value: Buffer.from('odd'), timestamp }))).toMatchObject({ errorCode: 0 })
      expect(await produce(client, 't', batchOf({ value: Buffer.from('now'), timestamp: scene.env.clock.wallTime() }))).toMatchObject({
        errorCode: 0,
        baseOffset: 1,
      })
      await scene.restart('after a crash')
      const again = await scene.connect()
      expect((await fetchFrom(again, 't', 1)).highWatermark).toBe(2)
    })
  })
})

test('what a batch and a request unpack to is bounded; the other partitions are stored', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    await createTopic(client, 't')
    const zeros = (mib: number) => encodeBatch({ records: records({ value: Buffer.alloc(mib * MIB) }), codec: CODEC_ZSTD })
    expect(zeros(60).length).toBeLessThan(10_000)
    expect(await produce(client, 't', zeros(60))).toMatchObject({ errorCode: 10 })
    expect(await produceTogether(client, [zeros(3), zeros(3), zeros(3), zeros(3), zeros(3), batchOf('plain')])).toEqual([
      0, 0, 0, 10, 10, 0,
    ])
    expect(await produce(client, 't', zeros(3))).toMatchObject({ errorCode: 0 })
  })
})

test('what a megabyte of logs unpacks to is taken', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    await createTopic(client, 't')
    const random = new SeededRandom(3, 'log')
    // Lines that pack about 30 times.
    const line = () => Buffer.concat([Buffer.alloc(970, 'level=info service=checkout msg="order placed" '), random.bytes(24)])
    const batch = encodeBatch({ records: records(...Array.from({ length: 24_000 }, () => ({ value: line() }))), codec: CODEC_ZSTD })
    expect(batch.length).toBeGreaterThan(700_000)
    expect(await produceTogether(client, [batch])).toEqual([0])
  })
})

async function produceTogether(client: RawClient, batches: readonly Buffer[]): Promise<number[]> {
  const { responses } = await client.ask(Produce, 9, {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: 't', partitionData: batches.map(bytes => ({ index: 0, records: bytes })) }],
  })
  return responses[0]!.partitionResponses.map(({ errorCode }) => errorCode!)
}

describe('answers nobody takes', () => {
  test('leave room for one batch a fetch when there is no more, and for none when that was taken too', async () => {
    await withNode(async scene => {
      const client = await scene.connect()
      await fill(client)
      const sizes = async () => (await fetchFrom(client, 't', 0)).records!.length
      const all = await sizes()
      const hog = scene.node.broker.answerRoom.share()
      for (let i = 0; i < 6; i++) hog.reserve(4 * MIB)
      expect(scene.node.broker.answerRoom.leftBytes).toBe(0)
      expect(await sizes()).toBe(all / 3)
      for (let i = 0; i < 3; i++) hog.reserve(4 * MIB)
      expect(await sizes()).toBe(0)
      hog.giveBack()
      expect(await sizes()).toBe(all)
    })
  })

  test('are counted while they are read, by what they brought; one fetch takes half of what is left', () => {
    let unsentBytes = 0
    const room = new AnswerRoom(() => unsentBytes)
    const whole = room.leftBytes
    const share = room.share()
    expect(share.leftBytes).toBe(whole / 2)
    const brought = share.reserve(50 * MIB)
    expect(whole - room.leftBytes).toBe(4 * MIB)
    expect(room.share().leftBytes).toBe((whole - 4 * MIB) / 2)
    brought(1000)
    expect(whole - room.leftBytes).toBe(1000)
    share.giveBack()
    share.giveBack()
    expect(room.leftBytes).toBe(whole)
    unsentBytes = 2 * whole
    expect(room.leftBytes).toBe(0)
    expect(room.hasRoomForBatch).toBe(false)
  })

  test('a read that ends after its fetch is over gives nothing back twice', () => {
    const room = new AnswerRoom(() => 0)
    const whole = room.leftBytes
    const share = room.share()
    const late = share.reserve(4 * MIB)
    share.giveBack()
    const hog = room.share()
    hog.reserve(4 * MIB)
    late(1000)
    expect(whole - room.leftBytes).toBe(4 * MIB)
  })

  test('parked fetches watch a bounded number of partitions', () => {
    const room = new AnswerRoom(() => 0)
    expect(room.watch(90_000)).toBe(true)
    expect(room.watch(20_000)).toBe(false)
    expect(room.watch(100)).toBe(true)
    room.unwatch(90_000)
    expect(room.watch(20_000)).toBe(true)
  })
})

async function fill(client: RawClient): Promise<void> {
  await createTopic(client, 't')
  for (let i = 0; i < 3; i++) await produce(client, 't', batchOf('x'.repeat(1000)))
}
