// Metadata: who is there, and who leads what. KIP-4, KIP-430, KIP-516, KIP-700.
// Topics null = all (v0: empty = all; later: empty = none). By id from v12 on; an id counts, whatever name stands beside it. An unknown topic is answered UNKNOWN_TOPIC_OR_PARTITION, and made
// meanwhile when the client and auto.create.topics.enable allow it: the next request sees it. Brokers are shown by the endpoint of the listener
// the client came on. controllerId is this broker: every broker takes what is meant for the controller.
// We differ from Kafka: internal topics are never made for a client that merely asks.

import type { TopicImage } from '../../metadata/image.ts'
import { topicNameError } from '../../metadata/topic-names.ts'
import { Metadata } from '../../protocol/api/03-metadata.ts'
import {
  INVALID_REQUEST,
  INVALID_TOPIC_EXCEPTION,
  KafkaError,
  LEADER_NOT_AVAILABLE,
  LISTENER_NOT_FOUND,
  NONE,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import { ZERO_UUID } from '../../util/uuid.ts'
import { CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS } from '../authorized-operations.ts'
import type { Broker } from '../broker.ts'
import { handler, type RequestContext } from '../handler.ts'
import { isInternalTopic } from '../internal-topics.ts'
import { type PartitionView, viewOf } from '../partition-view.ts'

type Request = RequestOf<typeof Metadata>
type TopicAnswer = ResponseOf<typeof Metadata>['topics'][number]

export const metadata = handler(Metadata, {
  async answer(broker, request, context) {
    const topics = await topicsFor(broker, request, context)
    return {
      brokers: broker.liveEndpoints(context.connection.listenerName),
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NOT_ASKED,
    }
  },
  failed: (request, { errorCode }) => ({
    brokers: [],
    errorCode,
    topics: (request.topics ?? []).map(({ name, topicId }) => ({ errorCode, name: name ?? '', topicId, partitions: [] })),
  }),
})

/** A topic that comes or goes meanwhile is there or not, as if the request had come a moment later. */
async function topicsFor(broker: Broker, request: Request, context: RequestContext): Promise<TopicAnswer[]> {
  const { slices } = context
  const answers: TopicAnswer[] = []
  if (request.topics === null || (context.version === 0 && request.topics.length === 0)) {
    for (const topic of [...broker.image.topics.values()]) {
      if (slices.isOver(1 + topic.partitions.length)) await slices.next()
      answers.push(describeTopic(broker, topic, request, context))
    }
    return answers
  }
  const seen = new Set<string>()
  for (const { name, topicId } of request.topics) {
    if (slices.isOver()) await slices.next()
    if (context.version < 12 && (name === null || topicId !== ZERO_UUID)) {
      throw new KafkaError(INVALID_REQUEST, 'Topics are asked for by id from Metadata v12 on.')
    }
    const byId = name === null || topicId !== ZERO_UUID
    const topic = byId ? broker.image.topicsById.get(topicId) : broker.image.topics.get(name)
    const key = topic?.topicId ?? name ?? topicId
    if (seen.has(key)) continue
    seen.add(key)
    if (topic !== undefined) {
      if (slices.isOver(topic.partitions.length)) await slices.next()
      answers.push(describeTopic(broker, topic, request, context))
    } else if (byId) answers.push({ errorCode: UNKNOWN_TOPIC_ID, name: null, topicId, partitions: [] })
    else
      answers.push({
        errorCode: unknownTopic(broker, name, request.allowAutoTopicCreation),
        name,
        topicId,
        partitions: [],
        isInternal: isInternalTopic(name),
        topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NOT_ASKED,
      })
  }
  return answers
}

function unknownTopic(broker: Broker, name: string, mayCreate: boolean): number {
  if (topicNameError(name) !== undefined) return INVALID_TOPIC_EXCEPTION
  if (mayCreate && broker.config['auto.create.topics.enable'] && !isInternalTopic(name)) broker.topicCreation.begin(name)
  return UNKNOWN_TOPIC_OR_PARTITION
}

function describeTopic(broker: Broker, topic: TopicImage, request: Request, { version, connection }: RequestContext): TopicAnswer {
  return {
    errorCode: NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map(state => forVersion(viewOf(broker, topic, state, connection.listenerName), version)),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NOT_ASKED,
  }
}

function forVersion(view: PartitionView, version: number): PartitionView {
  return view.errorCode === LISTENER_NOT_FOUND && version < 6 ? { ...view, errorCode: LEADER_NOT_AVAILABLE } : view
}
