// Many commits at once, and commits of many partitions.
import { describe, expect, test } from 'vitest'
import { partitionOfGroup } from '../../../src/broker/group/records.ts'
import { Fetch } from '../../../src/protocol/api/01-fetch.ts'
import { OffsetCommit } from '../../../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../../src/protocol/api/09-offset-fetch.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { NONE, UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_OR_PARTITION } from '../../../src/protocol/errors.ts'
import { decodeResponse } from '../../../src/protocol/message.ts'
import { createTopic, type RawClient, type Scene, withNode } from '../test-node.ts'
import { commit, committed, findCoordinator } from './group-client.ts'

const VERSION = 8

async function ready(scene: Scene): Promise<RawClient> {
  const client = await scene.connect()
  await createTopic(client, 'orders', { partitions: 1 })
  await findCoordinator(scene, client)
  return client
}

function commitOf(groupId: string, indexes: readonly number[], committedOffset = 5) {
  const partitions = indexes.map(partitionIndex => ({ partitionIndex, committedOffset, committedMetadata: '' }))
  const topics = [{ name: 'orders', partitions }]
  return { groupId, generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, topics }
}

/** How many partitions were answered by which error. */
async function codes(client: RawClient, body: ReturnType<typeof commitOf>): Promise<Record<number, number>> {
  const { topics } = await client.ask(OffsetCommit, VERSION, body)
  const counts: Record<number, number> = {}
  for (const { partitions } of topics) for (const { errorCode } of partitions) counts[errorCode ?? 0] = (counts[errorCode ?? 0] ?? 0) + 1
  return counts
}

/** The sizes of the record batches that the commits of a group stand in. */
async function batches(client: RawClient, groupId: string): Promise<number[]> {
  const partition = partitionOfGroup(groupId, 50)
  const topics = [{ topic: '__consumer_offsets', partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }]
  const { responses } = await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, topics, forgottenTopicsData: [] })
  const records = responses[0]!.partitions[0]!.records as Buffer
  const counts: number[] = []
  for (let p = 0; p < records.length; p += batch.batchSize(records, p)) counts.push(batch.recordCount(records, p))
  return counts
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('commits that one connection sends without waiting', () => {
  test('share record batches, are answered in order, and the last one counts', () =>
    withNode(async scene => {
      const client = await ready(scene)
      for (const i of range(60)) client.send(OffsetCommit, VERSION, commitOf('g', [0], i))
      let last = 0
      for (const _ of range(60)) {
        const { correlationId, body } = decodeResponse(OffsetCommit, VERSION, await client.nextFrame())
        expect(correlationId).toBeGreaterThan(last)
        expect(body.topics[0]!.partitions[0]!.errorCode).toBe(NONE)
        last = correlationId
      }
      expect(await committed(client, 'g', ['orders:0'])).toEqual({ 'orders:0': 59 })
      const counts = await batches(client, 'g')
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60)
      expect(counts.length).toBeLessThan(10)
    }))

  test('are no larger together than a batch may be', () =>
    withNode(
      async scene => {
        const client = await ready(scene)
        for (const i of range(60)) client.send(OffsetCommit, VERSION, commitOf('g', [0], i))
        for (const _ of range(60)) {
          const { body } = decodeResponse(OffsetCommit, VERSION, await client.nextFrame())
          expect(body.topics[0]!.partitions[0]!.errorCode).toBe(NONE)
        }
        expect(Math.max(...(await batches(client, 'g')))).toBeLessThan(10)
      },
      { 'message.max.bytes': '1200' },
    ))
})

describe('100,000 partitions', () => {
  test('are committed and asked for by one request, which tells which of them exist', () =>
    withNode(async scene => {
      const client = await ready(scene)
      expect(await codes(client, commitOf('g', range(100_000)))).toEqual({ [NONE]: 1, [UNKNOWN_TOPIC_OR_PARTITION]: 99_999 })
      const topics = [{ name: 'orders', partitionIndexes: range(100_000) }]
      const { groups } = await client.ask(OffsetFetch, VERSION, { groups: [{ groupId: 'g', topics }], requireStable: true })
      const told = groups[0]!.topics[0]!.partitions.map(({ committedOffset }) => committedOffset)
      expect(told).toEqual([5, ...Array(99_999).fill(-1)])
    }))

  test('whose records are too long for a batch are refused as a whole', () =>
    withNode(async scene => {
      const client = await ready(scene)
      await commit(client, 'g', { 'orders:0': 3 })
      expect(await codes(client, commitOf('g', Array(100_000).fill(0)))).toEqual({ [UNKNOWN_SERVER_ERROR]: 100_000 })
      expect(await committed(client, 'g', ['orders:0'])).toEqual({ 'orders:0': 3 })
    }))
})
