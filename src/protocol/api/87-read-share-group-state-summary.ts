// ReadShareGroupStateSummary (87): reads start offset and epochs of the stored state of share partitions. KIP-932, KIP-1226.
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const ReadShareGroupStateSummary = api('ReadShareGroupStateSummary', 87, '0-1', {
  flex: 0,
  request: {
    groupId: str,
    topics: arr({ topicId: uuid, partitions: arr({ partition: i32, leaderEpoch: i32 }) }),
  },
  response: {
    results: arr({
      topicId: uuid,
      partitions: arr({
        partition: i32,
        errorCode: i16.def(0),
        errorMessage: str.null(),
        stateEpoch: i32,
        leaderEpoch: i32,
        startOffset: i64,
        deliveryCompleteCount: i32.in('1+', -1),
      }),
    }),
  },
})
