// WriteTxnMarkers (27): the transaction coordinator has markers written to the partitions of a transaction. KIP-98, KIP-1228 (transaction
// version, 2).
import { api, arr, bool, i8, i16, i32, i64, str } from '../schema.ts'

export const WriteTxnMarkers = api('WriteTxnMarkers', 27, '1-2', {
  flex: 1,
  request: {
    markers: arr({
      producerId: i64,
      producerEpoch: i16,
      transactionResult: bool,
      topics: arr({ name: str, partitionIndexes: arr(i32) }),
      coordinatorEpoch: i32,
      transactionVersion: i8.in('2+'),
    }),
  },
  response: {
    markers: arr({
      producerId: i64,
      topics: arr({ name: str, partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }) }),
    }),
  },
})
