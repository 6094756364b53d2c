// AlterPartitionReassignments (45): starts or cancels the move of partitions to other replicas. KIP-455, KIP-860.
import { api, arr, bool, i16, i32, str } from '../schema.ts'

export const AlterPartitionReassignments = api('AlterPartitionReassignments', 45, '0-1', {
  flex: 0,
  request: {
    timeoutMs: i32.def(60000),
    allowReplicationFactorChange: bool.in('1+', true),
    topics: arr({ name: str, partitions: arr({ partitionIndex: i32, replicas: arr(i32).null() }) }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    allowReplicationFactorChange: bool.in('1+', true),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    responses: arr({
      name: str,
      partitions: arr({ partitionIndex: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
