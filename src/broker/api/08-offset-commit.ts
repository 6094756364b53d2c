// OffsetCommit: a group's place in its partitions. KIP-345, KIP-320 (leader epochs), KIP-848 (v9: GROUP_ID_NOT_FOUND).
// A group that is not there, or is empty, takes commits without a generation ("simple" consumers, the admin client). A topic or partition that does not
// exist is UNKNOWN_TOPIC_OR_PARTITION by itself; any other error concerns the whole commit, but metadata that is too long. Answered when it is on disk.
import { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import { UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import { joinTopics, splitByExistence } from '../group/existing-partitions.ts'
import { type CommitAnswer, refusedCommit } from '../group/shard.ts'
import { handler } from '../handler.ts'

export const offsetCommit = handler(OffsetCommit, {
  async answer(broker, request, { version }) {
    const { known, unknown } = splitByExistence(broker.image, request.topics)
    const refusals = refusedCommit({ ...request, topics: unknown }, UNKNOWN_TOPIC_OR_PARTITION)
    if (known.length === 0) return refusals
    const body = { ...request, topics: known }
    const answer = await broker.groups.ask<CommitAnswer>(request.groupId, {
      decide: (shard, token, at) =>
        shard.commit({ request: token, apiVersion: version, body, topicIdOf: name => broker.image.topics.get(name)?.topicId }, at),
      isCommit: true,
      refused: errorCode => refusedCommit(body, errorCode),
    })
    return { topics: joinTopics(refusals.topics, answer.topics) }
  },
  failed: (request, { errorCode }) => refusedCommit(request, errorCode),
})
