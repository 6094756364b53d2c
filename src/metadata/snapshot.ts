// An image as records that rebuild it, cut into chunks; and the difference of two images as changes, for a node that is given a snapshot instead
// of the records it missed.
// A chunk is `[1, 1, [encoded record, …]]`, about CHUNK_BYTES long.
import { type Packable, PackError, pack, unpack } from '../util/pack.ts'
import { applyRecord, emptyImage, type ImageChange, type MetadataImage, topicOfResource } from './image.ts'
import { decodeRecord, encodeRecord, type MetadataRecord } from './records.ts'

const CHUNK_BYTES = 512 * 1024
const CHUNK = 1
const VERSION = 1

/** Applied to an empty image they give this one, but for offset and epoch. */
export function* recordsOf(image: MetadataImage): Generator<MetadataRecord> {
  if (image.clusterId !== '') yield { type: 'clusterFormed', clusterId: image.clusterId }
  for (const [name, level] of image.features) yield { type: 'featureFinalized', name, level }
  for (const broker of image.brokers.values()) yield { type: 'brokerRegistered', ...broker }
  for (const topic of image.topics.values()) {
    yield { type: 'topicCreated', name: topic.name, topicId: topic.topicId }
    for (const state of topic.partitions) yield { type: 'partitionCreated', topicId: topic.topicId, state }
  }
  for (const [resource, values] of image.configs) {
    for (const [key, value] of values) yield { type: 'configChanged', resource, key, value }
  }
  if (image.nextProducerId > 0) yield { type: 'producerIdsAllocated', brokerId: -1, brokerEpoch: -1, nextProducerId: image.nextProducerId }
}

export function encodeSnapshot(image: MetadataImage): Buffer[] {
  const chunks: Buffer[] = []
  let records: Buffer[] = []
  let size = 0
  for (const record of recordsOf(image)) {
    const bytes = encodeRecord(record)
    records.push(bytes)
    size += bytes.length
    if (size < CHUNK_BYTES) continue
    chunks.push(pack(CHUNK, VERSION, [records]))
    records = []
    size = 0
  }
  if (records.length > 0) chunks.push(pack(CHUNK, VERSION, [records]))
  return chunks
}

/** @throws PackError */
export function decodeSnapshot(snapshot: {
  readonly endOffset: number
  readonly epoch: number
  readonly chunks: readonly Buffer[]
}): MetadataImage {
  const image = emptyImage()
  for (const chunk of snapshot.chunks) {
    const { type, version, fields } = unpack(chunk, 'metadata snapshot')
    if (type !== CHUNK || version !== VERSION) throw new PackError(`metadata snapshot of type ${type} version ${version} is not known here`)
    for (const record of fields[0] as readonly Packable[]) applyRecord(image, decodeRecord(record as Buffer))
  }
  image.offset = snapshot.endOffset
  image.epoch = snapshot.epoch
  return image
}

/** What a reader that knows `before` must be told to know `after`. Empty when they are equal. */
export function differences(before: MetadataImage, after: MetadataImage): ImageChange[] {
  const changes: ImageChange[] = []
  if (before.clusterId !== after.clusterId) changes.push({ type: 'clusterFormed', clusterId: after.clusterId })
  for (const name of keysOf(before.features, after.features)) {
    const level = after.features.get(name) ?? 0
    if (before.features.get(name) !== after.features.get(name)) changes.push({ type: 'featureChanged', name, level })
  }
  for (const brokerId of keysOf(before.brokers, after.brokers)) {
    const [previous, broker] = [before.brokers.get(brokerId), after.brokers.get(brokerId)]
    if (!same(previous, broker)) changes.push({ type: 'brokerChanged', brokerId, broker, previous })
  }
  for (const topic of before.topicsById.values()) {
    if (!after.topicsById.has(topic.topicId)) changes.push({ type: 'topicDeleted', topic })
  }
  for (const topic of after.topics.values()) {
    const previous = before.topicsById.get(topic.topicId)
    if (previous === undefined) changes.push({ type: 'topicCreated', topic })
    for (const partition of topic.partitions) {
      const old = previous?.partitions[partition.partition]
      if (!same(old, partition)) changes.push({ type: 'partitionChanged', topic, partition, previous: old })
    }
  }
  for (const resource of keysOf(before.configs, after.configs)) {
    // What a deleted topic had set went with it; its name may be in use again.
    const old = outlived(resource, before, after) ? before.configs.get(resource) : undefined
    const now = after.configs.get(resource)
    for (const key of keysOf(old ?? NOTHING, now ?? NOTHING)) {
      if (old?.get(key) !== now?.get(key)) changes.push({ type: 'configChanged', resource, key, value: now?.get(key) })
    }
  }
  if (before.nextProducerId !== after.nextProducerId)
    changes.push({ type: 'producerIdsAllocated', brokerId: -1, brokerEpoch: -1, nextProducerId: after.nextProducerId })
  return changes
}

const NOTHING: ReadonlyMap<string, string> = new Map()

function outlived(resource: string, before: MetadataImage, after: MetadataImage): boolean {
  const topic = topicOfResource(resource)
  return topic === undefined || before.topics.get(topic)?.topicId === after.topics.get(topic)?.topicId
}

function keysOf<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): Set<K> {
  return new Set([...a.keys(), ...b.keys()])
}

/** Broker and partition images hold only plain data, in one order of fields. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
