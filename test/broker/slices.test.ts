// Long lists in parts: what the parts make is what one piece would have made, and between two of them others have their turn.
import { describe, expect, test } from 'vitest'
import { Slices } from '../../src/broker/slices.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { OffsetCommit } from '../../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../src/protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../../src/protocol/api/10-find-coordinator.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { DescribeTopicPartitions } from '../../src/protocol/api/75-describe-topic-partitions.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { HandClock } from '../net/fake-world.ts'
import { batchOf, createTopic, produce, type RawClient, withNode } from './test-node.ts'

const MANY = 6000
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))

describe('a slice', () => {
  function slicesOf(clock: HandClock, rest: (tookMs: number) => Promise<boolean>) {
    return new Slices(clock, { rest })
  }

  test('ends when it took some milliseconds, and the next begins when others had their turn', async () => {
    const clock = new HandClock()
    const rests: number[] = []
    const slices = slicesOf(clock, async tookMs => {
      rests.push(tookMs)
      clock.runTurns()
      return true
    })
    const made = await slices.map(
      times(100, i => i),
      i => {
        clock.advance(0.1)
        return 2 * i
      },
    )
    expect(made).toEqual(times(100, i => 2 * i))
    expect(rests.length).toBeGreaterThan(1)
    for (const tookMs of rests) expect(tookMs).toBeLessThan(5)
    expect(slices.wasLong).toBe(true)
  })

  test('of few things is never over, and waiting for something else is not work', () => {
    const clock = new HandClock()
    const slices = slicesOf(clock, async () => true)
    for (let i = 0; i < 40; i++) {
      expect(slices.isOver()).toBe(false)
      clock.runTurns()
      clock.advance(500)
    }
    expect(slices.wasLong).toBe(false)
  })

  test('is the last when the client has gone', async () => {
    const slices = slicesOf(new HandClock(), async () => false)
    let made = 0
    await expect(
      slices.map(
        times(MANY, i => i),
        () => made++,
      ),
    ).rejects.toThrow(ProtocolError)
    expect(made).toBeLessThan(MANY)
  })
})

describe('many things in one request are answered like few', () => {
  const scene = (body: (client: RawClient) => Promise<void>) =>
    withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'there')
      await produce(client, 'there', batchOf('a'))
      await body(client)
    })
  const names = times(MANY, i => (i === MANY - 1 ? 'there' : `u${i}`))
  const expected = names.map(name => (name === 'there' ? 0 : 3))

  test('Metadata', () =>
    scene(async client => {
      const { topics } = await client.ask(Metadata, 9, { topics: names.map(name => ({ name })), allowAutoTopicCreation: false })
      expect(topics.map(({ name }) => name)).toEqual(names)
      expect(topics.map(({ errorCode }) => errorCode)).toEqual(expected)
      expect(topics.at(-1)!.partitions).toHaveLength(1)
    }))

  test('ListOffsets', () =>
    scene(async client => {
      const topics = names.map(name => ({ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }))
      const answer = await client.ask(ListOffsets, 7, { replicaId: -1, topics })
      expect(answer.topics.map(({ partitions }) => partitions[0]!.errorCode)).toEqual(expected)
      expect(answer.topics.at(-1)!.partitions[0]!.offset).toBe(1)
    }))

  test('Fetch, opening a session', () =>
    scene(async client => {
      const topics = names.map(topic => ({ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }))
      const answer = await client.ask(Fetch, 11, { maxWaitMs: 100, minBytes: 1, sessionId: 0, sessionEpoch: 0, topics })
      expect(answer.responses.map(({ topic }) => topic)).toEqual(names)
      expect(answer.responses.map(({ partitions }) => partitions[0]!.errorCode)).toEqual(expected)
      expect(Buffer.concat([answer.responses.at(-1)!.partitions[0]!.records!]).length).toBeGreaterThan(61)
      expect(answer.sessionId).toBeGreaterThan(0)
    }))

  test('DescribeConfigs', () =>
    scene(async client => {
      const resources = names.map(resourceName => ({ resourceType: 2, resourceName, configurationKeys: ['retention.ms'] }))
      const { results } = await client.ask(DescribeConfigs, 4, { resources })
      expect(results.map(({ errorCode }) => errorCode)).toEqual(expected)
      expect(results.at(-1)!.configs.map(({ name }) => name)).toEqual(['retention.ms'])
    }))

  test('DescribeTopicPartitions', () =>
    scene(async client => {
      const topics = names.map(name => ({ name }))
      const answer = await client.ask(DescribeTopicPartitions, 0, { topics, responsePartitionLimit: 2000, cursor: null })
      expect(answer.topics.map(({ name }) => name)).toEqual([...names].sort())
    }))

  test('CreateTopics of more than are made at once is refused, each topic once', () =>
    scene(async client => {
      const topics = times(10_002, i => ({
        name: `c${i % 10_001}`,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      }))
      const answer = await client.ask(CreateTopics, 7, { topics, timeoutMs: 1000, validateOnly: false })
      expect(answer.topics).toHaveLength(10_001)
      expect(new Set(answer.topics.map(({ errorCode }) => errorCode))).toEqual(new Set([44]))
    }))

  test('what a group committed', () =>
    withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'wide', { partitions: 200 })
      for (let tries = 0; tries < 50; tries++) {
        const found = await client.ask(FindCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] })
        if (found.coordinators[0]!.errorCode === 0) break
      }
      const partitions = times(200, partitionIndex => ({ partitionIndex, committedOffset: partitionIndex }))
      const commit = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name: 'wide', partitions }] }
      const committed = await client.ask(OffsetCommit, 8, commit)
      expect(new Set(committed.topics[0]!.partitions.map(({ errorCode }) => errorCode))).toEqual(new Set([0]))
      const topics = [
        { name: 'wide', partitionIndexes: times(MANY, i => i % 300) },
        { name: 'none', partitionIndexes: [] },
        { name: 'wide', partitionIndexes: [7] },
      ]
      const { groups } = await client.ask(OffsetFetch, 8, { groups: [{ groupId: 'g', topics }], requireStable: true })
      expect(groups[0]!.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
        ['wide', MANY],
        ['none', 0],
        ['wide', 1],
      ])
      expect(groups[0]!.topics[0]!.partitions.map(({ committedOffset }) => committedOffset)).toEqual(
        times(MANY, i => (i % 300 < 200 ? i % 300 : -1)),
      )
      const none = await client.ask(OffsetFetch, 8, { groups: [{ groupId: 'g', topics: [] }], requireStable: false })
      expect(none.groups[0]!.topics).toEqual([])
    }))
})
