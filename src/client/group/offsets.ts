// Committing and reading the offsets of a group.
// Facts: OffsetCommit and OffsetFetch go by topic names up to version 9. An answer carries an error per partition; what concerns the group stands in
// each of them. A generation of -1 is a commit from outside, accepted while the group has no members. KIP-211: offsets stay 7 days after
// the last member left. Nothing committed is offset -1.
import { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../protocol/api/09-offset-fetch.ts'
import * as errors from '../../protocol/errors.ts'
import { refusal } from '../operation.ts'
import type { TopicPartition } from './assignment.ts'
import { byTopic } from './blobs.ts'
import type { GroupCoordinator } from './coordinator.ts'

export interface OffsetToCommit extends TopicPartition {
  /** Of the next record to read. */
  readonly offset: number
  /** Of the record before it; lets a reader notice that the log was cut. Default: not known. */
  readonly leaderEpoch?: number
  /** Anything, up to the brokers' offset.metadata.max.bytes (4 KiB). */
  readonly metadata?: string | null
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  /** -1: not known. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/** Who commits. */
export interface Committer {
  readonly memberId: string
  readonly generationId: number
  readonly groupInstanceId: string | null
}

/** From outside the group: an admin, or a consumer that assigns its partitions itself. */
export const OUTSIDER: Committer = { memberId: '', generationId: -1, groupInstanceId: null }

const LAST_VERSION_WITH_NAMES = 9
const FIRST_VERSION_WITH_GROUPS = 8

/** One try. @returns the error of each partition that was refused; @throws what concerns the request as a whole */
export async function commitOffsets(
  coordinator: GroupCoordinator,
  committer: Committer,
  offsets: readonly OffsetToCommit[],
): Promise<(TopicPartition & { readonly error: errors.KafkaError })[]> {
  const found = new Map(offsets.map(offset => [`${offset.topic}-${offset.partition}`, offset]))
  const request = {
    groupId: coordinator.groupId,
    generationIdOrMemberEpoch: committer.generationId,
    memberId: committer.memberId,
    groupInstanceId: committer.groupInstanceId,
    topics: byTopic(offsets).map(({ topic, partitions }) => ({
      name: topic,
      partitions: partitions.map(partition => {
        const { offset, leaderEpoch, metadata } = found.get(`${topic}-${partition}`)!
        return {
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch ?? -1,
          committedMetadata: metadata ?? '',
        }
      }),
    })),
  }
  const answer = await coordinator.request(OffsetCommit, request, { version: LAST_VERSION_WITH_NAMES })
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions
      .filter(({ errorCode }) => errorCode !== errors.NONE)
      .map(({ partitionIndex, errorCode }) => ({
        topic: name,
        partition: partitionIndex,
        error: refusal(errorCode, `commit of ${name}-${partitionIndex} by group '${coordinator.groupId}'`, null),
      })),
  )
}

/**
 * One try.
 * @param partitions  null: all that the group has committed
 * @returns what is committed; partitions without a commit are left out
 * @throws KafkaError of the group, or of the first partition that has one
 */
export async function fetchCommitted(
  coordinator: GroupCoordinator,
  partitions: readonly TopicPartition[] | null,
  options: { readonly requireStable: boolean },
): Promise<CommittedOffset[]> {
  const { groupId } = coordinator
  const topics = partitions && byTopic(partitions).map(entry => ({ name: entry.topic, partitionIndexes: entry.partitions }))
  const isList = ((await coordinator.connection()).versionOf(OffsetFetch) ?? 0) >= FIRST_VERSION_WITH_GROUPS
  const request = { groupId, topics, groups: [{ groupId, memberId: null, memberEpoch: -1, topics }], requireStable: options.requireStable }
  const answer = await coordinator.request(OffsetFetch, request, { version: LAST_VERSION_WITH_NAMES })
  const found = isList ? answer.groups[0] : answer
  if (found === undefined) throw new errors.KafkaError(errors.UNKNOWN_SERVER_ERROR, `offsets of group '${groupId}': none were answered`)
  if (found.errorCode !== errors.NONE) throw refusal(found.errorCode, `offsets of group '${groupId}'`, null)
  const committed: CommittedOffset[] = []
  for (const { name: topic, partitions: answered } of found.topics) {
    for (const { partitionIndex: partition, committedOffset, committedLeaderEpoch, metadata, errorCode } of answered) {
      if (errorCode !== errors.NONE) throw refusal(errorCode, `committed offset of ${topic}-${partition} in group '${groupId}'`, null)
      if (committedOffset >= 0) {
        committed.push({ topic, partition, offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata: metadata ?? '' })
      }
    }
  }
  return committed
}
