// DeleteRecords, DescribeLogDirs, ElectLeaders, DescribeProducers.
import { Produce } from '../../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../../src/protocol/api/02-list-offsets.ts'
import { DeleteRecords } from '../../../src/protocol/api/21-delete-records.ts'
import { InitProducerId } from '../../../src/protocol/api/22-init-producer-id.ts'
import { DescribeLogDirs } from '../../../src/protocol/api/35-describe-log-dirs.ts'
import { ElectLeaders } from '../../../src/protocol/api/43-elect-leaders.ts'
import { DescribeProducers } from '../../../src/protocol/api/61-describe-producers.ts'
import { encodeBatch } from '../../../src/protocol/records.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

interface From {
  readonly partition?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

async function fill(peer: Peer, topic: string, count: number, from: From = {}): Promise<void> {
  const { partition = 0, ...identity } = from
  const records = Array.from({ length: count }, (_, i) => ({
    key: null,
    value: Buffer.from(`${i}`),
    timestamp: peer.baseTimeMs + i * 1000,
  }))
  await peer.quietly(Produce, 9, {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records: encodeBatch({ records, codec: 0, ...identity }) }] }],
  })
}

const deleteRecords = scenario('delete records', async peer => {
  for (const version of peer.versions(DeleteRecords)) {
    const name = `deleted-${version}`
    await peer.topic(name, { partitions: 3 })
    for (const partition of [0, 0, 1]) await fill(peer, name, 5, { partition })
    const ask = (step: string, partitions: readonly (readonly [number, number])[], o: { name?: string; timeoutMs?: number } = {}) =>
      peer.ask(step, DeleteRecords, version, {
        topics: [{ name: o.name ?? name, partitions: partitions.map(([partitionIndex, offset]) => ({ partitionIndex, offset })) }],
        timeoutMs: o.timeoutMs ?? 10_000,
      })
    const starts = async (step: string) => {
      const question = (timestamp: number) => ({
        replicaId: -1,
        topics: [{ name, partitions: [0, 1, 2].map(partitionIndex => ({ partitionIndex, timestamp })) }],
      })
      await peer.ask(`${step}, earliest of ${version}`, ListOffsets, 7, question(-2))
      await peer.ask(`${step}, latest of ${version}`, ListOffsets, 7, question(-1))
      await peer.ask(`${step}, at base of ${version}`, ListOffsets, 7, question(peer.baseTimeMs))
    }
    const fetchAt = (step: string, fetchOffset: number) =>
      peer.ask(`${step} of ${version}`, Fetch, 11, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topic: name, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
      })
    await ask('offset 0', [[0, 0]])
    await ask('within a batch', [[0, 3]])
    await starts('within a batch')
    await fetchAt('fetched below the start', 2)
    await fetchAt('fetched at the start', 3)
    await ask('before the start', [[0, 1]])
    await ask('the same again', [[0, 3]])
    await ask('beyond the high watermark', [[0, 11]])
    await ask('offset -2', [[0, -2]])
    await ask('several, one of them wrong', [[0, 5], [1, 6], [2, -1]]) // biome-ignore format: pairs
    await starts('several')
    await ask('up to the high watermark', [[0, -1]])
    await ask('exactly the high watermark', [[1, 5]])
    await starts('up to the high watermark')
    await fetchAt('fetched when all is gone', 9)
    await fetchAt('fetched at the end', 10)
    await ask('an empty partition', [[2, -1], [2, 0]]) // biome-ignore format: pairs
    await ask('twice in a request', [[1, 2], [1, 99]]) // biome-ignore format: pairs
    await ask('partition 7', [[7, 0]])
    await ask('partition -1', [[-1, 0]])
    await ask('no partition', [])
    await ask('no such topic', [[0, 0]], { name: 'missing' })
    await ask('a topic that cannot be', [[0, 0]], { name: 'a b' })
    await ask('timeout 0', [[1, -1]], { timeoutMs: 0 })
    await ask('timeout -1', [[1, -1]], { timeoutMs: -1 })
    await peer.ask('no topic', DeleteRecords, version, { topics: [], timeoutMs: 1000 })
    await fill(peer, name, 2)
    await starts('after another batch')
    await fetchAt('fetched after another batch', 10)
  }
})

type LogDirs = RequestIn<typeof DescribeLogDirs>['topics']

const describeLogDirs = scenario('describe log dirs', async peer => {
  await peer.topic('sized', { partitions: 2 })
  await fill(peer, 'sized', 3)
  await fill(peer, 'sized', 4)
  for (const version of peer.versions(DescribeLogDirs)) {
    const ask = async (step: string, topics: LogDirs) => {
      const answer = await peer.quietly(DescribeLogDirs, version, { topics })
      const results = answer!.results.map(({ logDir, totalBytes, usableBytes, topics: found, ...rest }) => ({
        ...rest,
        logDir: logDir.startsWith('/') ? 'absolute' : logDir,
        hasRoom: totalBytes > 0 && usableBytes > 0 && usableBytes <= totalBytes,
        topics: topics === null ? found.filter(({ name }) => name === 'sized') : found,
      }))
      peer.record(`${step} v${version}`, { ...answer, results })
    }
    await ask('all', null)
    await ask('a topic', [{ topic: 'sized', partitions: [0, 1] }])
    await ask('a partition', [{ topic: 'sized', partitions: [0] }])
    await ask('a partition that is not there', [{ topic: 'sized', partitions: [5] }])
    await ask('a topic that is not there', [{ topic: 'missing', partitions: [0] }])
    await ask('no partition', [{ topic: 'sized', partitions: [] }])
    await ask('nothing', [])
  }
})

const electLeaders = scenario('elect leaders', async peer => {
  await peer.topic('elected', { partitions: 2 })
  for (const version of peer.versions(ElectLeaders)) {
    for (const electionType of version === 0 ? [0] : [0, 1, 2, -1]) {
      const ask = (step: string, topicPartitions: RequestIn<typeof ElectLeaders>['topicPartitions'], timeoutMs = 10_000) =>
        peer.ask(`${step}, type ${electionType}`, ElectLeaders, version, { electionType, topicPartitions, timeoutMs })
      const all = await peer.quietly(ElectLeaders, version, { electionType, topicPartitions: null, timeoutMs: 10_000 })
      // Other conversations leave other topics behind.
      const ours = all!.replicaElectionResults.filter(({ topic }) => topic === 'elected')
      peer.record(`all, type ${electionType} v${version}`, { ...all, replicaElectionResults: ours })
      await ask('a partition', [{ topic: 'elected', partitions: [0] }])
      await ask('two partitions', [{ topic: 'elected', partitions: [0, 1] }])
      await ask('a partition twice', [{ topic: 'elected', partitions: [0, 0] }])
      await ask('partition 7', [{ topic: 'elected', partitions: [0, 7] }])
      await ask('partition -1', [{ topic: 'elected', partitions: [-1] }])
      await ask('no such topic', [{ topic: 'missing', partitions: [0] }])
      await ask('an empty name', [{ topic: '', partitions: [0] }])
      await ask('no partition', [{ topic: 'elected', partitions: [] }])
      await ask('nothing', [])
      await ask('timeout 0', [{ topic: 'elected', partitions: [0] }], 0)
      await ask('timeout -1', [{ topic: 'elected', partitions: [0] }], -1)
    }
  }
})

const describeProducers = scenario('describe producers', async peer => {
  await peer.topic('produced', { partitions: 2 })
  const ids: number[] = []
  // Kafka's broker fetches its first ids when it is first asked.
  await peer.eventually('there are producer ids', async () => {
    const anybody = { transactionalId: null, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 }
    const answer = await peer.quietly(InitProducerId, 4, anybody)
    if (answer?.errorCode === 0) ids.push(answer.producerId)
    return ids.length === 2
  })
  const ask = async (step: string, topics: RequestIn<typeof DescribeProducers>['topics']) => {
    const answer = await peer.quietly(DescribeProducers, 0, { topics })
    // By producer: Kafka's order is that of a hash table, and the ids are each broker's own.
    for (const topic of answer?.topics ?? []) {
      for (const partition of topic.partitions) {
        const producers = [...partition.activeProducers].sort((a, b) => a.producerId - b.producerId)
        partition.activeProducers.splice(0, producers.length, ...producers)
      }
    }
    peer.record(step, answer)
  }
  for (const version of peer.versions(DescribeProducers)) {
    await ask(`nobody v${version}`, [{ name: 'produced', partitionIndexes: [0, 1] }])
    await fill(peer, 'produced', 3)
    await ask(`nobody with an id v${version}`, [{ name: 'produced', partitionIndexes: [0] }])
    await fill(peer, 'produced', 3, { producerId: ids[0]!, producerEpoch: 0, baseSequence: 0 })
    await ask(`one v${version}`, [{ name: 'produced', partitionIndexes: [0, 1] }])
    await fill(peer, 'produced', 2, { producerId: ids[0]!, producerEpoch: 0, baseSequence: 3 })
    await fill(peer, 'produced', 4, { producerId: ids[1]!, producerEpoch: 2, baseSequence: 0 })
    await ask(`two v${version}`, [{ name: 'produced', partitionIndexes: [0] }])
    await fill(peer, 'produced', 1, { producerId: ids[0]!, producerEpoch: 1, baseSequence: 0 })
    await ask(`a later epoch v${version}`, [{ name: 'produced', partitionIndexes: [0] }])
    await peer.quietly(DeleteRecords, 2, {
      topics: [{ name: 'produced', partitions: [{ partitionIndex: 0, offset: -1 }] }],
      timeoutMs: 1000,
    })
    await ask(`after all records were deleted v${version}`, [{ name: 'produced', partitionIndexes: [0] }])
    await ask(`partition 7 v${version}`, [{ name: 'produced', partitionIndexes: [7, 0] }])
    await ask(`partition -1 v${version}`, [{ name: 'produced', partitionIndexes: [-1] }])
    await ask(`a partition twice v${version}`, [{ name: 'produced', partitionIndexes: [1, 1] }])
    await ask(`no partition v${version}`, [{ name: 'produced', partitionIndexes: [] }])
    await ask(`no such topic v${version}`, [{ name: 'missing', partitionIndexes: [0] }])
    await ask(`a topic that cannot be v${version}`, [{ name: 'a b', partitionIndexes: [0] }])
    await ask(`an empty name v${version}`, [{ name: '', partitionIndexes: [0] }])
    await ask(`no topic v${version}`, [])
  }
})

export const ADMIN: readonly Scenario[] = [deleteRecords, describeLogDirs, electLeaders, describeProducers]
