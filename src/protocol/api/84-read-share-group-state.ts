// ReadShareGroupState (84): reads the stored state of share partitions. KIP-932.
import { api, arr, i8, i16, i32, i64, str, uuid } from '../schema.ts'

export const ReadShareGroupState = api('ReadShareGroupState', 84, '0', {
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
        startOffset: i64,
        stateBatches: arr({ firstOffset: i64, lastOffset: i64, deliveryState: i8, deliveryCount: i16 }),
      }),
    }),
  },
})
