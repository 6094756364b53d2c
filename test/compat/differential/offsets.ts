// ListOffsets, OffsetForLeaderEpoch, InitProducerId.
import { Produce } from '../../../src/protocol/api/00-produce.ts'
import { ListOffsets } from '../../../src/protocol/api/02-list-offsets.ts'
import { InitProducerId } from '../../../src/protocol/api/22-init-producer-id.ts'
import { OffsetForLeaderEpoch } from '../../../src/protocol/api/23-offset-for-leader-epoch.ts'
import { encodeBatch } from '../../../src/protocol/records.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

/** Timestamps of the records of each batch, in seconds after the base time: not in order, within batches and among them. */
const SECONDS = [
  [10, 20, 30],
  [25, 5, 15],
  [40, 40, 35],
  [50, 60, 55],
  [60, 12],
]

async function fill(peer: Peer, topic: string, codec: 0 | 1 | 2 | 3 | 4): Promise<void> {
  for (const seconds of SECONDS) {
    await peer.pause(3) // a time of its own for each batch that the broker stamps
    const records = seconds.map(second => ({ key: null, value: Buffer.from(`${second}`), timestamp: peer.baseTimeMs + second * 1000 }))
    await peer.quietly(Produce, 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: encodeBatch({ records, codec }) }] }],
    })
  }
}

const listOffsets = scenario('list offsets', async peer => {
  const topics = ['times-plain', 'times-packed', 'times-stamped', 'times-empty']
  await peer.topic('times-plain')
  await peer.topic('times-packed')
  await peer.topic('times-stamped', { configs: { 'message.timestamp.type': 'LogAppendTime' } })
  await peer.topic('times-empty')
  await fill(peer, 'times-plain', 0)
  await fill(peer, 'times-packed', 3)
  await fill(peer, 'times-stamped', 0)
  const moments = [0, 1, 5, 10, 11, 20, 21, 25, 30, 31, 35, 40, 41, 50, 55, 60, 61].map(second => peer.baseTimeMs + second * 1000)
  for (const version of peer.versions(ListOffsets)) {
    for (const name of topics) {
      for (const timestamp of [-1, -2, -3, -4, -5, -6, -7, -100, 0, 1, ...moments, peer.baseTimeMs + 1]) {
        const at = timestamp > peer.baseTimeMs ? `base + ${timestamp - peer.baseTimeMs}` : timestamp
        await peer.ask(`${name} at ${timestamp === peer.baseTimeMs ? 'base' : at}`, ListOffsets, version, {
          replicaId: -1,
          topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
        })
      }
    }
    const ask = (step: string, partitions: readonly { partitionIndex: number; timestamp: number; currentLeaderEpoch?: number }[], o = {}) =>
      peer.ask(step, ListOffsets, version, { replicaId: -1, topics: [{ name: 'times-plain', partitions }], ...o })
    await ask('partition 5', [{ partitionIndex: 5, timestamp: -1 }])
    await ask('partition -1', [{ partitionIndex: -1, timestamp: -1 }])
    await ask('partition 5, an unknown question', [{ partitionIndex: 5, timestamp: -9 }])
    await ask('asked twice', [
      { partitionIndex: 0, timestamp: -1 },
      { partitionIndex: 0, timestamp: -2 },
    ])
    for (const epoch of [-2, -1, 0, 4]) await ask(`epoch ${epoch}`, [{ partitionIndex: 0, timestamp: -1, currentLeaderEpoch: epoch }])
    await ask('epoch ahead, an unknown question', [{ partitionIndex: 0, timestamp: -9, currentLeaderEpoch: 4 }])
    for (const isolationLevel of [0, 1, 2])
      await ask(`isolation level ${isolationLevel}`, [{ partitionIndex: 0, timestamp: -1 }], { isolationLevel })
    await ask('replica -2', [{ partitionIndex: 0, timestamp: -1 }], { replicaId: -2 })
    await peer.ask('nothing', ListOffsets, version, { replicaId: -1, topics: [] })
    await peer.ask('no such topic', ListOffsets, version, {
      replicaId: -1,
      topics: [
        { name: 'missing', partitions: [{ partitionIndex: 0, timestamp: -1 }] },
        { name: 'times-plain', partitions: [{ partitionIndex: 0, timestamp: -1 }] },
      ],
    })
    await peer.ask('an invalid name', ListOffsets, version, {
      replicaId: -1,
      topics: [{ name: 'no/name', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    await peer.ask('a topic twice', ListOffsets, version, {
      replicaId: -1,
      topics: [0, 0].map(partitionIndex => ({ name: 'times-plain', partitions: [{ partitionIndex, timestamp: -1 }] })),
    })
  }
})

const epochs = scenario('offset for leader epoch', async peer => {
  await peer.topic('epochs', { partitions: 2 })
  await fill(peer, 'epochs', 0)
  for (const version of peer.versions(OffsetForLeaderEpoch)) {
    const ask = (step: string, question: { leaderEpoch: number; currentLeaderEpoch?: number; partition?: number }, topic = 'epochs') =>
      peer.ask(step, OffsetForLeaderEpoch, version, { replicaId: -1, topics: [{ topic, partitions: [{ partition: 0, ...question }] }] })
    for (const leaderEpoch of [-2, -1, 0, 1, 100]) {
      await ask(`epoch ${leaderEpoch}`, { leaderEpoch })
      await ask(`epoch ${leaderEpoch} of an empty partition`, { leaderEpoch, partition: 1 })
    }
    for (const currentLeaderEpoch of [-2, -1, 0, 3]) await ask(`current ${currentLeaderEpoch}`, { leaderEpoch: 0, currentLeaderEpoch })
    await ask('no such partition', { leaderEpoch: 0, partition: 5 })
    await ask('partition -1', { leaderEpoch: 0, partition: -1 })
    await ask('no such topic', { leaderEpoch: 0 }, 'missing')
    await ask('an invalid name', { leaderEpoch: 0 }, 'no/name')
    await peer.ask('replica -2', OffsetForLeaderEpoch, version, {
      replicaId: -2,
      topics: [{ topic: 'epochs', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    })
    await peer.ask('nothing', OffsetForLeaderEpoch, version, { replicaId: -1, topics: [] })
    await peer.ask('a partition twice', OffsetForLeaderEpoch, version, {
      replicaId: -1,
      topics: [{ topic: 'epochs', partitions: [0, 1].map(leaderEpoch => ({ partition: 0, leaderEpoch })) }],
    })
  }
})

const producerIds = scenario('init producer id', async peer => {
  const first = { transactionalId: null, transactionTimeoutMs: 60_000 }
  await peer.eventually('there are ids', async () => (await peer.quietly(InitProducerId, 0, first))?.errorCode === 0)
  for (const version of peer.versions(InitProducerId)) {
    const ask = (
      step: string,
      o: { transactionalId?: string | null; producerId?: number; producerEpoch?: number; transactionTimeoutMs?: number },
    ) => peer.ask(step, InitProducerId, version, { transactionalId: null, transactionTimeoutMs: 60_000, ...o })
    await ask('a new one', {})
    await ask('timeout 0', { transactionTimeoutMs: 0 })
    await ask('timeout -1', { transactionTimeoutMs: -1 })
    await ask('a known one', { producerId: 5, producerEpoch: 3 })
    await ask('an id without an epoch', { producerId: 5 })
    await ask('an epoch without an id', { producerEpoch: 5 })
    await ask('id -2', { producerId: -2, producerEpoch: -2 })
    await ask('an empty transactional id', { transactionalId: '' })
    await ask('an empty transactional id and half an identity', { transactionalId: '', producerId: 5 })
  }
})

export const OFFSETS: readonly Scenario[] = [listOffsets, epochs, producerIds]
