// What the cluster has agreed on: brokers, topics and their partitions, configs, features, producer ids. `applyRecord` is the only way it
// changes; it reads no clock and no randomness, so equal logs give equal images on every node.
//
// The maps and a topic's list of partitions are changed in place; broker and partition images are replaced, never changed, so a reader may keep
// those. Who keeps an image across an event keeps a moving thing.
import { assert, unreachable } from '../util/assert.ts'
import type { Uuid } from '../util/uuid.ts'
import type { BrokerListener, InternalListener, MetadataRecord, PartitionState, SupportedFeature } from './records.ts'

export interface BrokerImage {
  readonly brokerId: number
  /** The offset of its registration. */
  readonly brokerEpoch: number
  readonly incarnationId: Uuid
  readonly directoryId: Uuid
  readonly rack: string | null
  /** Not to lead, not in any ISR, not named to clients. */
  readonly fenced: boolean
  readonly listeners: readonly BrokerListener[]
  readonly features: readonly SupportedFeature[]
  /** Where other nodes reach it; null: nowhere (a node alone). */
  readonly internalListener: InternalListener | null
  /** It still serves, but begins to lead nothing, and joins no ISR. */
  readonly shuttingDown: boolean
}

export type PartitionImage = PartitionState

export interface TopicImage {
  readonly name: string
  readonly topicId: Uuid
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionImage[]
}

export interface MetadataImage {
  /** '' before the cluster is formed. */
  clusterId: Uuid
  /** Exclusive: the entries applied. */
  offset: number
  /** Of the last entry applied; 0 before any. */
  epoch: number
  readonly brokers: Map<number, BrokerImage>
  readonly topics: Map<string, TopicImage>
  readonly topicsById: Map<Uuid, TopicImage>
  /** By resource ('topic/NAME', 'broker/ID', 'broker/' for the default of all brokers), then key. No empty inner maps. */
  readonly configs: Map<string, ReadonlyMap<string, string>>
  /** Finalized level by feature name. */
  readonly features: Map<string, number>
  /** All below are given away. */
  nextProducerId: number
}

export type ImageChange =
  | { readonly type: 'clusterFormed'; readonly clusterId: Uuid }
  /** Its partitions follow as `partitionChanged`. */
  | { readonly type: 'topicCreated'; readonly topic: TopicImage }
  /** With the partitions it had; its configs are gone without a change of their own. */
  | { readonly type: 'topicDeleted'; readonly topic: TopicImage }
  /** `previous` is missing for a new partition. */
  | {
      readonly type: 'partitionChanged'
      readonly topic: TopicImage
      readonly partition: PartitionImage
      readonly previous: PartitionImage | undefined
    }
  /** `broker` is missing when it was unregistered, `previous` when it is new. A new incarnation has another brokerEpoch. */
  | {
      readonly type: 'brokerChanged'
      readonly brokerId: number
      readonly broker: BrokerImage | undefined
      readonly previous: BrokerImage | undefined
    }
  | { readonly type: 'configChanged'; readonly resource: string; readonly key: string; readonly value: string | undefined }
  | { readonly type: 'featureChanged'; readonly name: string; readonly level: number }
  | { readonly type: 'producerIdsAllocated'; readonly brokerId: number; readonly brokerEpoch: number; readonly nextProducerId: number }

export function emptyImage(): MetadataImage {
  return {
    clusterId: '',
    offset: 0,
    epoch: 0,
    brokers: new Map(),
    topics: new Map(),
    topicsById: new Map(),
    configs: new Map(),
    features: new Map(),
    nextProducerId: 0,
  }
}

/** The caller moves `offset` and `epoch`: an entry may hold no record. */
export function applyRecord(image: MetadataImage, record: MetadataRecord): ImageChange[] {
  switch (record.type) {
    case 'clusterFormed':
      assert(image.clusterId === '', `cluster ${image.clusterId} formed again as ${record.clusterId}`)
      image.clusterId = record.clusterId
      return [record]
    case 'brokerRegistered': {
      const { type: _, ...broker } = record
      return setBroker(image, record.brokerId, broker)
    }
    case 'brokerUnregistered':
      brokerAt(image, record)
      return setBroker(image, record.brokerId, undefined)
    case 'brokerFenced':
      return setBroker(image, record.brokerId, { ...brokerAt(image, record), fenced: record.fenced })
    case 'brokerShuttingDown':
      return setBroker(image, record.brokerId, { ...brokerAt(image, record), shuttingDown: true })
    case 'topicCreated': {
      assert(!image.topics.has(record.name), `topic ${record.name} created twice`)
      assert(!image.topicsById.has(record.topicId), `topic id ${record.topicId} created twice`)
      const topic: TopicImage = { name: record.name, topicId: record.topicId, partitions: [] }
      image.topics.set(topic.name, topic)
      image.topicsById.set(topic.topicId, topic)
      return [{ type: 'topicCreated', topic }]
    }
    case 'topicDeleted': {
      const topic = topicAt(image, record.topicId)
      image.topics.delete(topic.name)
      image.topicsById.delete(topic.topicId)
      image.configs.delete(topicResource(topic.name))
      return [{ type: 'topicDeleted', topic }]
    }
    case 'partitionCreated': {
      const topic = topicAt(image, record.topicId)
      assert(
        record.state.partition === topic.partitions.length,
        `partition ${record.state.partition} of ${topic.name} after ${topic.partitions.length}`,
      )
      return setPartition(topic, record.state, undefined)
    }
    case 'partitionChanged': {
      const topic = topicAt(image, record.topicId)
      const previous = topic.partitions[record.state.partition]
      assert(previous !== undefined, `change of ${topic.name}-${record.state.partition}, which is not there`)
      return setPartition(topic, record.state, previous)
    }
    case 'configChanged':
      setConfig(image.configs, record)
      return [{ type: 'configChanged', resource: record.resource, key: record.key, value: record.value ?? undefined }]
    case 'producerIdsAllocated':
      assert(record.nextProducerId >= image.nextProducerId, `producer ids go back from ${image.nextProducerId} to ${record.nextProducerId}`)
      image.nextProducerId = record.nextProducerId
      return [record]
    case 'featureFinalized':
      if (record.level === 0) image.features.delete(record.name)
      else image.features.set(record.name, record.level)
      return [{ type: 'featureChanged', name: record.name, level: record.level }]
    default:
      return unreachable(record)
  }
}

export function topicResource(name: string): string {
  return `topic/${name}`
}

/** Without an id: the default of all brokers. */
export function brokerResource(brokerId?: number): string {
  return `broker/${brokerId ?? ''}`
}

export function topicOfResource(resource: string): string | undefined {
  return resource.startsWith('topic/') ? resource.slice('topic/'.length) : undefined
}

export function partitionOf(image: MetadataImage, topic: string, partition: number): PartitionImage | undefined {
  return image.topics.get(topic)?.partitions[partition]
}

/** An image of its own: changing one does not change the other. */
export function copyImage(image: MetadataImage): MetadataImage {
  const topicsById = new Map([...image.topicsById].map(([id, topic]) => [id, { ...topic, partitions: [...topic.partitions] }]))
  return {
    ...image,
    brokers: new Map(image.brokers),
    topicsById,
    topics: new Map([...image.topics].map(([name, topic]) => [name, topicsById.get(topic.topicId)!])),
    configs: new Map(image.configs),
    features: new Map(image.features),
  }
}

/** Rules that hold for every partition of every image, however it came about. */
export function assertPartition(name: string, p: PartitionImage): void {
  const { replicas, isr, elr, leader } = p
  const broken =
    replicas.length === 0 || hasTwice(replicas) || hasTwice(isr)
      ? 'replicas'
      : !isr.every(id => replicas.includes(id))
        ? 'isr'
        : !elr.every(id => replicas.includes(id) && !isr.includes(id))
          ? 'elr'
          : p.lastKnownElr.length > 1
            ? 'lastKnownElr'
            : leader !== -1 && !isr.includes(leader)
              ? 'leader'
              : undefined
  // The text is made only when it is needed: this runs for every partition of every change.
  if (broken !== undefined) assert(false, `${broken} of ${name}: ${JSON.stringify(p)}`)
}

function hasTwice(ids: readonly number[]): boolean {
  return ids.length > 1 && new Set(ids).size < ids.length
}

/** The configs as they will be after these changes. */
export function configsAfter(image: MetadataImage, changes: readonly ConfigChange[]): MetadataImage['configs'] {
  const configs = new Map(image.configs)
  for (const change of changes) setConfig(configs, change)
  return configs
}

type ConfigChange = Extract<MetadataRecord, { type: 'configChanged' }>

function setConfig(configs: MetadataImage['configs'], { resource, key, value }: ConfigChange): void {
  const values = new Map(configs.get(resource))
  if (value === null) values.delete(key)
  else values.set(key, value)
  if (values.size === 0) configs.delete(resource)
  else configs.set(resource, values)
}

function setBroker(image: MetadataImage, brokerId: number, broker: BrokerImage | undefined): ImageChange[] {
  const previous = image.brokers.get(brokerId)
  if (broker === undefined) image.brokers.delete(brokerId)
  else image.brokers.set(brokerId, broker)
  return [{ type: 'brokerChanged', brokerId, broker, previous }]
}

function setPartition(topic: TopicImage, state: PartitionState, previous: PartitionImage | undefined): ImageChange[] {
  assertPartition(topic.name, state)
  if (previous !== undefined) {
    const led = state.leader !== -1 && state.leader !== previous.leader
    const rises = state.partitionEpoch === previous.partitionEpoch + 1 && state.leaderEpoch >= previous.leaderEpoch + (led ? 1 : 0)
    if (!rises) assert(false, `epochs of ${topic.name}: ${JSON.stringify(state)} after ${JSON.stringify(previous)}`)
  }
  const partitions = topic.partitions as PartitionImage[]
  partitions[state.partition] = state
  return [{ type: 'partitionChanged', topic, partition: state, previous }]
}

function topicAt(image: MetadataImage, topicId: Uuid): TopicImage {
  const topic = image.topicsById.get(topicId)
  assert(topic !== undefined, `topic id ${topicId} is not in the image`)
  return topic
}

function brokerAt(image: MetadataImage, record: { readonly brokerId: number; readonly brokerEpoch: number }): BrokerImage {
  const broker = image.brokers.get(record.brokerId)
  assert(
    broker?.brokerEpoch === record.brokerEpoch,
    `broker ${record.brokerId} has epoch ${broker?.brokerEpoch}, not ${record.brokerEpoch}`,
  )
  return broker!
}
