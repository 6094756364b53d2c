// DescribeShareGroupOffsets (90): start offsets of the partitions of share groups. KIP-932, KIP-1226 (lag).
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const DescribeShareGroupOffsets = api('DescribeShareGroupOffsets', 90, '0-1', {
  flex: 0,
  request: {
    groups: arr({ groupId: str, topics: arr({ topicName: str, partitions: arr(i32) }).null() }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    groups: arr({
      groupId: str,
      topics: arr({
        topicName: str,
        topicId: uuid,
        partitions: arr({
          partitionIndex: i32,
          startOffset: i64,
          leaderEpoch: i32,
          lag: i64.in('1+', -1),
          errorCode: i16.def(0),
          errorMessage: str.null(),
        }),
      }),
      errorCode: i16.def(0),
      errorMessage: str.null(),
    }),
  },
})
