// DescribeTopicPartitions: topics in order of their names, in pages. KIP-966. No topics = all. A page holds at most responsePartitionLimit
// partitions (and never more than max.request.partition.size.limit); the cursor says where the next begins.

import { topicNameError } from '../../metadata/topic-names.ts'
import { DescribeTopicPartitions } from '../../protocol/api/75-describe-topic-partitions.ts'
import { INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, KafkaError, NONE, UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { ZERO_UUID } from '../../util/uuid.ts'
import { TOPIC_OPERATIONS } from '../authorized-operations.ts'
import { handler } from '../handler.ts'
import { isInternalTopic } from '../internal-topics.ts'
import { viewOf } from '../partition-view.ts'

type TopicAnswer = NonNullable<ResponseOf<typeof DescribeTopicPartitions>['topics']>[number]

export const describeTopicPartitions = handler(DescribeTopicPartitions, {
  async answer(broker, { topics, responsePartitionLimit, cursor }, { connection: { listenerName }, slices }) {
    if (cursor !== null && cursor.partitionIndex < 0)
      throw new KafkaError(INVALID_REQUEST, `The cursor's partition ${cursor.partitionIndex} is negative.`)
    const all = topics.length === 0
    if (!all && cursor !== null && !topics.some(({ name }) => name === cursor.topicName))
      throw new KafkaError(INVALID_REQUEST, `The cursor's topic ${cursor.topicName} is not among those asked for.`)
    const from = cursor?.topicName ?? ''
    const names = [...new Set(all ? broker.image.topics.keys() : topics.map(({ name }) => name))].filter(name => name >= from).sort()
    let left = Math.max(1, Math.min(responsePartitionLimit, broker.config['max.request.partition.size.limit']))
    const answers: TopicAnswer[] = []
    for (const name of names) {
      if (slices.isOver()) await slices.next()
      if (left === 0) return { topics: answers, nextCursor: { topicName: name, partitionIndex: 0 } }
      const topic = broker.image.topics.get(name)
      if (topic === undefined) {
        const errorCode = topicNameError(name) === undefined ? UNKNOWN_TOPIC_OR_PARTITION : INVALID_TOPIC_EXCEPTION
        answers.push({ ...failure(name, errorCode), topicAuthorizedOperations: TOPIC_OPERATIONS })
        continue
      }
      const first = name === cursor?.topicName ? cursor.partitionIndex : 0
      const page = topic.partitions.slice(first, first + left)
      left -= page.length
      if (slices.isOver(page.length)) await slices.next()
      answers.push({
        errorCode: NONE,
        name,
        topicId: topic.topicId,
        isInternal: isInternalTopic(name),
        partitions: page.map(state => ({
          ...viewOf(broker, topic, state, listenerName),
          eligibleLeaderReplicas: state.elr,
          lastKnownElr: state.lastKnownElr,
        })),
        topicAuthorizedOperations: TOPIC_OPERATIONS,
      })
      const next = first + page.length
      if (next < topic.partitions.length) return { topics: answers, nextCursor: { topicName: name, partitionIndex: next } }
    }
    return { topics: answers, nextCursor: null }
  },
  failed: ({ topics }, { errorCode }) => ({ topics: topics.map(({ name }) => failure(name, errorCode)), nextCursor: null }),
})

function failure(name: string, errorCode: number): TopicAnswer {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: isInternalTopic(name), partitions: [] }
}
