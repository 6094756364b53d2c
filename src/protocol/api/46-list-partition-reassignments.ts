// ListPartitionReassignments (46): the partitions on the move. KIP-455.
import { api, arr, i16, i32, str } from '../schema.ts'

export const ListPartitionReassignments = api('ListPartitionReassignments', 46, '0', {
  flex: 0,
  request: {
    timeoutMs: i32.def(60000),
    topics: arr({ name: str, partitionIndexes: arr(i32) }).null(),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    topics: arr({
      name: str,
      partitions: arr({
        partitionIndex: i32,
        replicas: arr(i32),
        addingReplicas: arr(i32),
        removingReplicas: arr(i32),
      }),
    }),
  },
})
