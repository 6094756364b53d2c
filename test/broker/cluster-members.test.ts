// Who becomes a member of a cluster, and as what; and who does not.
import { describe, expect, test } from 'vitest'
import { Node } from '../../src/broker/node.ts'
import { prepareDirectory } from '../../src/broker/prepare.ts'
import { parseConfig } from '../../src/config.ts'
import { sleep } from '../../src/env/env.ts'
import { uuidFromBytes } from '../../src/util/uuid.ts'
import { hostOf, INTERNAL_PORT, type TestCluster, withCluster } from './test-cluster.ts'

const refusal = (opening: Promise<unknown>) =>
  opening.then(
    () => 'started',
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  )

const ownsReplicaOf = (cluster: TestCluster, id: number, topic: string) => cluster.partition(topic, 0, id)?.isr.includes(id)

async function topicOn(cluster: TestCluster, name: string, replicas: readonly number[]): Promise<void> {
  await cluster.kafka.admin().createTopics([{ name, assignments: [replicas] }])
}

describe('a broker without a voice', () => {
  test.each([
    ['told the voters', {}],
    ['told one address', { 'controller.quorum.voters': '', 'controller.quorum.bootstrap.servers': `${hostOf(2)}:${INTERNAL_PORT}` }],
  ])('joins, %s, and keeps records', async (_, properties) => {
    await withCluster(async cluster => {
      const node = await cluster.start(4, properties)
      expect(node.clusterId).toBe(cluster.node(1).clusterId)
      await topicOn(cluster, 't', [4, 1, 2])
      await cluster.kafka.producer().send({ topic: 't', value: 'kept' })
      expect(cluster.partition('t')).toMatchObject({ leader: 4, isr: [4, 1, 2] })
      cluster.kill(4)
      await cluster.until('another leads', () => cluster.partition('t')!.leader === 1)
      // With nothing but what its directory knows.
      await cluster.start(4, { 'controller.quorum.voters': '', 'controller.quorum.bootstrap.servers': `nowhere:${INTERNAL_PORT}` })
      await cluster.until('in sync again', () => ownsReplicaOf(cluster, 1, 't') && cluster.partition('t')!.isr.length === 3)
    })
  })

  test('joins a node that was alone until now', async () => {
    const voter = { 'controller.quorum.voters': '', 'process.roles': 'broker,controller' }
    const joins = { ...voter, 'process.roles': 'broker', 'controller.quorum.bootstrap.servers': `${hostOf(1)}:${INTERNAL_PORT}` }
    await withCluster(
      async cluster => {
        await cluster.startWith(1, { 'node.id': '1', listeners: `PLAINTEXT://${hostOf(1)}:9092` })
        await topicOn(cluster, 'old', [1])
        await cluster.kafka.producer().send({ topic: 'old', value: 'kept' })
        await cluster.stop(1)
        await cluster.start(1, voter)
        await Promise.all([cluster.start(2, joins), cluster.start(3, joins)])
        await topicOn(cluster, 't', [2, 3, 1])
        const producer = cluster.kafka.producer()
        await producer.send({ topic: 't', value: 'kept' })
        cluster.kill(2)
        await producer.send({ topic: 't', value: 'kept too' })
        await producer.send({ topic: 'old', value: 'kept too' })
        await cluster.start(2, joins)
        await cluster.until('in sync again', () => cluster.partition('t')!.isr.length === 3)
      },
      { starts: false, voters: [1], brokers: [1, 2, 3] },
    )
  })

  test('waits for the cluster to be formed', async () => {
    await withCluster(
      async cluster => {
        const joining = cluster.start(4)
        await sleep(cluster.clientEnv.clock, 2000)
        await cluster.startAll()
        expect((await joining).clusterId).toBe(cluster.node(1).clusterId)
      },
      { starts: false },
    )
  })

  test('is not made out of the directory of a voter', async () => {
    await withCluster(async cluster => {
      await cluster.stop(3)
      expect(
        await refusal(cluster.start(3, { 'process.roles': 'broker', 'controller.quorum.voters': `1@${hostOf(1)}:${INTERNAL_PORT}` })),
      ).toMatch(/^EEXIST: \/data is that of a voter of cluster .*Set process.roles=broker,controller/)
      cluster.kill(3)
    })
  })
})

describe('a node that does not belong', () => {
  test('knows another secret: it is told at once, and nobody is harmed', async () => {
    await withCluster(async cluster => {
      expect(await refusal(cluster.start(4, { 'cluster.secret': 'something else' }))).toMatch(
        /^EACCES: Node 4 cannot join its cluster.*secret/,
      )
      cluster.kill(4)
      await topicOn(cluster, 't', [1, 2, 3])
    })
  })

  test('was a member, and has another secret now', async () => {
    await withCluster(async cluster => {
      await cluster.stop(3)
      expect(await refusal(cluster.start(3, { 'cluster.secret': 'something else' }))).toMatch(
        /^EACCES: Node 3 cannot join its cluster.*secret/,
      )
      cluster.kill(3)
    })
  })

  test('waits no longer when it is told so', async () => {
    await withCluster(
      async cluster => {
        const stop = new AbortController()
        const env = cluster.world.env(hostOf(1))
        const opening = Node.open(env, { config: parseConfig(cluster.propertiesOf(1)), directory: '/data', signal: stop.signal })
        await sleep(cluster.clientEnv.clock, 1000)
        stop.abort()
        expect(await refusal(opening)).toMatch(/^ECANCELED/)
        // All of it is closed: the port is free again.
        await (await env.net.listen({ host: hostOf(1), port: INTERNAL_PORT, onConnection: () => {} })).close()
      },
      { starts: false },
    )
  })

  test('knows no secret', async () => {
    await withCluster(async cluster => {
      const properties = { ...cluster.propertiesOf(4) }
      delete (properties as Record<string, string>)['cluster.secret']
      expect(await refusal(cluster.startWith(4, properties))).toMatch(/A node that works with others needs the secret .*set cluster.secret/)
      cluster.kill(4)
    })
  })

  test('was started for another cluster', async () => {
    await withCluster(async cluster => {
      expect(await refusal(cluster.start(4, { 'cluster.id': 'AnotherClusterAltogetA' }))).toMatch(
        /^EEXIST: Node 4 cannot join: node \d belongs to cluster .*, but this node was started for cluster AnotherClusterAltogetA/,
      )
      cluster.kill(4)
    })
  })

  test('has the directory of another cluster', async () => {
    await withCluster(async cluster => {
      await cluster.start(4, { 'process.roles': 'broker,controller', 'controller.quorum.voters': `4@${hostOf(4)}:${INTERNAL_PORT}` })
      await cluster.stop(4)
      expect(await refusal(cluster.start(4))).toMatch(/^EEXIST: \/data is that of a voter of cluster/)
      cluster.kill(4)
    })
  })

  test('has the id of one that is alive', async () => {
    await withCluster(async cluster => {
      const properties = { ...cluster.propertiesOf(3), 'internal.host': hostOf(4), listeners: `PLAINTEXT://${hostOf(4)}:9092` }
      expect(await refusal(cluster.startWith(4, properties))).toMatch(/EACCES: .*another node 3 with another data directory is connected/)
      cluster.kill(4)
      expect(cluster.node(3).image.brokers.get(3)!.fenced).toBe(false)
    })
  })

  test('comes back with an empty disk under the id of a voter: it has no voice, and gets its copies again', async () => {
    await withCluster(async cluster => {
      await topicOn(cluster, 't', [1, 2, 3])
      await cluster.kafka.producer().send({ topic: 't', value: 'kept' })
      cluster.kill(3)
      await cluster.until('fenced', () => cluster.partition('t')!.isr.length === 2)
      await cluster.startWith(3, cluster.propertiesOf(3), '/empty')
      await cluster.until('in sync again', () => cluster.partition('t')!.isr.length === 3)
      const leader = cluster.node(cluster.controllerId!)
      await cluster.until('seen as an observer', () => leader.quorum.describe().observers.some(({ nodeId }) => nodeId === 3))
    })
  })
})

describe('controllers apart', () => {
  test('keep no records, and brokers without a voice do', async () => {
    await withCluster(
      async cluster => {
        const controllers = [1, 2, 3].map(id => {
          const { listeners: _, ...properties } = cluster.propertiesOf(id)
          return cluster.startWith(id, { ...properties, 'process.roles': 'controller' })
        })
        await Promise.all([...controllers, cluster.start(4), cluster.start(5)])
        expect(cluster.nodes.map(({ listeners }) => listeners.length)).toEqual([0, 0, 0, 1, 1])
        await topicOn(cluster, 't', [4, 5])
        await cluster.kafka.producer().send({ topic: 't', value: 'kept' })
        cluster.kill(cluster.controllerId!)
        cluster.kill(4)
        await cluster.until('the other broker leads', () => cluster.partition('t', 0, 5)!.leader === 5)
        await cluster.kafka.producer().send({ topic: 't', value: 'kept too' })
      },
      { starts: false, brokers: [4, 5] },
    )
  })
})

describe('directories that were prepared', () => {
  test('start without any other configuration, and again', async () => {
    await withCluster(
      async cluster => {
        const ids = [1, 2, 3]
        const newId = () => uuidFromBytes(cluster.clientEnv.random.bytes(16))
        const clusterId = newId()
        const voters = ids.map(nodeId => ({ nodeId, directoryId: newId() }))
        const addresses = ids.map(nodeId => ({ nodeId, host: hostOf(nodeId), port: INTERNAL_PORT }))
        const place = { directory: '/data', clusterId, voters, addresses, secret: 'between us all', internalPort: INTERNAL_PORT }
        for (const nodeId of ids) await prepareDirectory(cluster.world.env(hostOf(nodeId)), { ...place, nodeId })
        const bare = (id: number) => ({ 'node.id': String(id), listeners: `PLAINTEXT://${hostOf(id)}:9092` })
        await Promise.all([1, 2, 3].map(id => cluster.startWith(id, bare(id))))
        expect(cluster.nodes.map(node => node.clusterId)).toEqual([clusterId, clusterId, clusterId])
        await topicOn(cluster, 't', [1, 2, 3])
        await cluster.stop(2)
        await cluster.startWith(2, bare(2))
        await cluster.until('in sync again', () => cluster.partition('t')!.isr.length === 3)
      },
      { starts: false },
    )
  })
})
