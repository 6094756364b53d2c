// DescribeQuorum, UpdateFeatures.
import { DescribeQuorum } from '../../../src/protocol/api/55-describe-quorum.ts'
import { UpdateFeatures } from '../../../src/protocol/api/57-update-features.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { type Scenario, scenario } from './scenario.ts'

const LOG = '__cluster_metadata'
const MINUTE_MS = 60_000

type Replica = { logEndOffset: number; lastFetchTimestamp: number; lastCaughtUpTimestamp: number; replicaDirectoryId: string }

const describeQuorum = scenario('describe quorum', async peer => {
  // How long the log is and how often it was led is each one's own.
  const replica = (highWatermark: number) => (r: Replica) => ({
    ...r,
    logEndOffset: r.logEndOffset > 0 && r.logEndOffset >= highWatermark,
    lastFetchTimestamp: seen(r.lastFetchTimestamp),
    lastCaughtUpTimestamp: seen(r.lastCaughtUpTimestamp),
    replicaDirectoryId: r.replicaDirectoryId === ZERO_UUID ? 'none' : 'some',
  })
  const seen = (time: number) => (time === -1 ? -1 : Math.abs(Date.now() - time) < MINUTE_MS ? '<now>' : time)
  for (const version of peer.versions(DescribeQuorum)) {
    const ask = async (step: string, asked: readonly (readonly [string, readonly number[]])[]) => {
      const topics = asked.map(([topicName, partitions]) => ({
        topicName,
        partitions: partitions.map(partitionIndex => ({ partitionIndex })),
      }))
      const answer = await peer.quietly(DescribeQuorum, version, { topics })
      const described = answer?.topics.map(topic => ({
        ...topic,
        partitions: topic.partitions.map(p => ({
          ...p,
          leaderEpoch: p.errorCode === 0 ? p.leaderEpoch > 0 : p.leaderEpoch,
          highWatermark: p.errorCode === 0 ? p.highWatermark > 0 : p.highWatermark,
          currentVoters: p.currentVoters.map(replica(p.highWatermark)),
          observers: p.observers.map(replica(0)),
        })),
      }))
      peer.record(`${step} v${version}`, { ...answer, topics: described })
    }
    await ask('the log', [[LOG, [0]]])
    await ask('partition 1', [[LOG, [1]]])
    await ask('two partitions', [[LOG, [0, 1]]])
    await ask('the log twice', [[LOG, [0]], [LOG, [0]]]) // biome-ignore format: pairs
    await ask('another topic', [['orders', [0, 5]]])
    await ask('no partition', [[LOG, []]])
    await ask('nothing', [])
  }
})

const UPGRADE = 1
const SAFE_DOWNGRADE = 2
const UNSAFE_DOWNGRADE = 3

type Update = RequestIn<typeof UpdateFeatures>['featureUpdates'][number]

const updateFeatures = scenario('update features', async peer => {
  for (const version of peer.versions(UpdateFeatures)) {
    const types = version === 0 ? [UPGRADE] : [UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, 0, 4]
    const ask = (step: string, featureUpdates: Update[], validateOnly = version > 0) =>
      peer.ask(step, UpdateFeatures, version, { timeoutMs: 10_000, featureUpdates, ...(version > 0 ? { validateOnly } : {}) })
    for (const upgradeType of types) {
      const one = (feature: string, maxVersionLevel: number) => [
        { feature, maxVersionLevel, ...(version === 0 ? { allowDowngrade: true } : { upgradeType }) },
      ]
      // What is asked for at v0 is done: only what changes nothing, or is refused.
      for (const level of [30, 31, 7, 6, 0, -1, 29])
        await ask(`metadata.version ${level}, type ${upgradeType}`, one('metadata.version', level))
      for (const level of [0, 1, -1]) await ask(`an unknown feature at ${level}, type ${upgradeType}`, one('no.such.feature', level))
      await ask(`an empty name, type ${upgradeType}`, one('', 1))
      if (version > 0) await ask(`streams.version 0, type ${upgradeType}`, one('streams.version', 0))
      if (version > 0) await ask(`kraft.version 7, type ${upgradeType}`, one('kraft.version', 7))
    }
    await ask('the level it has', [{ feature: 'metadata.version', maxVersionLevel: 30 }], false)
    await ask('one of two refused', [
      { feature: 'metadata.version', maxVersionLevel: 30 },
      { feature: 'no.such.feature', maxVersionLevel: 1 },
    ])
    await ask('nothing', [])
  }
})

export const QUORUM: readonly Scenario[] = [describeQuorum, updateFeatures]
