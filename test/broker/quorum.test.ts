import { expect, test } from 'vitest'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { DescribeQuorum } from '../../src/protocol/api/55-describe-quorum.ts'
import { UpdateFeatures } from '../../src/protocol/api/57-update-features.ts'
import { UnregisterBroker } from '../../src/protocol/api/64-unregister-broker.ts'
import { BROKER_ID_NOT_REGISTERED, INVALID_REQUEST, INVALID_UPDATE_VERSION, UNKNOWN_TOPIC_OR_PARTITION } from '../../src/protocol/errors.ts'
import { createTopic, withNode } from './test-node.ts'

const LOG = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]

test('the metadata quorum is described by its leader, the only voter', async () => {
  await withNode(async ({ connect, env }) => {
    const client = await connect()
    await createTopic(client, 't')
    for (const version of [0, 1, 2]) {
      const answer = await client.ask(DescribeQuorum, version, { topics: LOG })
      const [partition] = answer.topics[0]!.partitions
      expect(partition).toMatchObject({ errorCode: 0, leaderId: 1, leaderEpoch: 1, observers: [] })
      expect(partition!.highWatermark).toBeGreaterThan(0)
      const [voter, ...others] = partition!.currentVoters
      expect(others).toEqual([])
      expect(voter).toMatchObject({ replicaId: 1, logEndOffset: partition!.highWatermark })
      const now = env.clock.wallTime()
      expect(now - voter!.lastCaughtUpTimestamp < 1000).toBe(version > 0)
      expect(answer.nodes).toEqual(version < 2 ? [] : [{ nodeId: 1, listeners: [] }])
    }
  })
})

test('another log than that of the metadata is not described', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    const answer = await client.ask(DescribeQuorum, 2, { topics: [{ topicName: 't', partitions: [{ partitionIndex: 3 }] }] })
    expect(answer.topics).toMatchObject([
      { topicName: 't', partitions: [{ partitionIndex: 3, errorCode: UNKNOWN_TOPIC_OR_PARTITION, currentVoters: [] }] },
    ])
  })
})

test('a feature stays at its level when the new one is refused, and is told at it again after a restart', async () => {
  await withNode(async ({ connect, restart }) => {
    const client = await connect()
    const level = (maxVersionLevel: number) => ({
      timeoutMs: 1000,
      featureUpdates: [{ feature: 'metadata.version', maxVersionLevel }],
    })
    for (const version of [0, 1, 2]) {
      expect(await client.ask(UpdateFeatures, version, level(99))).toMatchObject({ errorCode: INVALID_UPDATE_VERSION, results: [] })
      const accepted = await client.ask(UpdateFeatures, version, level(30))
      expect(accepted).toMatchObject({ errorCode: 0, errorMessage: null })
      expect(accepted.results).toEqual(version === 2 ? [] : [{ feature: 'metadata.version', errorCode: 0, errorMessage: 'NONE' }])
    }
    await restart('cleanly')
    const again = await connect()
    const { finalizedFeatures } = await again.ask(ApiVersions, 4, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
    expect(finalizedFeatures).toEqual([{ name: 'metadata.version', maxVersionLevel: 30, minVersionLevel: 30 }])
  })
})

test('a broker that nobody knows, or that is alive, is not taken off the books', async () => {
  await withNode(async ({ connect, node }) => {
    const client = await connect()
    expect(await client.ask(UnregisterBroker, 0, { brokerId: 9 })).toMatchObject({ errorCode: BROKER_ID_NOT_REGISTERED })
    expect(await client.ask(UnregisterBroker, 0, { brokerId: 1 })).toMatchObject({ errorCode: INVALID_REQUEST })
    expect(node.broker.image.brokers.get(1)).toMatchObject({ fenced: false })
  })
})
