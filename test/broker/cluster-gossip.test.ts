// What gossip is good for, and that nothing counts on it: on virtual time, by a bus within the process.
import { describe, expect, test } from 'vitest'
import type { GossipDoor } from '../../src/broker/gossiping.ts'
import { sleep } from '../../src/env/env.ts'
import type { GossipNetwork } from '../../src/gossip/gossip.ts'
import { encodeHint, type Hint } from '../../src/gossip/hints.ts'
import { LocalBus } from '../../src/gossip/local.ts'
import { CLIENT_PORT, hostOf, INTERNAL_PORT, type TestCluster, withCluster } from './test-cluster.ts'

const usage = () => ({ cpuMs: 0, residentBytes: 50_000_000 })
const doorTo = (bus: LocalBus): GossipDoor => ({ open: bus.open, usage })

async function topicOn(cluster: TestCluster, replicas: readonly number[], name = 't'): Promise<void> {
  await cluster.kafka.admin().createTopics([{ name, assignments: [replicas] }])
}

const hearsAll = (cluster: TestCluster, others: number) => cluster.nodes.every(({ gossiping }) => gossiping!.neighbours.length === others)

describe('nodes that gossip', () => {
  test('know of each other how they are', async () => {
    const bus = new LocalBus()
    await withCluster(
      async cluster => {
        await topicOn(cluster, [1, 2, 3])
        await cluster.until('all hear all', () => hearsAll(cluster, 2))
        const producer = cluster.kafka.producer()
        for (let i = 0; i < 40; i++) {
          await producer.send({ topic: 't', value: 'x'.repeat(1000) })
          await sleep(cluster.clientEnv.clock, 100)
        }
        const { digest } = cluster.node(2).gossiping!.neighbours.find(({ nodeId }) => nodeId === 1)!
        expect(digest).toMatchObject({
          leaderId: cluster.controllerId,
          internal: { host: hostOf(1), port: INTERNAL_PORT },
          load: { residentBytes: 50_000_000, connections: expect.any(Number), partitionsLed: expect.any(Number) },
        })
        expect(digest!.load.receivedBytesPerSecond).toBeGreaterThan(5000)
        expect(digest!.load.diskFreeBytes).toBeGreaterThan(0)
      },
      { gossip: doorTo(bus) },
    )
  })

  test('find a voter at an address that nobody was told, and not otherwise', async () => {
    const roles = {
      'process.roles': 'controller',
      listeners: `CONTROLLER://${hostOf(3)}:${INTERNAL_PORT}`,
      'controller.listener.names': 'CONTROLLER',
    }
    const moved = { ...roles, 'internal.port': '9999' }
    for (const bus of [new LocalBus(), undefined]) {
      await withCluster(
        async cluster => {
          await Promise.all([cluster.start(1), cluster.start(2), cluster.start(3, roles)])
          await cluster.stop(3)
          const back = cluster.start(3, moved)
          if (bus !== undefined) expect((await back).nodeId).toBe(3)
          else {
            const outcome = await Promise.race([back.then(() => 'started'), sleep(cluster.clientEnv.clock, 60_000).then(() => 'waits')])
            expect(outcome).toBe('waits')
            cluster.expectFailure(3)
            cluster.kill(3)
          }
        },
        { starts: false, brokers: [1, 2], ...(bus && { gossip: doorTo(bus) }) },
      )
    }
  })

  test('an observer hears of a silent leader’s successor, and follows it sooner', async () => {
    const followedAfter = async (bus: LocalBus | undefined) => {
      let tookMs = 0
      await withCluster(
        async cluster => {
          await cluster.start(4, { 'process.roles': 'broker' })
          await sleep(cluster.clientEnv.clock, 3000)
          const old = cluster.controllerId!
          const observer = cluster.node(4)
          cluster.kill(old, { silent: true })
          const voters = [1, 2, 3].filter(id => id !== old)
          await cluster.until('another leads', () => voters.some(id => cluster.node(id).quorum.isLeader))
          const electedAt = cluster.world.now
          await cluster.until('it is followed', () => ![-1, old].includes(observer.quorum.leaderId))
          tookMs = cluster.world.now - electedAt
        },
        bus && { gossip: doorTo(bus) },
      )
      return tookMs
    }
    const [without, by] = [await followedAfter(undefined), await followedAfter(new LocalBus())]
    expect(by).toBeLessThan(without)
    expect(by).toBeLessThan(50)
  })
})

describe('nothing counts on gossip', () => {
  /** Elects, replicates, heals: what a cluster without gossip does. */
  async function livesOn(cluster: TestCluster): Promise<void> {
    const producer = cluster.kafka.producer()
    await topicOn(cluster, [1, 2, 3])
    await producer.send({ topic: 't', value: 'kept' })
    for (const victim of [cluster.controllerId!, cluster.partition('t')!.leader]) {
      cluster.kill(victim)
      await producer.send({ topic: 't', value: 'kept too' })
      await cluster.start(victim)
      await cluster.until('in sync again', () => cluster.partition('t')?.isr.length === 3 && cluster.controllerId !== undefined)
    }
    cluster.isolate(2)
    await sleep(cluster.clientEnv.clock, 3000)
    cluster.heal()
    await cluster.until('healed', () => cluster.partition('t')?.isr.length === 3 && cluster.controllerId !== undefined)
    expect(cluster.node(1).image.topics.get('t')!.partitions[0]!.isr.length).toBe(3)
  }

  test('it is cut, and all goes on', async () => {
    const bus = new LocalBus()
    await withCluster(
      async cluster => {
        await cluster.until('all hear all', () => hearsAll(cluster, 2))
        bus.cut()
        await livesOn(cluster)
      },
      { gossip: doorTo(bus) },
    )
  })

  test('it cannot be loaded: that is said once, and all goes on', async () => {
    const gossip: GossipDoor = { open: () => Promise.reject(new Error('libp2p is not installed')), usage }
    await withCluster(
      async cluster => {
        await sleep(cluster.clientEnv.clock, 5000)
        const said = cluster.world.host(hostOf(1)).lines.filter(line => line.includes('without gossip'))
        expect(said).toEqual([expect.stringContaining('libp2p is not installed')])
        await livesOn(cluster)
      },
      { gossip },
    )
  })

  test('one that knows the secret lies about everything: no election, and nobody goes where it points', async () => {
    const bus = new LocalBus()
    let liar: GossipNetwork | undefined
    await withCluster(
      async cluster => {
        await cluster.until('all hear all', () => hearsAll(cluster, 2))
        const { clusterId, quorum } = cluster.node(1)
        const [epoch, controller] = [quorum.epoch, cluster.controllerId]
        liar = await bus.open(cluster.clientEnv, {
          nodeId: 2,
          clusterId,
          secret: Buffer.from('the same for all of them'),
          host: '',
          port: 0,
          received: () => {},
          joined: () => {},
        })
        for (let sequence = 1; sequence <= 300; sequence++) {
          for (const nodeId of [1, 2, 3, 77]) liar.publish(encodeHint(lie(nodeId, sequence, epoch)))
          liar.publish(Buffer.from(`garbage ${sequence}`))
          await sleep(cluster.clientEnv.clock, 10)
        }
        expect(cluster.nodes.map(node => node.quorum.epoch)).toEqual([epoch, epoch, epoch])
        expect(cluster.controllerId).toBe(controller)
        await topicOn(cluster, [1, 2, 3], 'after')
        await cluster.kafka.producer().send({ topic: 'after', value: 'kept' })
        expect(cluster.partition('after')!.isr.length).toBe(3)
        await livesOn(cluster)
      },
      { gossip: doorTo(bus) },
    )
    await liar!.close()
  })
})

/** Of every kind: epochs from the future, leaders that do not lead, addresses where nobody is, or somebody else. */
function lie(nodeId: number, sequence: number, epoch: number): Hint {
  const head = { nodeId, incarnationId: 'made up', sequence }
  const metadata = { epoch: epoch + (sequence % 5), leaderId: sequence % 5, committedOffset: 1_000_000 * (sequence % 3) }
  if (sequence % 2 === 0) return { type: 'announcement', ...head, ...metadata }
  const places = [
    { host: hostOf(1), port: INTERNAL_PORT },
    { host: hostOf(3), port: CLIENT_PORT },
    { host: 'nowhere', port: 1 },
  ]
  const internal = places[sequence % places.length]!
  const load = {
    receivedBytesPerSecond: 1e15,
    sentBytesPerSecond: undefined,
    partitionsLed: undefined,
    connections: undefined,
    cpuShare: undefined,
    residentBytes: undefined,
    diskFreeBytes: undefined,
  }
  return { type: 'digest', ...head, ...metadata, internal, gossip: internal, load }
}
