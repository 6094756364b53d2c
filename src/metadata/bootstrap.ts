// What a new cluster agrees on besides its id: its defaults. Who configured them keeps what was configured, on all brokers alike.
import { CONFIG_KEYS, type Config, type ConfigKey } from '../config.ts'
import { brokerResource } from './image.ts'
import type { MetadataRecord } from './records.ts'

/** More copies cost more than they save, unless somebody asks for them. */
const MAX_REPLICAS = 3
const REPLICATION_KEYS: readonly ConfigKey[] = ['default.replication.factor', 'offsets.topic.replication.factor']
const MIN_INSYNC: ConfigKey = 'min.insync.replicas'

/**
 * The defaults of all brokers of a cluster that begins with so many.
 * @param config  of the node that forms it
 * @returns none for a node alone: what it was started with holds
 */
export function clusterDefaults(nodeCount: number, config: Config): MetadataRecord[] {
  if (nodeCount < 2) return []
  const replicas = Math.min(MAX_REPLICAS, nodeCount)
  const values = new Map<ConfigKey, number>([...REPLICATION_KEYS.map(key => [key, replicas] as const), [MIN_INSYNC, replicas > 2 ? 2 : 1]])
  return [...values]
    .filter(([key]) => CONFIG_KEYS.includes(key))
    .map(([key, value]) => ({ type: 'configChanged', resource: brokerResource(), key, value: config.properties.get(key) ?? `${value}` }))
}

/** Leaders and the controller must count with one number: where none was agreed on, the controller's is, once there are two brokers. */
export function agreedMinInsync(configs: ReadonlyMap<string, ReadonlyMap<string, string>>, config: Config): MetadataRecord | undefined {
  if (configs.get(brokerResource())?.has(MIN_INSYNC) === true) return undefined
  return { type: 'configChanged', resource: brokerResource(), key: MIN_INSYNC, value: `${config[MIN_INSYNC]}` }
}
