// DescribeTransactions (65): state and partitions of transactions. KIP-664.
import { api, arr, i16, i32, i64, str } from '../schema.ts'

export const DescribeTransactions = api('DescribeTransactions', 65, '0', {
  flex: 0,
  request: { transactionalIds: arr(str) },
  response: {
    throttleTimeMs: i32.def(0),
    transactionStates: arr({
      errorCode: i16.def(0),
      transactionalId: str,
      transactionState: str,
      transactionTimeoutMs: i32,
      transactionStartTimeMs: i64,
      producerId: i64,
      producerEpoch: i16,
      topics: arr({ topic: str, partitions: arr(i32) }),
    }),
  },
})
