// WriteShareGroupState (85): writes the stored state of share partitions. KIP-932, KIP-1226.
import { api, arr, i8, i16, i32, i64, str, uuid } from '../schema.ts'

export const WriteShareGroupState = api('WriteShareGroupState', 85, '0-1', {
  flex: 0,
  request: {
    groupId: str,
    topics: arr({
      topicId: uuid,
      partitions: arr({
        partition: i32,
        stateEpoch: i32,
        leaderEpoch: i32,
        startOffset: i64,
        deliveryCompleteCount: i32.in('1+', -1),
        stateBatches: arr({ firstOffset: i64, lastOffset: i64, deliveryState: i8, deliveryCount: i16 }),
      }),
    }),
  },
  response: {
    results: arr({
      topicId: uuid,
      partitions: arr({ partition: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
