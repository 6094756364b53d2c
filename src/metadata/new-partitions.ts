// Topics grow: CreatePartitions (37). The response is the body of that API.
// Facts: org.apache.kafka.controller.ReplicationControlManager.createPartitions; KIP-195.
import type { CreatePartitions } from '../protocol/api/37-create-partitions.ts'
import {
  INVALID_PARTITIONS,
  INVALID_REPLICA_ASSIGNMENT,
  INVALID_REPLICATION_FACTOR,
  INVALID_REQUEST,
  POLICY_VIOLATION,
  REASSIGNMENT_IN_PROGRESS,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import { checkReplicas, MAX_NEW_PARTITIONS } from './assignments.ts'
import { type ApiError, apiError, type Decision, type DecisionContext, duplicatesOf, SUCCESS } from './decision.ts'
import type { MetadataImage, TopicImage } from './image.ts'
import { isAvailable, newPartition } from './partitions.ts'
import { placementBrokers, placeReplicas } from './placement.ts'
import type { MetadataRecord } from './records.ts'

type Request = RequestOf<typeof CreatePartitions>
type GrowingTopic = Request['topics'][number]

/** Each topic succeeds or fails alone. With validateOnly there are no records, and the answer is what it would be. */
export function decideCreatePartitions(
  image: MetadataImage,
  request: Request,
  context: DecisionContext,
): Decision<ResponseOf<typeof CreatePartitions>> {
  const doubled = duplicatesOf(request.topics.map(({ name }) => name))
  const available = isAvailable(image)
  const records: MetadataRecord[] = []
  let added = 0
  const results = [...new Map(request.topics.map(topic => [topic.name, topic])).values()].map(growing => {
    const { name, count } = growing
    const topic = image.topics.get(name)
    if (doubled.has(name)) return { name, ...apiError(INVALID_REQUEST, 'Duplicate topic name.') }
    if (topic === undefined) return { name, ...apiError(UNKNOWN_TOPIC_OR_PARTITION) }
    const wrong = checkGrowth(topic, count, MAX_NEW_PARTITIONS - added)
    if (wrong !== undefined) return { name, ...wrong }
    const replicas = replicasFor(image, topic, growing, context)
    if ('errorCode' in replicas) return { name, ...replicas }
    added += replicas.length
    if (!request.validateOnly) {
      for (const [nth, ids] of replicas.entries()) {
        const state = newPartition(topic.partitions.length + nth, ids, available)
        records.push({ type: 'partitionCreated', topicId: topic.topicId, state })
      }
    }
    return { name, ...SUCCESS }
  })
  return { records, response: { throttleTimeMs: 0, results } }
}

function checkGrowth({ name, partitions }: TopicImage, count: number, allowed: number): ApiError | undefined {
  const current = partitions.length
  if (count === current) return apiError(INVALID_PARTITIONS, `Topic already has ${count} partition(s).`)
  if (count < current) {
    return apiError(INVALID_PARTITIONS, `The topic ${name} currently has ${current} partition(s); ${count} would not be an increase.`)
  }
  if (partitions.some(p => p.addingReplicas.length > 0 || p.removingReplicas.length > 0)) return apiError(REASSIGNMENT_IN_PROGRESS)
  if (count - current > allowed) {
    return apiError(POLICY_VIOLATION, `Excessively large number of partitions per request: at most ${MAX_NEW_PARTITIONS}.`)
  }
  return undefined
}

function replicasFor(
  image: MetadataImage,
  topic: TopicImage,
  { count, assignments }: GrowingTopic,
  { random }: DecisionContext,
): (readonly number[])[] | ApiError {
  const firstPartition = topic.partitions.length
  const partitionCount = count - firstPartition
  const replicationFactor = topic.partitions[0]!.replicas.length
  if (assignments === null) {
    const replicas = placeReplicas({ brokers: placementBrokers(image), partitionCount, replicationFactor, random })
    return typeof replicas === 'string' ? apiError(INVALID_REPLICATION_FACTOR, replicas) : replicas
  }
  if (assignments.length !== partitionCount) {
    const text = `Attempted to add ${partitionCount} additional partition(s), but ${assignments.length} assignment(s) were specified.`
    return apiError(INVALID_REPLICA_ASSIGNMENT, text)
  }
  const replicas = assignments.map(({ brokerIds }) => brokerIds)
  const wrong = checkReplicas(image, replicas, { firstPartition, replicationFactor })
  return wrong === undefined ? replicas : apiError(INVALID_REPLICA_ASSIGNMENT, wrong)
}
