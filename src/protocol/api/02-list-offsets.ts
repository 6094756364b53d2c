// ListOffsets (2): offsets by time, or the earliest (-2), latest (-1), maximum timestamp (-3), earliest local (-4), last tiered (-5),
// earliest not uploaded (-6). KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1075, KIP-1023.
import { api, arr, i8, i16, i32, i64, str } from '../schema.ts'

export const ListOffsets = api('ListOffsets', 2, '1-11', {
  flex: 6,
  request: {
    replicaId: i32,
    isolationLevel: i8.in('2+'),
    topics: arr({
      name: str,
      partitions: arr({ partitionIndex: i32, currentLeaderEpoch: i32.in('4+', -1), timestamp: i64.clamped() }),
    }),
    timeoutMs: i32.in('10+'),
  },
  response: {
    throttleTimeMs: i32.in('2+'),
    topics: arr({
      name: str,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        timestamp: i64.def(-1),
        offset: i64.def(-1),
        leaderEpoch: i32.in('4+', -1),
      }),
    }),
  },
})
