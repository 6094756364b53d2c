// AlterShareGroupOffsets (91): sets start offsets of partitions of an empty share group. KIP-932.
import { api, arr, i16, i32, i64, str, uuid } from '../schema.ts'

export const AlterShareGroupOffsets = api('AlterShareGroupOffsets', 91, '0', {
  flex: 0,
  request: {
    groupId: str,
    topics: arr({ topicName: str, partitions: arr({ partitionIndex: i32, startOffset: i64 }) }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    responses: arr({
      topicName: str,
      topicId: uuid,
      partitions: arr({ partitionIndex: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
