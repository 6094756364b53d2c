// Metadata, DescribeTopicPartitions, DescribeCluster, ListPartitionReassignments.
import { Metadata } from '../../../src/protocol/api/03-metadata.ts'
import { ListPartitionReassignments } from '../../../src/protocol/api/46-list-partition-reassignments.ts'
import { DescribeCluster } from '../../../src/protocol/api/60-describe-cluster.ts'
import { DescribeTopicPartitions } from '../../../src/protocol/api/75-describe-topic-partitions.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { type Scenario, scenario } from './scenario.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAZA'

const metadata = scenario('metadata', async peer => {
  const id = await peer.topic('known', { partitions: 3 })
  await peer.topic('known-too')
  for (const version of peer.versions(Metadata)) {
    const ask = (step: string, topics: RequestIn<typeof Metadata>['topics'], o: Partial<RequestIn<typeof Metadata>> = {}) =>
      peer.ask(step, Metadata, version, { topics, allowAutoTopicCreation: false, ...o })
    const named = (...names: readonly string[]) => names.map(name => ({ name }))
    await ask('one', named('known'))
    await ask('two', named('known', 'known-too'))
    await ask('twice', named('known', 'known'))
    if (version > 0) await ask('none', [])
    if (version >= 4) {
      await ask('missing', named('missing'))
      await ask('known and missing', named('known', 'missing'))
      await ask('missing twice', named('missing', 'missing'))
      await ask('an internal one that is not there', named('__consumer_offsets'))
    }
    for (const name of ['', '.', '..', 'a/b', 'fünf', 'x'.repeat(250)]) await ask(`the name "${name.slice(0, 10)}"`, named(name))
    for (const name of ['', 'a/b']) await ask(`the name "${name}", may be made`, named(name), { allowAutoTopicCreation: true })
    if (version >= 8) {
      const operations = { includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true }
      await ask('operations', named('known', 'missing', 'a/b'), operations)
      await ask('operations of no topics', [], operations)
    }
    if (version >= 10) {
      await ask('by name and id', [{ name: 'known', topicId: id }])
      await ask('by another name and id', [{ name: 'known-too', topicId: id }])
      await ask('by name and an unknown id', [{ name: 'known', topicId: UNKNOWN_ID }])
      await ask('by id', [{ name: null, topicId: id }])
      await ask('by an unknown id', [{ name: null, topicId: UNKNOWN_ID }])
      await ask('by no id', [{ name: null, topicId: ZERO_UUID }])
      await ask('by an unknown id, with operations', [{ name: null, topicId: UNKNOWN_ID }], { includeTopicAuthorizedOperations: true })
      await ask('by id twice', [{ name: null, topicId: id }, { name: null, topicId: id }]) // biome-ignore format: pairs
      await ask('by id, and by name', [{ name: null, topicId: id }, { name: 'known-too' }])
    }
    const name = `made-${version}`
    const made = { topics: named(name), allowAutoTopicCreation: true }
    await peer.ask('may be made', Metadata, version, made)
    await peer.eventually('the topic is made', async () => {
      const answer = await peer.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
      return answer?.topics[0]?.errorCode === 0 && answer.topics[0].partitions[0]?.errorCode === 0
    })
    await peer.ask('was made', Metadata, version, made)
  }
  const all = await peer.quietly(Metadata, 0, { topics: [] })
  const modern = await peer.quietly(Metadata, 12, { topics: null })
  const ours = (answer: typeof all) => answer?.topics.filter(({ name }) => name?.startsWith('known') || name?.startsWith('made-'))
  peer.record('all, of version 0', ours(all))
  peer.record('all, of version 12', ours(modern))
})

const pages = scenario('describe topic partitions', async peer => {
  await peer.topic('page-a', { partitions: 3 })
  await peer.topic('page-b', { partitions: 2 })
  await peer.topic('page-c')
  const names = ['page-c', 'page-a', 'page-b']
  const ask = (step: string, topics: readonly string[], o: Partial<RequestIn<typeof DescribeTopicPartitions>> = {}) =>
    peer.ask(step, DescribeTopicPartitions, 0, { topics: topics.map(name => ({ name })), cursor: null, ...o })
  await ask('three', names)
  await ask('twice', ['page-a', 'page-a'])
  await ask('missing', ['missing', 'page-a', 'a/b'])
  await ask('an empty name', ['page-a', ''])
  for (const responsePartitionLimit of [-1, 0, 1, 2, 3, 4, 5, 6, 7, 2001, 100_000]) {
    await ask(`limit ${responsePartitionLimit}`, names, { responsePartitionLimit })
    await ask(`limit ${responsePartitionLimit} and a missing one`, [...names, 'page-aa', 'page-z'], { responsePartitionLimit })
  }
  for (const [topicName, partitionIndex] of [
    ['page-a', 0],
    ['page-a', 1],
    ['page-a', 2],
    ['page-a', 3],
    ['page-a', 99],
    ['page-a', -1],
    ['page-b', 1],
    ['page-aa', 0],
    ['page-aa', 2],
    ['', 0],
    ['zzz', 0],
    ['a/b', 0],
  ] as const) {
    const cursor = { topicName, partitionIndex }
    await ask(`from ${topicName}-${partitionIndex}`, names, { cursor })
    await ask(`from ${topicName}-${partitionIndex}, limit 2`, names, { cursor, responsePartitionLimit: 2 })
    await ask(`from ${topicName}-${partitionIndex}, with missing ones`, [...names, 'page-aa', 'a/b'], { cursor })
  }
})

const cluster = scenario('describe cluster', async peer => {
  for (const version of peer.versions(DescribeCluster)) {
    for (const endpointType of version === 0 ? [1] : [1, 2, 0, 3, -1]) {
      for (const includeClusterAuthorizedOperations of [false, true]) {
        const step = `endpoint type ${endpointType}, operations ${includeClusterAuthorizedOperations}`
        await peer.ask(step, DescribeCluster, version, { endpointType, includeClusterAuthorizedOperations })
      }
    }
    if (version >= 2) {
      const fenced = { includeClusterAuthorizedOperations: false, includeFencedBrokers: true }
      await peer.ask('fenced ones too', DescribeCluster, version, fenced)
    }
  }
})

const reassignments = scenario('list partition reassignments', async peer => {
  await peer.topic('resting', { partitions: 2 })
  const ask = (step: string, topics: RequestIn<typeof ListPartitionReassignments>['topics']) =>
    peer.ask(step, ListPartitionReassignments, 0, { topics, timeoutMs: 10_000 })
  await ask('all', null)
  await ask('none', [])
  await ask('one', [{ name: 'resting', partitionIndexes: [0, 1] }])
  await ask('no partitions', [{ name: 'resting', partitionIndexes: [] }])
  await ask('no such partition', [{ name: 'resting', partitionIndexes: [0, 7, -1] }])
  await ask('no such topic', [{ name: 'missing', partitionIndexes: [0] }])
  await ask('an invalid name', [{ name: 'a/b', partitionIndexes: [0] }])
  await ask('twice', [{ name: 'resting', partitionIndexes: [0, 0] }, { name: 'resting', partitionIndexes: [0] }]) // biome-ignore format: pairs
})

export const METADATA: readonly Scenario[] = [metadata, pages, cluster, reassignments]
