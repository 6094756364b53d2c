// InitializeShareGroupState (83): creates the stored state of share partitions. KIP-932.
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const InitializeShareGroupState = api('InitializeShareGroupState', 83, '0', {
  flex: 0,
  request: {
    groupId: str,
    topics: arr({ topicId: uuid, partitions: arr({ partition: i32, stateEpoch: i32, startOffset: i64 }) }),
  },
  response: {
    results: arr({
      topicId: uuid,
      partitions: arr({ partition: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
