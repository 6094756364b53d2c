// CreatePartitions (37): adds partitions to topics. KIP-195, KIP-599.
import { api, arr, bool, i16, i32, str } from '../schema.ts'

export const CreatePartitions = api('CreatePartitions', 37, '0-3', {
  flex: 2,
  request: {
    topics: arr({ name: str, count: i32, assignments: arr({ brokerIds: arr(i32) }).null() }),
    timeoutMs: i32,
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({ name: str, errorCode: i16.def(0), errorMessage: str.null() }),
  },
})
