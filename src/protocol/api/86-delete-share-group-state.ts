// DeleteShareGroupState (86): deletes the stored state of share partitions. KIP-932.
import { api, arr, i16, i32, str, uuid } from '../schema.ts'

export const DeleteShareGroupState = api('DeleteShareGroupState', 86, '0', {
  flex: 0,
  request: { groupId: str, topics: arr({ topicId: uuid, partitions: arr({ partition: i32 }) }) },
  response: {
    results: arr({
      topicId: uuid,
      partitions: arr({ partition: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
