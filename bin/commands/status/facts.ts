// What the brokers told about the cluster, each part with its own deadline: a broker that is paused or gone costs its own numbers and nothing else.
import type { Admin, BrokerDescription, LogDirDescription, QuorumDescription, TopicDescription } from '../../../src/index.ts'

export interface Facts {
  /** Since 1970. */
  readonly atMs: number
  readonly clusterId: string | null
  readonly brokers: readonly BrokerDescription[]
  readonly topics: readonly TopicDescription[]
  /** null: nobody could tell. */
  readonly quorum: QuorumDescription | null
  /** Why nobody could tell. */
  readonly quorumError: Error | undefined
}

/** What changes slowly, and costs more to ask. */
export interface Settings {
  /** min.insync.replicas by topic. */
  readonly minInsync: ReadonlyMap<string, number>
  /** How many replicas a new topic gets; null: not known. */
  readonly defaultReplicationFactor: number | null
  /** Apache Kafka takes that from server.properties alone. */
  readonly isFactorFixed: boolean
}

export const NO_SETTINGS: Settings = { minInsync: new Map(), defaultReplicationFactor: null, isFactorFixed: false }

const QUORUM_TIMEOUT_MS = 1500

/** @throws when no broker describes topics and brokers within the time */
export async function askFacts(admin: Admin, options: { readonly timeoutMs: number }): Promise<Facts> {
  const [{ clusterId, brokers }, topics] = await Promise.all([
    admin.describeCluster({ ...options, includeFencedBrokers: true }),
    admin.describeTopics(null, options),
  ])
  // After them: it is the one that nobody answers without a majority, and its connection goes with it.
  let quorumError: Error | undefined
  const quorum = await admin.describeMetadataQuorum({ timeoutMs: Math.min(options.timeoutMs, QUORUM_TIMEOUT_MS) }).catch((error: Error) => {
    quorumError = error
    return null
  })
  return { atMs: Date.now(), clusterId, brokers, topics, quorum, quorumError }
}

export async function askSettings(admin: Admin, facts: Facts, options: { readonly timeoutMs: number }): Promise<Settings> {
  const live = facts.brokers.find(({ isFenced }) => !isFenced)
  const [topics, broker] = await Promise.all([
    admin.describeConfigs(
      facts.topics.map(({ name }) => ({ type: 'topic', name, keys: ['min.insync.replicas'] }) as const),
      options,
    ),
    live === undefined
      ? []
      : admin.describeConfigs([{ type: 'broker', name: String(live.nodeId), keys: ['default.replication.factor'] }], options),
  ])
  const minInsync = new Map(topics.map(({ name, entries }) => [name, Number(entries[0]?.value ?? 1)]))
  const factor = broker[0]?.entries[0]
  return {
    minInsync,
    defaultReplicationFactor: factor?.value == null ? null : Number(factor.value),
    isFactorFixed: factor?.isReadOnly === true,
  }
}

export interface Load {
  /** Of all logs on the broker. */
  readonly sizeBytes: number
  /** null: the broker does not tell. */
  readonly usableBytes: number | null
}

/** @throws when the broker does not answer in time */
export async function askLoad(admin: Admin, brokerId: number, options: { readonly timeoutMs: number }): Promise<Load> {
  return loadOf(await admin.describeLogDirs(brokerId, options))
}

export function loadOf(directories: readonly LogDirDescription[]): Load {
  const sizes = directories.flatMap(({ partitions }) => partitions.map(({ sizeBytes }) => sizeBytes))
  const usable = directories.flatMap(({ usableBytes }) => (usableBytes < 0 ? [] : [usableBytes]))
  return { sizeBytes: sum(sizes), usableBytes: usable.length === 0 ? null : sum(usable) }
}

/** null: it was asked, and did not answer in time. */
export type Loads = ReadonlyMap<number, Load | null>

/** Of every broker that is in service. */
export async function askLoads(admin: Admin, facts: Facts, options: { readonly timeoutMs: number }): Promise<Loads> {
  const asked = facts.brokers.filter(({ isFenced }) => !isFenced)
  const loads = await Promise.all(
    asked.map(async ({ nodeId }): Promise<[number, Load | null]> => [nodeId, await askLoad(admin, nodeId, options).catch(() => null)]),
  )
  return new Map(loads)
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
