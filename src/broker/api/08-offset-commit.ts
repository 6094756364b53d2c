// OffsetCommit: a group's place in its partitions. KIP-345, KIP-320 (leader epochs), KIP-848 (v9: GROUP_ID_NOT_FOUND).
// A group that is not there, or is empty, takes commits without a generation ("simple" consumers, the admin client). A topic or partition that does not
// exist is UNKNOWN_TOPIC_OR_PARTITION by itself; any other error concerns the whole commit, but metadata that is too long. Answered when it is on disk.
import { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import { UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { RequestOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { allExist, joinTopics, splitByExistence } from '../group/existing-partitions.ts'
import { type CommitAnswer, refusedCommit } from '../group/shard.ts'
import { handler } from '../handler.ts'

type Request = RequestOf<typeof OffsetCommit>

export const offsetCommit = handler(OffsetCommit, {
  answer(broker, request, { version }) {
    if (allExist(broker.image, request.topics)) return commit(broker, request, version)
    return commitSome(broker, request, version)
  },
  failed: (request, { errorCode }) => refusedCommit(request, errorCode),
})

/** @param body  names only partitions that exist */
function commit(broker: Broker, body: Request, apiVersion: number): CommitAnswer | Promise<CommitAnswer> {
  return broker.groups.ask<CommitAnswer>(body.groupId, {
    decide: (shard, request, at) =>
      shard.commit({ request, apiVersion, body, topicIdOf: name => broker.image.topics.get(name)?.topicId }, at),
    isCommit: true,
    refused: errorCode => refusedCommit(body, errorCode),
  })
}

async function commitSome(broker: Broker, request: Request, version: number): Promise<CommitAnswer> {
  const { known, unknown } = splitByExistence(broker.image, request.topics)
  const refusals = refusedCommit({ ...request, topics: unknown }, UNKNOWN_TOPIC_OR_PARTITION)
  if (known.length === 0) return refusals
  const answer = await commit(broker, { ...request, topics: known }, version)
  return { topics: joinTopics(refusals.topics, answer.topics) }
}
