// OffsetFetch (9): reads the committed offsets of groups: one group up to version 7, several from 8 on. KIP-709, KIP-848 (member epochs,
// 9; topic ids, 10+).
import { api, arr, bool, i16, i32, i64, str, uuid } from '../schema.ts'

export const OffsetFetch = api('OffsetFetch', 9, '1-10', {
  flex: 6,
  request: {
    groupId: str.in('-7'),
    topics: arr({ name: str, partitionIndexes: arr(i32) })
      .null('2-7')
      .in('-7', []),
    groups: arr({
      groupId: str,
      memberId: str.null().in('9+'),
      memberEpoch: i32.in('9+', -1),
      topics: arr({ name: str.in('-9'), topicId: uuid.in('10+'), partitionIndexes: arr(i32) }).null(),
    }).in('8+'),
    requireStable: bool.in('7+'),
  },
  response: {
    throttleTimeMs: i32.in('3+'),
    topics: arr({
      name: str,
      partitions: arr({
        partitionIndex: i32,
        committedOffset: i64,
        committedLeaderEpoch: i32.in('5+', -1),
        metadata: str.null(),
        errorCode: i16.def(0),
      }),
    }).in('-7'),
    errorCode: i16.in('2-7'),
    groups: arr({
      groupId: str,
      topics: arr({
        name: str.in('-9'),
        topicId: uuid.in('10+'),
        partitions: arr({
          partitionIndex: i32,
          committedOffset: i64,
          committedLeaderEpoch: i32.def(-1),
          metadata: str.null(),
          errorCode: i16.def(0),
        }),
      }),
      errorCode: i16.def(0),
    }).in('8+'),
  },
})
