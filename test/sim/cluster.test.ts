import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { simulateCluster } from '../../src/testing/sim/cluster.ts'
import { hostOf } from '../../src/testing/sim/cluster-node.ts'
import type { ClusterPlan, ClusterTrouble } from '../../src/testing/sim/cluster-plan.ts'

const NOTED = readFileSync(new URL('cluster-seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => /^\d+$/.test(line))
  .map(Number)

describe('a cluster in trouble keeps its promises', () => {
  test.each([...NOTED, 1, 2, 3, 4])(
    'seed %i',
    async seed => {
      const { failures, anomalies, counts } = await simulateCluster(seed)
      expect(failures).toEqual([])
      expect(anomalies).toEqual([])
      expect(counts.acked).toBeGreaterThan(0)
    },
    60_000,
  )

  test('a seed tells the same story twice', async () => {
    const first = await simulateCluster(5)
    const second = await simulateCluster(5)
    expect(second.hash).toBe(first.hash)
    expect(second.eventCount).toBe(first.eventCount)
  }, 60_000)
})

/** Three nodes, one producer in no hurry, and these troubles alone. */
const three =
  (...troubles: ClusterTrouble[]) =>
  (drawn: ClusterPlan): ClusterPlan => ({
    ...drawn,
    nodes: 3,
    voters: 3,
    topics: drawn.topics.map(topic => ({ ...topic, replicationFactor: 3 })),
    producers: drawn.producers.slice(0, 1).map(producer => ({ ...producer, acks: -1, idempotent: true, pauseMs: 50 })),
    consumers: 0,
    churn: false,
    groups: [],
    troubles: troubles.map(trouble => ({ afterEvents: 800, trouble })),
  })

describe('a simulation of a cluster notices', () => {
  test('disks whose flushes do nothing', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 6 && !seen.has('lost') && !seen.has('failed'); seed++) {
      const { anomalies, failures } = await simulateCluster(seed, {
        plan: three({ type: 'blackout', downMs: 10 }, { type: 'blackout', downMs: 10 }),
        onWorld: world => {
          for (const id of [1, 2, 3]) world.host(hostOf(id)).storage.flushesLieFor = '.log'
        },
      })
      for (const { kind } of anomalies) seen.add(kind)
      if (failures.length > 0) seen.add('failed')
    }
    expect(seen.size).toBeGreaterThan(0)
  }, 90_000)

  test('a node that never comes back', async () => {
    const { failures } = await simulateCluster(3, {
      plan: three({ type: 'kill', aim: 'any', power: false, silent: false, downMs: 1e9 }),
    })
    expect(failures.join()).toMatch(/no progress/)
  }, 90_000)
})
