// The configuration of a node and of its topics. One table (config/keys.ts) gives parsing, effective values, DescribeConfigs and docs.
//
// A topic's value is, the strongest first: its own override (metadata) · this broker's dynamic config (metadata, 'broker/ID') · the default of all
// brokers (metadata, 'broker/') · server.properties or -X · the default in the table. A broker's value is the same without the first.
import { checkCluster } from './config/cluster.ts'
import { CONFIG_KEYS, type ConfigKey, definitionOf, isConfigKey, type TopicKey, type ValueAt } from './config/keys.ts'
import { explainUnknown, REFUSED } from './config/unknown.ts'
import { ConfigError, type ConfigValue, parseValue } from './config/values.ts'
import type { LogConfig } from './log/config.ts'
import { assert } from './util/assert.ts'

export { hasRole, type InternalListener, internalListener, isAlone, quorumVoters } from './config/cluster.ts'
export {
  type ConfigSource,
  type DescribedConfig,
  describeBrokerConfigs,
  describeClusterConfigs,
  describeTopicConfigs,
  SOURCE_DEFAULT,
  SOURCE_DYNAMIC_BROKER,
  SOURCE_DYNAMIC_DEFAULT,
  SOURCE_STATIC,
  SOURCE_TOPIC,
} from './config/describe.ts'
export { CONFIG_KEYS, type ConfigKey, isConfigKey, isTopicKey, KEYS, TOPIC_KEYS, type TopicKey } from './config/keys.ts'
export { clientListeners, type ListenerConfig } from './config/listeners.ts'
export { parseOverrides } from './config/overrides.ts'
export { parseProperties } from './config/properties.ts'
export { explainUnknownTopicKey } from './config/unknown.ts'
export { ConfigError, LONG_MAX } from './config/values.ts'
export { type NodeAddress, parseAddress, type VoterAddress } from './config/voters.ts'

/** `config['num.partitions']` is a number: one typed value for every broker key. */
export type Config = { readonly [K in ConfigKey]: ValueAt<K> } & {
  /** What was written in server.properties or on the command line, by key; the rest are defaults. */
  readonly properties: ReadonlyMap<string, string>
}

/** What the metadata log holds for a topic on a broker. */
export interface ConfigLayers {
  readonly topic?: ReadonlyMap<string, string> | undefined
  /** Of this broker. */
  readonly broker?: ReadonlyMap<string, string> | undefined
  /** The default of all brokers. */
  readonly cluster?: ReadonlyMap<string, string> | undefined
}

export interface TopicConfig extends LogConfig {
  readonly minInsyncReplicas: number
  readonly uncleanLeaderElectionEnable: boolean
}

/**
 * @param options.onUnknown  told of keys that have no effect (a sentence for the user); without it such a key is an error
 * @throws ConfigError
 */
export function parseConfig(
  properties: Readonly<Record<string, string>>,
  options: { readonly onUnknown?: (key: string, sentence: string) => void } = {},
): Config {
  const given = new Map<string, string>()
  for (const [key, value] of Object.entries(properties)) {
    const refused = REFUSED.get(key)
    if (refused !== undefined && value.trim() !== '') throw new ConfigError(key, `${key} is not supported: ${refused}`)
    if (isConfigKey(key)) given.set(key, value)
    else if (LISTENER_LIMIT.test(key)) given.set(key, checkedCount(key, value))
    else if (options.onUnknown === undefined) throw new ConfigError(key, explainUnknown(key))
    else options.onUnknown(key, explainUnknown(key))
  }
  uniteNodeIds(given)
  const config = readBrokerKeys([given], given)
  checkCluster(config)
  return config
}

/** The broker's values with its dynamic configs over those it was started with. Dynamic values were checked before they were agreed on. */
export function brokerConfig(config: Config, layers: Omit<ConfigLayers, 'topic'>): Config {
  return readBrokerKeys([layers.broker ?? NOTHING, layers.cluster ?? NOTHING, config.properties], config.properties)
}

/** The effective values of a topic. Without `layers.topic`: of one that sets nothing. */
export function topicConfig(config: Config, layers: ConfigLayers): TopicConfig {
  const value = <K extends TopicKey>(key: K): ValueAt<K> => topicValue(config, layers, key)
  const segmentBytes = value('segment.bytes')
  assert(segmentBytes !== null, 'segment.bytes is never without a value')
  return {
    segmentBytes: value('internal.segment.bytes') ?? segmentBytes,
    segmentMs: value('segment.ms'),
    segmentJitterMs: value('segment.jitter.ms'),
    flushMessages: value('flush.messages'),
    flushMs: value('flush.ms'),
    retentionMs: value('retention.ms'),
    retentionBytes: value('retention.bytes'),
    maxMessageBytes: value('max.message.bytes'),
    indexIntervalBytes: value('index.interval.bytes'),
    fileDeleteDelayMs: value('file.delete.delay.ms'),
    messageTimestampType: value('message.timestamp.type'),
    messageTimestampBeforeMaxMs: value('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: value('message.timestamp.after.max.ms'),
    compressionType: value('compression.type'),
    compressionGzipLevel: value('compression.gzip.level'),
    compressionLz4Level: value('compression.lz4.level'),
    compressionZstdLevel: value('compression.zstd.level'),
    cleanupPolicy: value('cleanup.policy') as TopicConfig['cleanupPolicy'],
    minCleanableDirtyRatio: value('min.cleanable.dirty.ratio'),
    minCompactionLagMs: value('min.compaction.lag.ms'),
    maxCompactionLagMs: value('max.compaction.lag.ms'),
    deleteRetentionMs: value('delete.retention.ms'),
    producerIdExpirationMs: brokerValue(config, layers, 'producer.id.expiration.ms'),
    minInsyncReplicas: value('min.insync.replicas'),
    uncleanLeaderElectionEnable: value('unclean.leader.election.enable'),
  }
}

/** @throws ConfigError; its message is for whoever sent the value */
export function parseTopicValue<K extends TopicKey>(key: K, text: string): ValueAt<K> {
  return parseValue(key, definitionOf(key), text) as ValueAt<K>
}

/** @throws ConfigError; its message is for whoever sent the value */
export function parseBrokerValue<K extends ConfigKey>(key: K, text: string): ValueAt<K> {
  return parseValue(key, definitionOf(key), text) as ValueAt<K>
}

const LISTENER_LIMIT = /^listener\.name\.(.+)\.max\.connections$/

function checkedCount(key: string, value: string): string {
  parseValue(key, definitionOf('max.connections'), value)
  return value
}

/** listener.name.NAME.max.connections, by the listener's name in lower case. */
export function listenerConnectionLimits(config: Config): Map<string, number> {
  const limits = new Map<string, number>()
  for (const [key, value] of config.properties) {
    const listener = LISTENER_LIMIT.exec(key)?.[1]
    if (listener !== undefined) limits.set(listener.toLowerCase(), Number(value))
  }
  return limits
}

const NOTHING: ReadonlyMap<string, string> = new Map()

type Layer = ReadonlyMap<string, string>

function brokerLayers(config: Config, layers: ConfigLayers): readonly Layer[] {
  return [layers.broker ?? NOTHING, layers.cluster ?? NOTHING, config.properties]
}

/** One effective value; `topicConfig` has all a log needs. */
export function topicValue<K extends TopicKey>(config: Config, layers: ConfigLayers, key: K): ValueAt<K> {
  const definition = definitionOf(key)
  const own = layers.topic?.get(key)
  if (own !== undefined) return parseValue(key, definition, own) as ValueAt<K>
  return (throughSynonyms(definition.synonyms, brokerLayers(config, layers)) ?? definition.default) as ValueAt<K>
}

/** The first synonym that is set in the strongest layer, else the first with a default. */
function throughSynonyms(synonyms: readonly { readonly key: string; readonly scale: number }[], layers: readonly Layer[]): ConfigValue {
  for (const layer of layers) {
    for (const { key, scale } of synonyms) {
      const text = layer.get(key)
      if (text !== undefined) return scaled(parseValue(key, definitionOf(key as ConfigKey), text), scale)
    }
  }
  for (const { key, scale } of synonyms) {
    const value = definitionOf(key as ConfigKey).default
    if (value !== null) return scaled(value, scale)
  }
  return null
}

/** Negative numbers mean "no limit" in every unit. */
function scaled(value: ConfigValue, scale: number): ConfigValue {
  return typeof value === 'number' && value > 0 ? Math.min(value * scale, Number.MAX_SAFE_INTEGER) : value
}

/** One value of a broker with its dynamic configs; `brokerConfig` has all. */
export function brokerValue<K extends ConfigKey>(config: Config, layers: Omit<ConfigLayers, 'topic'>, key: K): ValueAt<K> {
  return strongest(key, brokerLayers(config, layers))
}

function strongest<K extends ConfigKey>(key: K, layers: readonly Layer[]): ValueAt<K> {
  const definition = definitionOf(key)
  for (const layer of layers) {
    const text = layer.get(key)
    if (text !== undefined) return parseValue(key, definition, text) as ValueAt<K>
  }
  return definition.default as ValueAt<K>
}

function readBrokerKeys(layers: readonly Layer[], properties: Layer): Config {
  const values: Record<string, unknown> = { properties }
  for (const key of CONFIG_KEYS) values[key] = strongest(key, layers)
  values['broker.id'] = values['node.id']
  return Object.freeze(values) as Config
}

/** node.id and its older name: who gives one has given both. */
function uniteNodeIds(given: Map<string, string>): void {
  // Kafka's way of leaving it open.
  if (given.get('broker.id')?.trim() === '-1') given.delete('broker.id')
  const [nodeId, brokerId] = [given.get('node.id'), given.get('broker.id')]
  if (nodeId !== undefined && brokerId !== undefined && Number(nodeId) !== Number(brokerId))
    throw new ConfigError('broker.id', `node.id is ${nodeId} and broker.id is ${brokerId}: give one of them, or the same number`)
  const id = nodeId ?? brokerId
  if (id !== undefined) for (const key of ['node.id', 'broker.id']) given.set(key, id)
}
