// DeleteTopics (20): deletes topics: by name up to version 5, by name or id from 6 on. KIP-4, KIP-516, KIP-599.
import { api, arr, i16, i32, str, uuid } from '../schema.ts'

export const DeleteTopics = api('DeleteTopics', 20, '1-6', {
  flex: 4,
  request: {
    topics: arr({ name: str.null(), topicId: uuid }).in('6+'),
    topicNames: arr(str).in('-5'),
    timeoutMs: i32,
  },
  response: {
    throttleTimeMs: i32.def(0),
    responses: arr({
      name: str.null('6+'),
      topicId: uuid.in('6+'),
      errorCode: i16.def(0),
      errorMessage: str.null().in('5+'),
    }),
  },
})
