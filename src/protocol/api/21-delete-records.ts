// DeleteRecords (21): moves the log start offset forward. KIP-107.
import { api, arr, i16, i32, i64, str } from '../schema.ts'

export const DeleteRecords = api('DeleteRecords', 21, '0-2', {
  flex: 2,
  request: {
    topics: arr({ name: str, partitions: arr({ partitionIndex: i32, offset: i64 }) }),
    timeoutMs: i32,
  },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      name: str,
      partitions: arr({ partitionIndex: i32, lowWatermark: i64, errorCode: i16.def(0) }),
    }),
  },
})
