// How the cluster is, out of what its brokers told. Pure.
import type { Facts, Loads, Settings } from './facts.ts'

export interface ClusterStatus {
  readonly clusterId: string | null
  /** null: not known at the moment, and `quorumError` says why. */
  readonly quorum: QuorumStatus | null
  readonly quorumError: string | null
  /** Sorted by id: brokers, and voters that are none. */
  readonly nodes: readonly NodeStatus[]
  readonly topics: readonly TopicStatus[]
  /** Names of partitions: what is wrong with them, the worst first. */
  readonly leaderless: readonly string[]
  readonly belowMinInsync: readonly string[]
  readonly underReplicated: readonly string[]
  readonly warnings: readonly string[]
}

export interface QuorumStatus {
  /** -1: none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: number
  readonly voters: readonly number[]
  readonly observers: readonly number[]
}

export interface NodeStatus {
  readonly id: number
  /** null: it is no broker, or was never heard of. */
  readonly host: string | null
  readonly port: number | null
  readonly rack: string | null
  /**
   * down: it is registered, or has replicas, and is not in service. silent: the others count on it, but it does not answer us. controller: it keeps no
   * partitions.
   */
  readonly state: 'up' | 'down' | 'silent' | 'controller'
  readonly role: 'leader' | 'voter' | 'observer' | null
  /** It follows as an observer, because the voter of its id is another directory, which is gone. */
  readonly lostVote: boolean
  /** How far its metadata log lies behind the leader's; null: not known. */
  readonly metadataLag: number | null
  /** Since the leader of the quorum heard from it; null: not known. */
  readonly silentMs: number | null
  readonly leads: number
  readonly replicas: number
  readonly outOfSync: number
  /** null: it did not tell. */
  readonly sizeBytes: number | null
  readonly usableBytes: number | null
}

export interface TopicStatus {
  readonly name: string
  readonly isInternal: boolean
  /** The largest number of replicas of one of its partitions. */
  readonly replicationFactor: number
  readonly partitions: readonly PartitionStatus[]
}

export interface PartitionStatus {
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

/** Replicas that new topics and internal ones are given, where there are so many brokers. */
const WANTED_REPLICAS = 3

export function statusOf(facts: Facts, settings: Settings, loads: Loads): ClusterStatus {
  const topics = facts.topics.map(({ name, isInternal, partitions }) => ({
    name,
    isInternal,
    replicationFactor: Math.max(0, ...partitions.map(({ replicas }) => replicas.length)),
    partitions: partitions.map(({ partition, leaderId, replicas, isr }) => ({ partition, leader: leaderId, replicas, isr })),
  }))
  const all = topics.flatMap(({ name, partitions }) => partitions.map(partition => ({ topic: name, ...partition })))
  const named = (wanted: (partition: (typeof all)[number]) => boolean) =>
    all.filter(wanted).map(({ topic, partition }) => `${topic}-${partition}`)
  const nodes = nodesOf(facts, topics, loads)
  return {
    clusterId: facts.clusterId,
    quorum: facts.quorum && {
      leaderId: facts.quorum.leaderId,
      leaderEpoch: facts.quorum.leaderEpoch,
      highWatermark: facts.quorum.highWatermark,
      voters: facts.quorum.voters.map(({ nodeId }) => nodeId).sort(ascending),
      observers: facts.quorum.observers.map(({ nodeId }) => nodeId).sort(ascending),
    },
    quorumError: facts.quorumError?.message ?? null,
    nodes,
    topics,
    leaderless: named(({ leader }) => leader < 0),
    belowMinInsync: named(
      ({ topic, leader, isr, replicas }) => leader >= 0 && isr.length < Math.min(settings.minInsync.get(topic) ?? 1, replicas.length),
    ),
    underReplicated: named(({ isr, replicas }) => isr.length < replicas.length),
    warnings: warningsOf(nodes, topics, settings),
  }
}

function nodesOf(facts: Facts, topics: readonly TopicStatus[], loads: Loads): NodeStatus[] {
  const partitions = topics.flatMap(topic => topic.partitions)
  const members = membersOf(facts)
  const ids = new Set([...facts.brokers.map(({ nodeId }) => nodeId), ...members.keys(), ...partitions.flatMap(({ replicas }) => replicas)])
  return [...ids].sort(ascending).map(id => {
    const broker = facts.brokers.find(({ nodeId }) => nodeId === id)
    const replicas = partitions.filter(partition => partition.replicas.includes(id))
    const { role, lostVote, metadataLag, silentMs } = members.get(id) ?? NO_MEMBER
    const isBroker = broker !== undefined || replicas.length > 0
    return {
      id,
      host: broker?.host ?? null,
      port: broker?.port ?? null,
      rack: broker?.rack ?? null,
      state: !isBroker ? 'controller' : broker === undefined || broker.isFenced ? 'down' : loads.get(id) === null ? 'silent' : 'up',
      role,
      lostVote,
      metadataLag,
      silentMs,
      leads: partitions.filter(({ leader }) => leader === id).length,
      replicas: replicas.length,
      outOfSync: replicas.filter(({ isr }) => !isr.includes(id)).length,
      sizeBytes: loads.get(id)?.sizeBytes ?? null,
      usableBytes: loads.get(id)?.usableBytes ?? null,
    }
  })
}

type Member = Pick<NodeStatus, 'role' | 'lostVote' | 'metadataLag' | 'silentMs'>
const NO_MEMBER: Member = { role: null, lostVote: false, metadataLag: null, silentMs: null }

function membersOf({ quorum }: Facts): Map<number, Member> {
  if (quorum === null) return new Map()
  const leader = quorum.voters.find(({ nodeId }) => nodeId === quorum.leaderId)
  const member = (role: 'voter' | 'observer') => (replica: (typeof quorum.voters)[number]) => {
    const isLeader = replica.nodeId === quorum.leaderId
    const known = leader !== undefined && replica.logEndOffset >= 0
    const heard = leader !== undefined && replica.lastFetchTimestamp >= 0
    const facts: Member = {
      role: isLeader ? 'leader' : role,
      lostVote: role === 'observer' && quorum.voters.some(({ nodeId }) => nodeId === replica.nodeId),
      metadataLag: known ? Math.max(0, leader.logEndOffset - replica.logEndOffset) : null,
      silentMs: isLeader ? 0 : heard ? Math.max(0, leader.lastFetchTimestamp - replica.lastFetchTimestamp) : null,
    }
    return [replica.nodeId, facts] as const
  }
  // A voter whose node came back with another directory stands in both lists: what is there now is the observer.
  return new Map([...quorum.voters.map(member('voter')), ...quorum.observers.map(member('observer'))])
}

/** What nothing is wrong with yet. */
function warningsOf(nodes: readonly NodeStatus[], topics: readonly TopicStatus[], settings: Settings): string[] {
  const brokers = nodes.filter(({ state }) => state !== 'controller').length
  const wanted = Math.min(WANTED_REPLICAS, brokers)
  const warnings: string[] = []
  const factor = settings.defaultReplicationFactor
  if (factor !== null && factor < wanted)
    warnings.push(
      `New topics get ${counted(factor, 'replica')} (default.replication.factor), as was right before there were ${brokers} brokers.\n  ${remedy(wanted, settings)}`,
    )
  for (const { id } of nodes.filter(({ lostVote }) => lostVote))
    warnings.push(`Node ${id} came back with another data directory than the one that votes: it follows, but the quorum counts it as away.`)
  const single = topics.filter(({ replicationFactor }) => replicationFactor === 1).map(({ name }) => name)
  if (wanted > 1 && single.length > 0) warnings.push(`Kept on one broker only, and away while it is: ${some(single)}`)
  return warnings
}

function remedy(wanted: number, { isFactorFixed }: Settings): string {
  if (isFactorFixed) return `To have ${wanted} from now on, set it in server.properties of each broker.`
  const insync = wanted === WANTED_REPLICAS ? ' min.insync.replicas=2' : ''
  return `To have ${wanted} from now on: ottla config set --brokers default.replication.factor=${wanted} offsets.topic.replication.factor=${wanted}${insync}`
}

const SHOWN = 12

/** The first of them, and how many more there are. */
export function some(names: readonly string[], shown = SHOWN): string {
  return names.length <= shown + 1 ? names.join(', ') : `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`
}

export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

function ascending(a: number, b: number): number {
  return a - b
}
