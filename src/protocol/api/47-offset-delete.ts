// OffsetDelete (47): deletes committed offsets of a group. KIP-496.
import { api, arr, i16, i32, str } from '../schema.ts'

export const OffsetDelete = api('OffsetDelete', 47, '0', {
  request: { groupId: str, topics: arr({ name: str, partitions: arr({ partitionIndex: i32 }) }) },
  response: {
    errorCode: i16.def(0),
    throttleTimeMs: i32.def(0),
    topics: arr({ name: str, partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }) }),
  },
})
