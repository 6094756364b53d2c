// Topics come and go: CreateTopics (19) and DeleteTopics (20). The responses are the bodies of these APIs.
// Facts: org.apache.kafka.controller.ReplicationControlManager, org.apache.kafka.common.internals.Topic; KIP-4, KIP-464, KIP-525, KIP-516.
import { brokerValue, describeTopicConfigs } from '../config.ts'
import type { CreateTopics } from '../protocol/api/19-create-topics.ts'
import type { DeleteTopics } from '../protocol/api/20-delete-topics.ts'
import {
  INVALID_CONFIG,
  INVALID_PARTITIONS,
  INVALID_REPLICA_ASSIGNMENT,
  INVALID_REPLICATION_FACTOR,
  INVALID_REQUEST,
  INVALID_TOPIC_EXCEPTION,
  NONE,
  POLICY_VIOLATION,
  TOPIC_ALREADY_EXISTS,
  TOPIC_DELETION_DISABLED,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import { type Uuid, uuidFromBytes, ZERO_UUID } from '../util/uuid.ts'
import { checkReplicas, MAX_NEW_PARTITIONS } from './assignments.ts'
import { checkTopicValues } from './configs.ts'
import { type ApiError, apiError, configLayers, type Decision, type DecisionContext, duplicatesOf } from './decision.ts'
import { type MetadataImage, topicResource } from './image.ts'
import { isAvailable, newPartition } from './partitions.ts'
import { placementBrokers, placeReplicas } from './placement.ts'
import type { MetadataRecord } from './records.ts'
import { foldedName, topicNameError } from './topic-names.ts'

type CreateRequest = RequestOf<typeof CreateTopics>
type NewTopic = CreateRequest['topics'][number]
type CreateResponse = ResponseOf<typeof CreateTopics>
type DeleteResponse = ResponseOf<typeof DeleteTopics>

const METADATA_TOPIC = '__cluster_metadata'

/** Each topic succeeds or fails alone. With validateOnly there are no records, and the answer is what it would be (topic ids are zero). */
export function decideCreateTopics(image: MetadataImage, request: CreateRequest, context: DecisionContext): Decision<CreateResponse> {
  const defaults = newTopicDefaults(image, context)
  const total = request.topics.reduce((sum, { numPartitions, assignments }) => {
    return sum + Math.max(assignments.length, numPartitions === -1 ? defaults.partitionCount : numPartitions)
  }, 0)
  const doubled = duplicatesOf(request.topics.map(({ name }) => name))
  const taken = takenNames(image, request.topics)
  const records: MetadataRecord[] = []
  const answered = new Set<string>()
  const topics: CreateResponse['topics'][number][] = []
  for (const topic of request.topics) {
    if (answered.has(topic.name)) continue
    answered.add(topic.name)
    const plan =
      total > MAX_NEW_PARTITIONS
        ? apiError(POLICY_VIOLATION, `Excessively large number of partitions per request: ${total}, at most ${MAX_NEW_PARTITIONS}.`)
        : doubled.has(topic.name)
          ? apiError(INVALID_REQUEST, 'Duplicate topic name.')
          : (checkName(topic.name, taken) ?? planTopic(image, topic, context, defaults))
    if ('errorCode' in plan) {
      topics.push({ name: topic.name, topicId: ZERO_UUID, ...plan })
      continue
    }
    taken.set(foldedName(topic.name), topic.name)
    const topicId = request.validateOnly ? ZERO_UUID : freshTopicId(image, context)
    if (!request.validateOnly) records.push(...recordsOfTopic(image, { ...plan, name: topic.name, topicId }))
    topics.push({
      name: topic.name,
      topicId,
      errorCode: NONE,
      errorMessage: null,
      numPartitions: plan.replicas.length,
      replicationFactor: plan.replicas[0]!.length,
      configs: describeTopicConfigs(context.config, { ...configLayers(image, context.nodeId), topic: plan.configs }, null),
    })
  }
  return { records, response: { throttleTimeMs: 0, topics } }
}

/**
 * Each topic succeeds or fails alone; one that stands in the request more than once is answered once, and stays. `topicNames` is what versions
 * below 6 fill.
 * With deletion disabled every topic gets TOPIC_DELETION_DISABLED, which versions below 3 do not know: they are told INVALID_REQUEST.
 */
export function decideDeleteTopics(
  image: MetadataImage,
  request: RequestOf<typeof DeleteTopics>,
  context: DecisionContext,
): Decision<DeleteResponse> {
  const asked = [...request.topics, ...request.topicNames.map(name => ({ name, topicId: ZERO_UUID }))]
  const doubledNames = duplicatesOf(asked.map(({ name }) => name).filter(name => name !== null))
  const doubledIds = duplicatesOf(asked.map(({ topicId }) => topicId).filter(id => id !== ZERO_UUID))
  const namedIds = new Set(asked.map(({ name }) => (name === null ? undefined : image.topics.get(name)?.topicId)))
  const askedIds = new Set(asked.map(({ topicId }) => topicId))
  const refusalOf = (name: string | null, topicId: Uuid): ApiError | undefined => {
    const byId = topicId !== ZERO_UUID
    if (!context.config['delete.topic.enable']) return apiError(TOPIC_DELETION_DISABLED)
    if (byId && name !== null) return apiError(INVALID_REQUEST, 'You may not specify both topic name and topic id.')
    if (!byId && name === null) return apiError(INVALID_REQUEST, 'Neither topic name nor id were specified.')
    if (name !== null && doubledNames.has(name)) return apiError(INVALID_REQUEST, 'Duplicate topic name.')
    if (doubledIds.has(topicId)) return apiError(INVALID_REQUEST, 'Duplicate topic id.')
    return undefined
  }
  const records: MetadataRecord[] = []
  const answered = new Set<string>()
  const responses: DeleteResponse['responses'][number][] = []
  for (const { name, topicId } of asked) {
    const byId = topicId !== ZERO_UUID
    const topic = byId ? image.topicsById.get(topicId) : image.topics.get(name ?? '')
    const key = topic?.topicId ?? (byId ? topicId : `name ${name}`)
    if (answered.has(key)) continue
    answered.add(key)
    const refusal = refusalOf(name, topicId)
    if (refusal !== undefined) {
      responses.push({ name, topicId, ...refusal })
    } else if (topic === undefined) {
      responses.push({ name, topicId, ...apiError(byId ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION) })
    } else if (namedIds.has(topic.topicId) && askedIds.has(topic.topicId)) {
      const both = apiError(INVALID_REQUEST, 'The provided topic name maps to an ID that was already supplied.')
      responses.push({ name: topic.name, topicId: topic.topicId, ...both })
    } else {
      records.push({ type: 'topicDeleted', topicId: topic.topicId })
      responses.push({ name: topic.name, topicId: topic.topicId, errorCode: NONE, errorMessage: null })
    }
  }
  return { records, response: { throttleTimeMs: 0, responses } }
}

interface TopicPlan {
  /** Of each partition. */
  readonly replicas: readonly (readonly number[])[]
  readonly configs: ReadonlyMap<string, string>
}

function newTopicDefaults(image: MetadataImage, context: DecisionContext): { partitionCount: number; replicationFactor: number } {
  const layers = configLayers(image, context.nodeId)
  return {
    partitionCount: brokerValue(context.config, layers, 'num.partitions'),
    replicationFactor: brokerValue(context.config, layers, 'default.replication.factor'),
  }
}

/** Name by folded name, of the existing topics that the new ones could collide with. */
function takenNames(image: MetadataImage, topics: readonly NewTopic[]): Map<string, string> {
  const taken = new Map<string, string>()
  const wanted = new Set(
    topics
      .map(({ name }) => name)
      .filter(name => /[._]/.test(name))
      .map(foldedName),
  )
  if (wanted.size > 0) for (const name of image.topics.keys()) if (wanted.has(foldedName(name))) taken.set(foldedName(name), name)
  for (const { name } of topics) if (image.topics.has(name)) taken.set(foldedName(name), name)
  return taken
}

function checkName(name: string, taken: ReadonlyMap<string, string>): ApiError | undefined {
  const wrong = topicNameError(name)
  if (wrong !== undefined) return apiError(INVALID_TOPIC_EXCEPTION, wrong)
  if (name === METADATA_TOPIC) return apiError(INVALID_REQUEST, `Creation of internal topic ${METADATA_TOPIC} is prohibited.`)
  const other = taken.get(foldedName(name))
  if (other === undefined) return undefined
  if (other === name) return apiError(TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  return apiError(INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${other}`)
}

function planTopic(
  image: MetadataImage,
  topic: NewTopic,
  context: DecisionContext,
  defaults: { readonly partitionCount: number; readonly replicationFactor: number },
): TopicPlan | ApiError {
  const configs = new Map<string, string>()
  for (const { name, value } of topic.configs) {
    if (value === null) return apiError(INVALID_CONFIG, `Null value not supported for topic configs: ${name}`)
    configs.set(name, value)
  }
  const wrong = checkTopicValues(configs)
  if (wrong !== undefined) return apiError(INVALID_CONFIG, wrong)
  const replicas = topic.assignments.length > 0 ? assigned(image, topic) : placed(image, topic, context, defaults)
  return 'errorCode' in replicas ? replicas : { replicas, configs }
}

function placed(
  image: MetadataImage,
  { numPartitions, replicationFactor }: NewTopic,
  { random }: DecisionContext,
  defaults: { readonly partitionCount: number; readonly replicationFactor: number },
): number[][] | ApiError {
  if (replicationFactor !== -1 && replicationFactor <= 0)
    return apiError(INVALID_REPLICATION_FACTOR, 'Replication factor must be larger than 0, or -1 to use the default value.')
  if (numPartitions !== -1 && numPartitions <= 0)
    return apiError(INVALID_PARTITIONS, 'Number of partitions was set to an invalid non-positive value.')
  const replicas = placeReplicas({
    brokers: placementBrokers(image),
    partitionCount: numPartitions === -1 ? defaults.partitionCount : numPartitions,
    replicationFactor: replicationFactor === -1 ? defaults.replicationFactor : replicationFactor,
    random,
  })
  return typeof replicas === 'string' ? apiError(INVALID_REPLICATION_FACTOR, replicas) : replicas
}

function assigned(image: MetadataImage, { numPartitions, replicationFactor, assignments }: NewTopic): (readonly number[])[] | ApiError {
  if (numPartitions !== -1)
    return apiError(INVALID_REQUEST, 'A manual partition assignment was specified, but numPartitions was not set to -1.')
  if (replicationFactor !== -1)
    return apiError(INVALID_REQUEST, 'A manual partition assignment was specified, but replication factor was not set to -1.')
  const replicas: (readonly number[])[] = []
  for (const { partitionIndex, brokerIds } of assignments) {
    if (partitionIndex in replicas)
      return apiError(INVALID_REPLICA_ASSIGNMENT, `Found multiple manual partition assignments for partition ${partitionIndex}`)
    if (partitionIndex < 0 || partitionIndex >= assignments.length)
      return apiError(INVALID_REPLICA_ASSIGNMENT, 'partitions should be a consecutive 0-based integer sequence')
    replicas[partitionIndex] = brokerIds
  }
  const wrong = checkReplicas(image, replicas, { firstPartition: 0, replicationFactor: replicas[0]!.length })
  return wrong === undefined ? replicas : apiError(INVALID_REPLICA_ASSIGNMENT, wrong)
}

function freshTopicId(image: MetadataImage, { random }: DecisionContext): Uuid {
  let id = uuidFromBytes(random.bytes(16))
  while (id === ZERO_UUID || image.topicsById.has(id)) id = uuidFromBytes(random.bytes(16))
  return id
}

function recordsOfTopic(image: MetadataImage, topic: TopicPlan & { readonly name: string; readonly topicId: Uuid }): MetadataRecord[] {
  const { name, topicId } = topic
  const available = isAvailable(image)
  const resource = topicResource(name)
  return [
    { type: 'topicCreated', name, topicId },
    ...[...topic.configs].map(([key, value]): MetadataRecord => ({ type: 'configChanged', resource, key, value })),
    ...topic.replicas.map((replicas, partition): MetadataRecord => {
      return { type: 'partitionCreated', topicId, state: newPartition(partition, replicas, available) }
    }),
  ]
}
