// OffsetDelete: forgets what a group committed for some partitions, but not of topics it subscribes to. KIP-496.
import { OffsetDelete } from '../../protocol/api/47-offset-delete.ts'
import { INVALID_GROUP_ID, NONE, UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { joinTopics, splitByExistence } from '../group/existing-partitions.ts'
import { handler } from '../handler.ts'

type Answer = ResponseOf<typeof OffsetDelete>

export const offsetDelete = handler(OffsetDelete, {
  async answer(broker, request) {
    const { groupId } = request
    const { known, unknown } = splitByExistence(broker.image, request.topics)
    const topics = unknown.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: UNKNOWN_TOPIC_OR_PARTITION })),
    }))
    if (known.length === 0) return { errorCode: NONE, topics }
    if (groupId === '') return refused(INVALID_GROUP_ID)
    const answer = await broker.groups.ask<Answer>(groupId, {
      decide: (shard, token) => shard.deleteOffsets({ request: token, body: { ...request, topics: known } }),
      refused,
    })
    return answer.errorCode === NONE ? { ...answer, topics: joinTopics(topics, answer.topics) } : answer
  },
  failed: (_request, { errorCode }) => refused(errorCode),
})

function refused(errorCode: number): Answer {
  return { errorCode, topics: [] }
}
