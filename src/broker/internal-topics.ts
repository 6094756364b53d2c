import type { Config } from '../config.ts'

/** Topics the cluster keeps for itself: clients may read them, only the admin client may write to them (org.apache.kafka.common.internals.Topic). */
const INTERNAL_TOPICS: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state'])

/** How __consumer_offsets is made; undefined for a topic that has the broker's defaults. */
export function ownTopic(name: string, config: Config) {
  if (name !== '__consumer_offsets') return undefined
  return {
    numPartitions: config['offsets.topic.num.partitions'],
    replicationFactor: config['offsets.topic.replication.factor'],
    configs: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'compression.type', value: 'producer' },
      { name: 'segment.bytes', value: String(config['offsets.topic.segment.bytes']) },
    ],
  }
}

export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name)
}
