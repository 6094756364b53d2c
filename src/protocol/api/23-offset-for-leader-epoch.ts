// OffsetForLeaderEpoch (23): where a leader epoch ends, to find the point of divergence. KIP-101, KIP-279, KIP-320.
import { api, arr, i16, i32, i64, str } from '../schema.ts'

export const OffsetForLeaderEpoch = api('OffsetForLeaderEpoch', 23, '2-4', {
  flex: 4,
  request: {
    replicaId: i32.in('3+', -2),
    topics: arr({
      topic: str,
      partitions: arr({ partition: i32, currentLeaderEpoch: i32.def(-1), leaderEpoch: i32 }),
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      topic: str,
      partitions: arr({
        errorCode: i16.def(0),
        partition: i32,
        leaderEpoch: i32.def(-1),
        endOffset: i64.def(-1),
      }),
    }),
  },
})
