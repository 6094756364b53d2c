// The one table of configuration keys: Kafka's names, types, bounds and update modes (KafkaConfig, LogConfig of 4.3), and what they do here.
// What is listed has an effect; what has none is not there, or is `fixed`. Broker keys start as server.properties has them; a topic key that is
// not set takes the value of its broker synonyms.
// Where we differ from Kafka: log.flush.interval.messages is 1 (an acknowledged record is on disk), default.replication.factor can be changed while
// the broker runs (offsets.topic.replication.factor too), there is one log directory, and queued.max.request.bytes has a limit. Timeouts between nodes are
// short, because a lost leader is to be replaced within half a second. Nodes talk to each other on a listener of their own (internal.*, cluster.*).
import { isUuid } from '../util/uuid.ts'
import { parseOverrides } from './overrides.ts'
import { type ConfigValue, type Dynamic, type KeyDefinition, LONG_MAX, type Scope, type ValueType } from './values.ts'
import { whyNoAddresses, whyNoVoters } from './voters.ts'

type Rules = Partial<Pick<KeyDefinition, 'min' | 'max' | 'except' | 'oneOf' | 'filled' | 'fixed' | 'hidden' | 'synonyms'>> & {
  readonly dynamic?: Dynamic
  readonly check?: (value: never) => string | undefined
}
/** A default of null means "not set", and is the only way a value can be null. */
type ValueOf<V, D extends V | null> = D extends null ? V | null : V

function key<V extends ConfigValue, S extends Scope>(
  type: ValueType,
  scope: S,
  initial: V,
  doc: string,
  rules: Rules = {},
): KeyDefinition<V, S> {
  return { type, scope, default: initial, doc, dynamic: 'readOnly', fixed: false, hidden: false, synonyms: [], ...rules } as KeyDefinition<
    V,
    S
  >
}
const bool = <S extends Scope>(scope: S, initial: boolean, doc: string, rules?: Rules) =>
  key<boolean, S>('boolean', scope, initial, doc, rules)
const text = <S extends Scope, D extends string | null>(scope: S, initial: D, doc: string, rules?: Rules) =>
  key('string', scope, initial as ValueOf<string, D>, doc, rules)
const list = <S extends Scope, D extends readonly string[] | null>(scope: S, initial: D, doc: string, rules?: Rules) =>
  key('list', scope, initial as ValueOf<readonly string[], D>, doc, rules)
const short = <S extends Scope, D extends number | null>(scope: S, initial: D, doc: string, rules?: Rules) =>
  key('short', scope, initial as ValueOf<number, D>, doc, rules)
const int = <S extends Scope, D extends number | null>(scope: S, initial: D, doc: string, rules?: Rules) =>
  key('int', scope, initial as ValueOf<number, D>, doc, rules)
const long = <S extends Scope, D extends number | null>(scope: S, initial: D, doc: string, rules?: Rules) =>
  key('long', scope, initial as ValueOf<number, D>, doc, rules)
/** Never shown to anybody. */
const password = <S extends Scope>(scope: S, doc: string, rules?: Rules) => key<string | null, S>('password', scope, null, doc, rules)
const double = <S extends Scope>(scope: S, initial: number, doc: string, rules?: Rules) =>
  key<number, S>('double', scope, initial, doc, rules)
/** A word out of a closed list; the type of the value is that list. */
const word = <S extends Scope, W extends string>(scope: S, oneOf: readonly W[], initial: W, doc: string, rules?: Rules) =>
  key<W, S>('string', scope, initial, doc, { ...rules, oneOf })

/** Other names of a broker key or of a topic key, the strongest first. */
const from = (...keys: readonly (string | readonly [string, number])[]): Rules => ({
  synonyms: keys.map(entry => (typeof entry === 'string' ? { key: entry, scale: 1 } : { key: entry[0], scale: entry[1] })),
})
const everywhere: Rules = { dynamic: 'clusterWide' }
const fixed: Rules = { fixed: true }

const MIB = 1024 * 1024
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const CODECS = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] as const
const TIMESTAMP_TYPES = ['CreateTime', 'LogAppendTime'] as const
const POLICIES = { oneOf: ['delete', 'compact'], filled: true }
const SELECTORS = ['org.apache.kafka.common.replica.RackAwareReplicaSelector', 'org.apache.kafka.common.replica.LeaderSelector']
const perhapsForEver = (value: number) => (value === 0 || value < -1 ? 'Value must be -1 (no limit) or at least 1' : undefined)

// biome-ignore format: a table reads best with one key to a line
export const KEYS = {
  // ------------------------------------------------------------------------------------------------------------------ the node and its doors
  'node.id': int('broker', 1, 'The id of this node in the cluster.', { min: 0 }),
  'broker.id': int('broker', -1, 'Older name of node.id.', { min: 0, except: -1 }),
  'process.roles': list('broker', ['broker', 'controller'], 'What this node does: broker (keeps partitions, serves clients), controller (has a voice in the metadata log), or both.', { oneOf: ['broker', 'controller'], filled: true }),
  'broker.rack': text('broker', null, 'The rack this broker stands in; replicas of a partition are spread over racks.'),
  'listeners': list('broker', ['PLAINTEXT://:9092'], 'Where to listen: NAME://host:port, separated by commas. No host: all interfaces. Port 0: any free port.', { filled: true }),
  'advertised.listeners': list('broker', null, 'The addresses clients are told, when they differ from listeners.'),
  'listener.security.protocol.map': text('broker', 'PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL', 'The protocol of each listener name. A listener in use must have PLAINTEXT.'),
  'inter.broker.listener.name': text('broker', null, 'The listener brokers use among themselves; one of listeners.'),
  'controller.listener.names': list('broker', [], 'Those of listeners that are not for clients. In a cluster of several nodes the first of them is the internal listener, unless internal.port says otherwise.'),
  'log.dir': text('broker', null, 'The data directory, when log.dirs is not set.'),
  'log.dirs': list('broker', null, 'The data directory. One node has one.', { check: (dirs: readonly string[]) => (dirs.length > 1 ? 'A node has one data directory' : undefined) }),
  'log.dir.free.bytes.min': long('broker', 32 * MIB, 'Produce is refused while the disk has fewer free bytes; what is left is for metadata, deletions and the index. 0: no floor.', { min: 0, ...everywhere }),
  'max.connections': int('broker', 2_147_483_647, 'Client connections open at once; more are closed on arrival. At most half of the files the process may open, whatever is set. listener.name.NAME.max.connections is the same for one listener.', { min: 0, ...everywhere }),
  'max.connections.per.ip': int('broker', 2_147_483_647, 'Client connections open at once from one address; more are closed on arrival.', { min: 0, ...everywhere }),
  'max.connections.per.ip.overrides': text('broker', '', 'max.connections.per.ip of single addresses: ADDRESS:COUNT, separated by commas.', { check: (overrides: string) => (parseOverrides(overrides) === undefined ? 'Entries must be ADDRESS:COUNT' : undefined), ...everywhere }),
  'connections.max.idle.ms': long('broker', 10 * MINUTE, 'A connection without traffic is closed after this long; -1: never.', { min: 1, except: -1 }),
  'socket.request.max.bytes': int('broker', 100 * MIB, 'The longest request in bytes; a longer one closes its connection.', { min: 1 }),
  'queued.max.request.bytes': long('broker', 24 * MIB, 'Bytes of requests in memory at once, whole and partly received, of all connections; beyond it connections are read from later. -1: no limit.', { min: 1, except: -1 }),
  'max.request.partition.size.limit': int('broker', 2000, 'Partitions one answer to DescribeTopicPartitions may hold.', { min: 1 }),
  'inter.broker.protocol.version': text('broker', '4.4', 'The version of the protocol between brokers, for tools that ask.', fixed),

  // -------------------------------------------------------------------------------------------------------------------------- many nodes
  'controller.quorum.voters': list('broker', [], 'The voters of the metadata log as id@host:port, with the ports of their internal listeners. Empty: this node alone; on a broker without the role controller: those that controller.quorum.bootstrap.servers know.', { check: (voters: readonly string[]) => whyNoVoters(voters) }),
  'controller.quorum.bootstrap.servers': list('broker', [], 'Internal addresses (host:port) of nodes of the cluster, of which one must be there when a broker without the role controller joins it.', { check: (servers: readonly string[]) => whyNoAddresses(servers) }),
  'internal.host': text('broker', null, 'Where this node listens for the other nodes, and what they are told. Not set: the host of its entry in controller.quorum.voters is told, and the interface is that of the first listener.'),
  'internal.port': int('broker', null, 'The port for the other nodes; 0: any free one. Not set: that of its entry in controller.quorum.voters, else the port of its first listener plus 1000. A node alone has none, unless this or cluster.secret is set.', { min: 0, max: 65_535 }),
  'cluster.id': text('broker', null, 'The cluster this node must belong to. Not set: the one in its data directory, or of the nodes it meets; a new one gets an id at random.', { check: (id: string) => (isUuid(id) ? undefined : 'It must be a uuid of 22 characters, as in the data directory or out of `kafka-storage random-uuid`') }),
  'cluster.secret': password('broker', 'What the nodes of a cluster know each other by: the same text on each of them.', { check: (secret: string) => (secret.length < 8 ? 'It must have at least 8 characters' : undefined) }),
  'cluster.secret.file': text('broker', null, 'A file with the cluster secret, instead of cluster.secret.'),
  'gossip.enable': bool('broker', true, 'Nodes in processes of their own tell each other hints: where they are, who leads, how busy they are. Without it a change may be noticed later.'),
  'gossip.port': int('broker', 0, 'The port for gossip between nodes; 0: any free one, which the others are told.', { min: 0, max: 65_535 }),
  'broker.heartbeat.interval.ms': int('broker', 200, 'How often a broker tells the controller that it lives.', { min: 1 }),
  'broker.session.timeout.ms': int('broker', 1500, 'A broker that was not heard of for so long leads nothing any more. One whose connection is closed and refused is not waited for.', { min: 2 }),
  'controller.quorum.fetch.timeout.ms': int('broker', 1000, 'A voter that heard nothing from the leader of the metadata log for so long wants to lead; a leader that no majority asked for so long resigns.', { min: 10 }),
  'controller.quorum.election.timeout.ms': int('broker', 300, 'An election that nobody won in this time, plus some at random, is held again.', { min: 10 }),
  'controlled.shutdown.enable': bool('broker', true, 'A broker that is closed hands over what it leads first.'),
  'auto.leader.rebalance.enable': bool('broker', true, 'Leadership goes back to the first replica of a partition when that is in sync again.'),
  'leader.imbalance.check.interval.seconds': long('broker', 300, 'How often that is looked for, besides shortly after a broker came back.', { min: 1 }),
  'replica.lag.time.max.ms': long('broker', 1500, 'A follower that was not at the end of the log for so long is not in sync any more.', { min: 1 }),
  'replica.fetch.wait.max.ms': int('broker', 500, 'How long a leader holds a follower\'s fetch when there is nothing new.', { min: 1 }),
  'replica.fetch.min.bytes': int('broker', 1, 'A follower\'s fetch is held until so many bytes are there.', { min: 0 }),
  'replica.fetch.max.bytes': int('broker', MIB, 'What a follower fetches of one partition at a time; a larger batch is fetched alone.', { min: 0 }),
  'replica.fetch.response.max.bytes': int('broker', 10 * MIB, 'What a follower fetches of one leader at a time; a larger batch is fetched alone.', { min: 0 }),
  'replica.selector.class': text('broker', null, 'How consumers that name their rack are sent to a follower: org.apache.kafka.common.replica.RackAwareReplicaSelector. Not set: all read from the leader.', { check: (name: string) => (SELECTORS.includes(name) ? undefined : `It must be one of: ${SELECTORS.join(', ')}`) }),

  // --------------------------------------------------------------------------------------------------------------------------------- topics
  'num.partitions': int('broker', 1, 'Partitions of a topic that is created without a count.', { min: 1 }),
  'default.replication.factor': int('broker', 1, 'Replicas of a topic that is created without a count.', { min: 1, max: 32_767, ...everywhere }),
  'auto.create.topics.enable': bool('broker', true, 'A client that asks for a missing topic has it created.'),
  'delete.topic.enable': bool('broker', true, 'Topics may be deleted.'),
  'min.insync.replicas': int('both', 1, 'Replicas that must be in sync before a write with acks=all is accepted; a topic with fewer replicas needs them all.', { min: 1, ...everywhere, ...from('min.insync.replicas') }),
  'unclean.leader.election.enable': bool('both', false, 'A replica that may lack acknowledged records is elected when no other is left.', { ...everywhere, ...from('unclean.leader.election.enable') }),

  // ------------------------------------------------------------------------------------------------------------------------- what is written
  'max.message.bytes': int('topic', 1_048_588, 'The largest record batch in bytes, as it is stored.', { min: 0, ...from('message.max.bytes') }),
  'message.max.bytes': int('broker', 1_048_588, 'The largest record batch in bytes, as it is stored.', { min: 0, ...everywhere }),
  'compression.type': word('both', CODECS, 'producer', 'The codec of stored batches; "producer" keeps what the producer chose.', { ...everywhere, ...from('compression.type') }),
  'compression.gzip.level': int('both', -1, 'Level of gzip when the broker compresses; -1 is its default.', { min: 1, max: 9, except: -1, ...everywhere, ...from('compression.gzip.level') }),
  'compression.zstd.level': int('both', 3, 'Level of zstd when the broker compresses.', { min: -131_072, max: 22, ...everywhere, ...from('compression.zstd.level') }),
  'message.timestamp.type': word('topic', TIMESTAMP_TYPES, 'CreateTime', 'Whose time a record carries: the producer\'s (CreateTime) or the broker\'s (LogAppendTime).', from('log.message.timestamp.type')),
  'log.message.timestamp.type': word('broker', TIMESTAMP_TYPES, 'CreateTime', 'message.timestamp.type of topics that do not set it.', everywhere),
  'message.timestamp.before.max.ms': long('topic', LONG_MAX, 'How far a producer\'s timestamp may lie in the past.', { min: 0, ...from('log.message.timestamp.before.max.ms') }),
  'log.message.timestamp.before.max.ms': long('broker', LONG_MAX, 'message.timestamp.before.max.ms of topics that do not set it.', { min: 0, ...everywhere }),
  'message.timestamp.after.max.ms': long('topic', HOUR, 'How far a producer\'s timestamp may lie in the future.', { min: 0, ...from('log.message.timestamp.after.max.ms') }),
  'log.message.timestamp.after.max.ms': long('broker', HOUR, 'message.timestamp.after.max.ms of topics that do not set it.', { min: 0, ...everywhere }),
  'flush.messages': long('topic', 1, '1: a record is acknowledged when it is on disk. More: when it is written, and a flush starts after so many records.', { min: 1, ...from('log.flush.interval.messages') }),
  'log.flush.interval.messages': long('broker', 1, 'flush.messages of topics that do not set it. 9223372036854775807 is Kafka\'s default: never.', { min: 1, ...everywhere }),
  'flush.ms': long('topic', LONG_MAX, 'With flush.messages above 1: a record is flushed at the latest this long after it was written.', { min: 0, ...from('log.flush.interval.ms') }),
  'log.flush.interval.ms': long('broker', null, 'flush.ms of topics that do not set it; not set: no limit.', { min: 0, ...everywhere }),
  'producer.id.expiration.ms': int('broker', DAY, 'A partition forgets an idle producer\'s sequence numbers after this long.', { min: 1, ...everywhere }),

  // ---------------------------------------------------------------------------------------------------------------------- segments, retention
  'segment.bytes': int('topic', 1024 * MIB, 'Largest size of one segment file.', { min: MIB, ...from('log.segment.bytes') }),
  'log.segment.bytes': int('broker', 1024 * MIB, 'segment.bytes of topics that do not set it.', { min: MIB, ...everywhere }),
  'internal.segment.bytes': int('topic', null, 'Overrides segment.bytes without its lower bound.', { min: 1024, hidden: true }),
  'segment.ms': long('topic', 7 * DAY, 'A segment is closed when its records span this much time.', { min: 1, ...from('log.roll.ms', ['log.roll.hours', HOUR]) }),
  'log.roll.ms': long('broker', null, 'segment.ms of topics that do not set it; log.roll.hours when not set.', { min: 1, ...everywhere, ...from(['log.roll.hours', HOUR]) }),
  'log.roll.hours': int('broker', 168, 'log.roll.ms in hours.', { min: 1 }),
  'segment.jitter.ms': long('topic', 0, 'At most this much is taken off segment.ms at random, so that partitions do not roll together.', { min: 0, ...from('log.roll.jitter.ms', ['log.roll.jitter.hours', HOUR]) }),
  'log.roll.jitter.ms': long('broker', null, 'segment.jitter.ms of topics that do not set it; log.roll.jitter.hours when not set.', { min: 0, ...everywhere, ...from(['log.roll.jitter.hours', HOUR]) }),
  'log.roll.jitter.hours': int('broker', 0, 'log.roll.jitter.ms in hours.', { min: 0 }),
  'cleanup.policy': list('topic', ['delete'], 'What happens to old segments: they are deleted, or compacted (the newest record of each key stays), or both.', { ...POLICIES, ...from('log.cleanup.policy') }),
  'log.cleanup.policy': list('broker', ['delete'], 'cleanup.policy of topics that do not set it.', { ...POLICIES, ...everywhere }),
  'retention.ms': long('topic', 7 * DAY, 'Segments whose newest record is older are deleted; -1: never.', { min: -1, ...from('log.retention.ms', ['log.retention.minutes', MINUTE], ['log.retention.hours', HOUR]) }),
  'log.retention.ms': long('broker', null, 'retention.ms of topics that do not set it; log.retention.minutes when not set.', { check: perhapsForEver, ...everywhere, ...from(['log.retention.minutes', MINUTE], ['log.retention.hours', HOUR]) }),
  'log.retention.minutes': int('broker', null, 'log.retention.ms in minutes; log.retention.hours when not set.', { check: perhapsForEver, ...from(['log.retention.hours', 60]) }),
  'log.retention.hours': int('broker', 168, 'log.retention.ms in hours.', { check: perhapsForEver }),
  'retention.bytes': long('topic', -1, 'The oldest segments beyond this size of a partition are deleted; -1: no limit.', { min: -1, ...from('log.retention.bytes') }),
  'log.retention.bytes': long('broker', -1, 'retention.bytes of topics that do not set it.', { min: -1, ...everywhere }),
  'log.retention.check.interval.ms': long('broker', 300_000, 'How often segments are checked for retention.', { min: 1 }),
  'index.interval.bytes': int('topic', 4096, 'An index entry is made at most every so many bytes of log.', { min: 0, ...from('log.index.interval.bytes') }),
  'log.index.interval.bytes': int('broker', 4096, 'index.interval.bytes of topics that do not set it.', { min: 0, ...everywhere }),
  'file.delete.delay.ms': long('topic', MINUTE, 'How long the files of deleted data stay.', { min: 0, ...from('log.segment.delete.delay.ms') }),
  'log.segment.delete.delay.ms': long('broker', MINUTE, 'file.delete.delay.ms of topics that do not set it.', { min: 0, ...everywhere }),

  // ------------------------------------------------------------------------------------------------------------------------------ compaction
  'min.cleanable.dirty.ratio': double('topic', 0.5, 'A log is compacted when more than this share of it has not been yet.', { min: 0, max: 1, ...from('log.cleaner.min.cleanable.ratio') }),
  'log.cleaner.min.cleanable.ratio': double('broker', 0.5, 'min.cleanable.dirty.ratio of topics that do not set it.', { min: 0, max: 1, ...everywhere }),
  'min.compaction.lag.ms': long('topic', 0, 'A record is not compacted away while it is younger.', { min: 0, ...from('log.cleaner.min.compaction.lag.ms') }),
  'log.cleaner.min.compaction.lag.ms': long('broker', 0, 'min.compaction.lag.ms of topics that do not set it.', { min: 0, ...everywhere }),
  'max.compaction.lag.ms': long('topic', LONG_MAX, 'A log with older records that were not compacted yet is, whatever min.cleanable.dirty.ratio says.', { min: 1, ...from('log.cleaner.max.compaction.lag.ms') }),
  'log.cleaner.max.compaction.lag.ms': long('broker', LONG_MAX, 'max.compaction.lag.ms of topics that do not set it.', { min: 1, ...everywhere }),
  'delete.retention.ms': long('topic', DAY, 'How long a tombstone stays after the first compaction that meets it.', { min: 0, ...from('log.cleaner.delete.retention.ms') }),
  'log.cleaner.delete.retention.ms': long('broker', DAY, 'delete.retention.ms of topics that do not set it.', { min: 0, ...everywhere }),
  'log.cleaner.enable': bool('broker', true, 'Logs whose cleanup.policy says so are compacted.'),
  'log.cleaner.backoff.ms': long('broker', 15_000, 'How long the cleaner rests when no log is worth compacting.', { min: 0, ...everywhere }),
  'log.cleaner.dedupe.buffer.size': long('broker', 128 * MIB, 'Memory for the keys of one compaction, 24 bytes each; a log with more keys is compacted in several rounds.', { min: MIB, ...everywhere }),
  'log.cleaner.io.buffer.load.factor': double('broker', 0.9, 'How full that memory may become: the fuller, the more it holds, and the slower it is.', { min: 0.01, max: 0.95, ...everywhere }),
  'log.cleaner.io.max.bytes.per.second': double('broker', Number.MAX_VALUE, 'Compaction reads and writes no more than this.', { min: 1, ...everywhere }),

  // --------------------------------------------------------------------------------------------------------------------------------- fetches
  'fetch.max.bytes': int('broker', 55 * MIB, 'The most bytes in one answer to Fetch.', { min: 1024 }),
  'max.incremental.fetch.session.cache.slots': int('broker', 1000, 'Incremental fetch sessions kept.', { min: 0 }),

  // ---------------------------------------------------------------------------------------------------------------------- groups and offsets
  'offsets.topic.num.partitions': int('broker', 50, 'Partitions of __consumer_offsets, when it is made.', { min: 1 }),
  'offsets.topic.replication.factor': short('broker', 1, 'Replicas of __consumer_offsets, when it is made.', { min: 1, ...everywhere }),
  'offsets.topic.segment.bytes': int('broker', 100 * MIB, 'segment.bytes of __consumer_offsets, when it is made.', { min: 1 }),
  'offsets.retention.minutes': int('broker', 7 * 24 * 60, 'Committed offsets are forgotten so long after their group became empty, or after their commit where there is no group.', { min: 1 }),
  'offsets.retention.check.interval.ms': long('broker', 10 * MINUTE, 'How often expired offsets and empty groups are looked for.', { min: 1 }),
  'offset.metadata.max.bytes': int('broker', 4096, 'The longest metadata a commit may carry, in characters as Kafka counts them.'),
  'group.min.session.timeout.ms': int('broker', 6000, 'The shortest session timeout a member of a classic group may ask for.'),
  'group.max.session.timeout.ms': int('broker', 30 * MINUTE, 'The longest session timeout a member of a classic group may ask for.'),
  'group.initial.rebalance.delay.ms': int('broker', 0, 'How long a classic group that was empty waits for more members before its first rebalance; Kafka\'s default is 3000.'),
  'group.max.size': int('broker', 2_147_483_647, 'Members a classic group may have.', { min: 1 }),

  // ---------------------------------------------------------------------------------------- listed for clients and tools, one value possible
  'segment.index.bytes': int('topic', 10 * MIB, 'The index has no size limit of its own.', fixed),
  'compression.lz4.level': int('both', 9, 'The broker compresses with lz4 at its fast level.', { ...fixed, ...from('compression.lz4.level') }),
  'preallocate': bool('topic', false, 'Segment files are never allocated ahead.', fixed),
  'leader.replication.throttled.replicas': list('topic', [], 'Replication is not throttled.', fixed),
  'follower.replication.throttled.replicas': list('topic', [], 'Replication is not throttled.', fixed),
  'remote.storage.enable': bool('topic', false, 'There is no tiered storage.', fixed),
  'remote.log.copy.disable': bool('topic', false, 'There is no tiered storage.', fixed),
  'remote.log.delete.on.disable': bool('topic', false, 'There is no tiered storage.', fixed),
  'local.retention.ms': long('topic', -2, 'Of tiered storage: -2 is retention.ms.', fixed),
  'local.retention.bytes': long('topic', -2, 'Of tiered storage: -2 is retention.bytes.', fixed),
} as const

type Keys = typeof KEYS
export type AnyKey = keyof Keys
/** Keys of server.properties. */
export type ConfigKey = { [K in AnyKey]: Keys[K] extends KeyDefinition<never, 'topic'> ? never : K }[AnyKey]
/** Keys of a topic. */
export type TopicKey = { [K in AnyKey]: Keys[K] extends KeyDefinition<never, 'broker'> ? never : K }[AnyKey]
export type ValueAt<K extends AnyKey> = Keys[K]['default']

export function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(KEYS, name) && KEYS[name as AnyKey].scope !== 'topic'
}

export function isTopicKey(name: string): name is TopicKey {
  return Object.hasOwn(KEYS, name) && KEYS[name as AnyKey].scope !== 'broker'
}

export const CONFIG_KEYS: readonly ConfigKey[] = Object.keys(KEYS).filter(isConfigKey)
export const TOPIC_KEYS: readonly TopicKey[] = Object.keys(KEYS).filter(isTopicKey)

/** The definition without the type of its value, for code that treats all keys alike. */
export function definitionOf(name: AnyKey): KeyDefinition {
  return KEYS[name] as KeyDefinition
}
