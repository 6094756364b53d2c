// The metadata half of one node, as the broker's node opens it, for the tests of this folder.
import { type Config, parseConfig } from '../../src/config.ts'
import type { Env, Kv } from '../../src/env/env.ts'
import type { BrokerRegistration } from '../../src/metadata/brokers.ts'
import { Controller } from '../../src/metadata/controller.ts'
import { type Identity, markClean, openIdentity } from '../../src/metadata/identity.ts'
import { MetadataPublisher } from '../../src/metadata/publisher.ts'
import { RaftDriver } from '../../src/raft/driver.ts'

export interface MetadataNode {
  readonly identity: Identity
  readonly quorum: RaftDriver
  readonly publisher: MetadataPublisher
  readonly controller: Controller
  readonly failures: Error[]
  registration(change?: Partial<BrokerRegistration>): BrokerRegistration
  close(options?: { cleanEpoch?: number }): Promise<void>
}

export async function openNode(
  env: Env,
  o: { directory: string; properties?: Record<string, string>; snapshotEveryEntries?: number; clusterId?: string },
): Promise<MetadataNode> {
  const config: Config = parseConfig(o.properties ?? {})
  const nodeId = config['node.id']
  const meta: Kv = await env.kv.open(`${o.directory}/meta`)
  const identity = await openIdentity(env, { directory: o.directory, meta, nodeId, clusterId: o.clusterId, alone: true })
  const failures: Error[] = []
  const fail = (error: Error) => void failures.push(error)
  const { snapshotEveryEntries = 20_000 } = o
  const { directoryId } = identity
  const quorum = await RaftDriver.open(env, {
    directory: o.directory,
    meta,
    nodeId,
    directoryId,
    voters: [{ nodeId, directoryId }],
    transport: { send: () => {} },
    fetchTimeoutMs: config['controller.quorum.fetch.timeout.ms'],
    electionTimeoutMs: config['controller.quorum.election.timeout.ms'],
    snapshotEveryEntries,
    fail,
  })
  const publisher = new MetadataPublisher({ fail })
  const controller = new Controller(env, { quorum, publisher, config, clusterId: identity.clusterId, fail })
  await publisher.start(quorum)
  return {
    identity,
    quorum,
    publisher,
    controller,
    failures,
    registration: change => ({
      clusterId: identity.clusterId,
      brokerId: nodeId,
      incarnationId: `incarnation-${quorum.epoch}`,
      directoryId: identity.directoryId,
      previousBrokerEpoch: identity.previousBrokerEpoch,
      rack: null,
      listeners: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 'PLAINTEXT' }],
      features: [],
      internalListener: null,
      fenced: false,
      partitions: [],
      ...change,
    }),
    async close(options) {
      controller.close()
      await quorum.close()
      publisher.close()
      if (options?.cleanEpoch !== undefined) await markClean(meta, options.cleanEpoch)
      await meta.close()
    },
  }
}

/** A CreateTopics request as the codec gives it. */
export function createTopics(
  ...topics: readonly { name: string; numPartitions?: number; replicationFactor?: number; configs?: Record<string, string> }[]
) {
  return {
    timeoutMs: 60_000,
    validateOnly: false,
    topics: topics.map(({ name, numPartitions = -1, replicationFactor = -1, configs = {} }) => ({
      name,
      numPartitions,
      replicationFactor,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    })),
  }
}
