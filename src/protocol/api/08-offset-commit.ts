// OffsetCommit (8): stores the committed offsets of a group. KIP-345 (static members), KIP-848 (member epochs, 9; topic ids, 10+).
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const OffsetCommit = api('OffsetCommit', 8, '2-10', {
  flex: 8,
  request: {
    groupId: str,
    generationIdOrMemberEpoch: i32.def(-1),
    memberId: str,
    groupInstanceId: str.null().in('7+'),
    retentionTimeMs: i64.in('-4', -1),
    topics: arr({
      name: str.in('-9'),
      topicId: uuid.in('10+'),
      partitions: arr({
        partitionIndex: i32,
        committedOffset: i64,
        committedLeaderEpoch: i32.in('6+', -1),
        committedMetadata: str.null(),
      }),
    }),
  },
  response: {
    throttleTimeMs: i32.in('3+'),
    topics: arr({
      name: str.in('-9'),
      topicId: uuid.in('10+'),
      partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }),
    }),
  },
})
