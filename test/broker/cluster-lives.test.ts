// Nodes of a cluster start, stop in good order, and die, in any order and at any moment.
import { describe, expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { hostOf, type TestCluster, withCluster } from './test-cluster.ts'

async function topic(cluster: TestCluster, name: string): Promise<void> {
  await cluster.kafka.admin().createTopics([{ name, assignments: [[1, 2, 3]] }])
}

const allInSync = (cluster: TestCluster) => () =>
  cluster.nodes.every(({ nodeId }) => cluster.partition('t', 0, nodeId)?.isr.length === 3) && cluster.nodes.length === 3

describe('a node that is closed', () => {
  test('hands over what it leads first: whoever produces waits for nothing but one answer', async () => {
    await withCluster(async cluster => {
      await topic(cluster, 't')
      const producer = cluster.kafka.producer()
      await producer.send({ topic: 't', value: 'before' })
      const waits: number[] = []
      let running = true
      const producing = (async () => {
        while (running) {
          const sentAt = cluster.world.now
          await producer.send({ topic: 't', value: 'x' })
          waits.push(cluster.world.now - sentAt)
          await sleep(cluster.clientEnv.clock, 5)
        }
      })()
      for (const id of [1, 2, 3]) {
        const startedAt = cluster.world.now
        await cluster.stop(id)
        expect(cluster.world.now - startedAt).toBeLessThan(500)
        expect([1, 2, 3].filter(other => other !== id)).toContain(cluster.partition('t', 0, id === 1 ? 2 : 1)!.leader)
        await cluster.start(id)
        await cluster.until('all in sync', allInSync(cluster))
      }
      running = false
      await producing
      expect(Math.max(...waits)).toBeLessThan(400)
    })
  })

  test.each([1, 2, 3])('together with all others is closed soon, and all start again (seed %i)', async seed => {
    await withCluster(
      async cluster => {
        await topic(cluster, 't')
        await cluster.kafka.producer().send({ topic: 't', value: 'x' })
        const closedAt = cluster.world.now
        await cluster.stopAll()
        expect(cluster.world.now - closedAt).toBeLessThan(4000)
        await cluster.startAll()
        await cluster.until('all in sync', allInSync(cluster))
      },
      { seed },
    )
  })

  test('while no controller can be elected is closed all the same', async () => {
    await withCluster(async cluster => {
      await topic(cluster, 't')
      cluster.kill(1)
      cluster.kill(2)
      const closedAt = cluster.world.now
      await cluster.stop(3)
      expect(cluster.world.now - closedAt).toBeLessThan(2500)
    })
  })
})

describe('a cluster', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('is formed once, whoever dies meanwhile (seed %i)', async seed => {
    await withCluster(
      async cluster => {
        const random = cluster.world.stream('deaths')
        const startForGood = async (id: number) => {
          for (let life = 0; life < 3; life++) {
            cluster.start(id).catch(() => {})
            await sleep(cluster.clientEnv.clock, random.fraction() * 150)
            cluster.kill(id, { power: random.fraction() < 0.5 })
            await sleep(cluster.clientEnv.clock, random.fraction() * 50)
          }
          await cluster.start(id)
        }
        await Promise.all([1, 2, 3].map(startForGood))
        expect(new Set(cluster.nodes.map(({ clusterId }) => clusterId)).size).toBe(1)
        await topic(cluster, 't')
        await cluster.until('all in sync', allInSync(cluster))
      },
      { seed, starts: false },
    )
  })

  test.each([1, 2, 3, 4])('that loses power as a whole has everything when it is back (seed %i)', async seed => {
    await withCluster(
      async cluster => {
        await topic(cluster, 't')
        const producer = cluster.kafka.producer()
        await Promise.all(Array.from({ length: 200 }, (_, i) => producer.send({ topic: 't', value: `${i}` })))
        for (const id of [1, 2, 3]) cluster.kill(id, { power: true })
        await cluster.startAll()
        await cluster.until('all in sync', allInSync(cluster))
        const ends = cluster.nodes.map(({ broker }) => [...broker.replicas.all()][0]!.log.logEndOffset)
        expect(new Set(ends).size).toBe(1)
        expect(ends[0]).toBeGreaterThanOrEqual(200)
      },
      { seed },
    )
  })

  test('whose node is cut off for a while goes on, and takes it back', async () => {
    await withCluster(async cluster => {
      await topic(cluster, 't')
      for (const id of [1, 2, 3]) {
        cluster.isolate(id)
        await cluster.until('it is fenced', () => {
          const witness = cluster.node(id === 1 ? 2 : 1)
          return witness.image.brokers.get(id)!.fenced
        })
        cluster.heal()
        await cluster.until('all in sync', allInSync(cluster))
      }
    })
  })

  test('moves a leader within half a second of its death, whoever it is', async () => {
    const times: number[] = []
    for (let seed = 1; seed <= 6; seed++) {
      await withCluster(
        async cluster => {
          await topic(cluster, 't')
          const { leader } = cluster.partition('t')!
          const producer = cluster.kafka.producer({ deliveryTimeoutMs: 10_000 })
          await producer.send({ topic: 't', value: 'before' })
          const killedAt = cluster.world.now
          cluster.kill(leader)
          await producer.send({ topic: 't', value: 'after' })
          times.push(cluster.world.now - killedAt)
        },
        { seed },
      )
    }
    expect(Math.max(...times)).toBeLessThan(500)
  })
})

test('a client that comes before there is a controller is sent away after a while, and served later', async () => {
  await withCluster(
    async cluster => {
      const opening = cluster.start(1)
      await sleep(cluster.clientEnv.clock, 1000)
      const topics = cluster.kafka.admin().listTopics({ timeoutMs: 20_000 })
      await sleep(cluster.clientEnv.clock, 5000)
      const others = [cluster.start(2), cluster.start(3)]
      expect(await topics).toEqual([])
      await Promise.all([opening, ...others])
      expect(cluster.nodes.map(({ listeners }) => listeners[0]!.host)).toEqual([1, 2, 3].map(hostOf))
    },
    { starts: false },
  )
})
