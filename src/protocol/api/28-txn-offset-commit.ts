// TxnOffsetCommit (28): stores offsets that become visible when the transaction commits. KIP-98, KIP-447, KIP-890.
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const TxnOffsetCommit = api('TxnOffsetCommit', 28, '0-6', {
  flex: 3,
  request: {
    transactionalId: str,
    groupId: str,
    producerId: i64,
    producerEpoch: i16,
    generationIdOrMemberEpoch: i32.in('3+', -1),
    memberId: str.in('3+'),
    groupInstanceId: str.null().in('3+'),
    topics: arr({
      name: str.in('-5'),
      topicId: uuid.in('6+'),
      partitions: arr({
        partitionIndex: i32,
        committedOffset: i64,
        committedLeaderEpoch: i32.in('2+', -1),
        committedMetadata: str.null(),
      }),
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      name: str.in('-5'),
      topicId: uuid.in('6+'),
      partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }),
    }),
  },
})
