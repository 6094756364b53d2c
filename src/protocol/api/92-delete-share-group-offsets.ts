// DeleteShareGroupOffsets (92): deletes the offsets of topics of an empty share group. KIP-932.
import { api, arr, i16, i32, str, uuid } from '../schema.ts'

export const DeleteShareGroupOffsets = api('DeleteShareGroupOffsets', 92, '0', {
  flex: 0,
  request: { groupId: str, topics: arr({ topicName: str }) },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    responses: arr({ topicName: str, topicId: uuid, errorCode: i16.def(0), errorMessage: str.null() }),
  },
})
