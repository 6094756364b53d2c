import { describe, expect, test } from 'vitest'
import { ADVERTISED } from '../../src/broker/advertised.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { ListPartitionReassignments } from '../../src/protocol/api/46-list-partition-reassignments.ts'
import { DescribeCluster } from '../../src/protocol/api/60-describe-cluster.ts'
import { DescribeTopicPartitions } from '../../src/protocol/api/75-describe-topic-partitions.ts'
import * as errors from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { createTopic, type RawClient, withNode } from './test-node.ts'

const byName = (name: string) => ({ name, topicId: ZERO_UUID })

/** Asks until the answer is as wanted: what was started by a first question is done soon. */
async function askUntil<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (let i = 0; i < 100; i++) {
    const answer = await ask()
    if (wanted(answer)) return answer
  }
  throw new Error('the answer was never as wanted')
}

describe('metadata', () => {
  test('shows this broker, the cluster and all topics', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't', { partitions: 2 })
      const answer = await client.ask(Metadata, 12, { topics: null })
      expect(answer).toMatchObject({
        brokers: [{ nodeId: 1, host: 'broker', port: 9092, rack: null }],
        clusterId: node.clusterId,
        controllerId: 1,
      })
      expect(answer.topics).toMatchObject([{ errorCode: 0, name: 't', topicId, isInternal: false }])
      expect(answer.topics[0]!.partitions).toMatchObject(
        [0, 1].map(partitionIndex => ({
          errorCode: 0,
          partitionIndex,
          leaderId: 1,
          leaderEpoch: 0,
          replicaNodes: [1],
          isrNodes: [1],
          offlineReplicas: [],
        })),
      )
    })
  })

  test.each([
    [0, [], ['t', 'u']],
    [1, null, ['t', 'u']],
    [1, [], []],
    [1, [byName('u')], ['u']],
  ])('v%i for topics %j shows %j', async (version, topics, names) => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      await createTopic(client, 'u')
      const answer = await client.ask(Metadata, version, { topics })
      expect(answer.topics.map(({ name }) => name)).toEqual(names)
    })
  })

  test.each(Array.from({ length: 14 }, (_, version) => version))('is answered in v%i', async version => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect((await client.ask(Metadata, version, { topics: [byName('t')] })).topics[0]).toMatchObject({ errorCode: 0, name: 't' })
    })
  })

  test('by id finds the topic, and says so of an unknown id', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't')
      const ask = async (id: string) => (await client.ask(Metadata, 12, { topics: [{ name: null, topicId: id }] })).topics[0]
      expect(await ask(topicId)).toMatchObject({ errorCode: 0, name: 't', topicId })
      expect(await ask('abcdefghijklmnopqrstuw')).toMatchObject({ errorCode: errors.UNKNOWN_TOPIC_ID, name: null })
    })
  })

  test('believes an id, whatever name stands beside it', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't')
      await createTopic(client, 'u')
      const ask = async (name: string, id: string) => (await client.ask(Metadata, 12, { topics: [{ name, topicId: id }] })).topics
      expect(await ask('u', topicId)).toMatchObject([{ errorCode: 0, name: 't', topicId }])
      expect(await ask('u', 'abcdefghijklmnopqrstuw')).toMatchObject([{ errorCode: errors.UNKNOWN_TOPIC_ID, name: null }])
      expect((await client.ask(Metadata, 12, { topics: [{ name: null, topicId }, byName('t')] })).topics).toHaveLength(1)
    })
  })

  test('of a missing topic makes it when client and broker allow that', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const ask = (allowAutoTopicCreation: boolean) => client.ask(Metadata, 9, { topics: [byName('new')], allowAutoTopicCreation })
      expect((await ask(false)).topics[0]!.errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      expect((await ask(true)).topics[0]!.errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      const { topics } = await askUntil(
        () => ask(false),
        answer => answer.topics[0]!.partitions[0]?.errorCode === 0,
      )
      expect(topics[0]!.partitions).toMatchObject([{ errorCode: 0, leaderId: 1 }])
    })
  })

  test('of a missing topic makes nothing when auto.create.topics.enable is false', async () => {
    await withNode(
      async ({ connect, node }) => {
        const client = await connect()
        await client.ask(Metadata, 9, { topics: [byName('new')] })
        await createTopic(client, 'other')
        expect([...node.broker.image.topics.keys()]).toEqual(['other'])
      },
      { 'auto.create.topics.enable': 'false' },
    )
  })

  test.each(['', '..', 'a/b', 'x'.repeat(250)])('of the name %j says that it cannot be one', async name => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      expect((await client.ask(Metadata, 9, { topics: [byName(name)] })).topics[0]!.errorCode).toBe(errors.INVALID_TOPIC_EXCEPTION)
    })
  })

  test('never makes an internal topic', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await connect()
      await client.ask(Metadata, 9, { topics: [byName('__consumer_offsets')] })
      await createTopic(client, 'other')
      expect([...node.broker.image.topics.keys()]).toEqual(['other'])
    })
  })

  test('shows authorized operations only when asked', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const silent = await client.ask(Metadata, 8, { topics: null })
      expect([silent.clusterAuthorizedOperations, silent.topics[0]!.topicAuthorizedOperations]).toEqual([-2147483648, -2147483648])
      const asked = await client.ask(Metadata, 8, {
        topics: null,
        includeClusterAuthorizedOperations: true,
        includeTopicAuthorizedOperations: true,
      })
      expect([asked.clusterAuthorizedOperations, asked.topics[0]!.topicAuthorizedOperations]).toEqual([
        0b1_1111_1010_0000 & ~0b0_0000_0100_0000,
        0b1101_1111_1000,
      ])
      const missing = await client.ask(Metadata, 8, {
        topics: [byName('x')],
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: true,
      })
      expect(missing.topics[0]).toMatchObject({ errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION, topicAuthorizedOperations: 0b1101_1111_1000 })
    })
  })

  test('names each broker by the listener the client came on', async () => {
    const properties = {
      listeners: 'INSIDE://broker:9092,OUTSIDE://broker:9093',
      'advertised.listeners': 'INSIDE://broker:9092,OUTSIDE://far.example:19093',
      'listener.security.protocol.map': 'INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT',
    }
    await withNode(async ({ connect }) => {
      const brokers = async (client: RawClient) => (await client.ask(Metadata, 9, { topics: null })).brokers
      expect(await brokers(await connect(9092))).toMatchObject([{ host: 'broker', port: 9092 }])
      expect(await brokers(await connect(9093))).toMatchObject([{ host: 'far.example', port: 19093 }])
    }, properties)
  })

  test('advertises the port that was bound when any was asked for', async () => {
    await withNode(
      async ({ connect, node }) => {
        const port = node.listeners[0]!.port
        expect(port).toBeGreaterThan(0)
        const client = await connect(port)
        expect((await client.ask(Metadata, 9, { topics: null })).brokers).toMatchObject([{ host: 'broker', port }])
      },
      { listeners: 'PLAINTEXT://broker:0' },
    )
  })
})

describe('ApiVersions', () => {
  test.each([0, 1, 2, 3, 4])('v%i lists what is advertised', async version => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const answer = await client.ask(ApiVersions, version, { clientSoftwareName: 'kafka-java', clientSoftwareVersion: '4.3.1' })
      expect(answer.errorCode).toBe(0)
      expect(answer.apiKeys).toEqual(ADVERTISED)
      if (version >= 3) {
        expect(answer.finalizedFeatures).toEqual([{ name: 'metadata.version', maxVersionLevel: 30, minVersionLevel: 30 }])
        expect(answer.finalizedFeaturesEpoch).toBeGreaterThanOrEqual(0)
      }
    })
  })

  test.each([5, 99])('v%i is answered in v0 with UNSUPPORTED_VERSION and the range of ApiVersions', async version => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      client.sendBytes(Buffer.from([0, 0, 0, 12, 0, 18, 0, version, 0, 0, 0, 7, 0xff, 0xff, 0, 0]))
      const frame = await client.nextFrame()
      expect(frame.readInt32BE(0)).toBe(7)
      expect(ApiVersions.res(0).decode(frame, 4, frame.length)).toMatchObject({
        errorCode: errors.UNSUPPORTED_VERSION,
        apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
      })
      expect((await client.ask(ApiVersions, 0, {})).errorCode).toBe(0)
    })
  })

  test('with an impossible client name is INVALID_REQUEST', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const answer = await client.ask(ApiVersions, 3, { clientSoftwareName: 'no spaces!', clientSoftwareVersion: '1' })
      expect(answer.errorCode).toBe(errors.INVALID_REQUEST)
    })
  })
})

describe('DescribeCluster', () => {
  test('shows the brokers of this listener', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await connect()
      expect(await client.ask(DescribeCluster, 2, { includeClusterAuthorizedOperations: false })).toMatchObject({
        errorCode: 0,
        clusterId: node.clusterId,
        controllerId: 1,
        brokers: [{ brokerId: 1, host: 'broker', port: 9092, isFenced: false }],
        clusterAuthorizedOperations: -2147483648,
      })
    })
  })

  test('does not show controllers', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const ask = async (endpointType: number) =>
        await client.ask(DescribeCluster, 1, { includeClusterAuthorizedOperations: false, endpointType })
      expect(await ask(2)).toMatchObject({ errorCode: errors.MISMATCHED_ENDPOINT_TYPE, endpointType: 1, brokers: [] })
      expect(await ask(7)).toMatchObject({ errorCode: errors.UNSUPPORTED_ENDPOINT_TYPE, endpointType: 1 })
    })
  })
})

describe('DescribeTopicPartitions', () => {
  test('pages through all topics in order of their names', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'b', { partitions: 3 })
      await createTopic(client, 'a', { partitions: 2 })
      const seen: string[] = []
      let cursor: { topicName: string; partitionIndex: number } | null = null
      do {
        const page: Awaited<ReturnType<typeof ask>> = await ask(client, cursor)
        for (const { name, partitions } of page.topics) for (const { partitionIndex } of partitions) seen.push(`${name}-${partitionIndex}`)
        cursor = page.nextCursor
      } while (cursor !== null)
      expect(seen).toEqual(['a-0', 'a-1', 'b-0', 'b-1', 'b-2'])
    })

    function ask(client: RawClient, cursor: { topicName: string; partitionIndex: number } | null) {
      return client.ask(DescribeTopicPartitions, 0, { topics: [], responsePartitionLimit: 2, cursor })
    }
  })

  test('says of each named topic whether it is there', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const { topics } = await client.ask(DescribeTopicPartitions, 0, { topics: [{ name: 'x' }, { name: 't' }, { name: '..' }] })
      expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
        ['..', errors.INVALID_TOPIC_EXCEPTION],
        ['t', 0],
        ['x', errors.UNKNOWN_TOPIC_OR_PARTITION],
      ])
      expect(topics[1]!.partitions).toMatchObject([{ leaderId: 1, eligibleLeaderReplicas: [], lastKnownElr: [] }])
      expect(new Set(topics.map(({ topicAuthorizedOperations }) => topicAuthorizedOperations))).toEqual(new Set([0b1101_1111_1000]))
    })
  })

  test('ends a full page before the next topic, be it there or not', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'a')
      const topics = [{ name: 'a' }, { name: 'b' }]
      const page = await client.ask(DescribeTopicPartitions, 0, { topics, responsePartitionLimit: 1, cursor: null })
      expect(page.topics.map(({ name }) => name)).toEqual(['a'])
      expect(page.nextCursor).toEqual({ topicName: 'b', partitionIndex: 0 })
      const rest = await client.ask(DescribeTopicPartitions, 0, { topics, responsePartitionLimit: 1, cursor: page.nextCursor })
      expect(rest).toMatchObject({ topics: [{ name: 'b', errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION }], nextCursor: null })
    })
  })

  test('takes no cursor outside of the topics that are asked for', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'a')
      const cursor = { topicName: 'b', partitionIndex: 0 }
      const { topics } = await client.ask(DescribeTopicPartitions, 0, { topics: [{ name: 'a' }], cursor })
      expect(topics).toMatchObject([{ name: 'a', errorCode: errors.INVALID_REQUEST, partitions: [] }])
    })
  })
})

test('ListPartitionReassignments knows of none', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    await createTopic(client, 't')
    for (const topics of [
      null,
      [
        { name: 't', partitionIndexes: [0, 9] },
        { name: 'x', partitionIndexes: [0] },
      ],
    ]) {
      expect(await client.ask(ListPartitionReassignments, 0, { topics })).toMatchObject({ errorCode: 0, topics: [] })
    }
  })
})
