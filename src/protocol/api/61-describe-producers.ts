// DescribeProducers (61): the active producers of partitions, to find hanging transactions. KIP-664.
import { api, arr, i16, i32, i64, str } from '../schema.ts'

export const DescribeProducers = api('DescribeProducers', 61, '0', {
  flex: 0,
  request: { topics: arr({ name: str, partitionIndexes: arr(i32) }) },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      name: str,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        errorMessage: str.null(),
        activeProducers: arr({
          producerId: i64,
          producerEpoch: i32,
          lastSequence: i32.def(-1),
          lastTimestamp: i64.def(-1),
          coordinatorEpoch: i32,
          currentTxnStartOffset: i64.def(-1),
        }),
      }),
    }),
  },
})
