// CreateTopics (19): creates topics. KIP-4, KIP-464 (default partitions and replication), KIP-525 (configs in the answer), KIP-599.
import { api, arr, bool, i8, i16, i32, str, uuid } from '../schema.ts'

export const CreateTopics = api('CreateTopics', 19, '2-7', {
  flex: 5,
  request: {
    topics: arr({
      name: str,
      numPartitions: i32,
      replicationFactor: i16,
      assignments: arr({ partitionIndex: i32, brokerIds: arr(i32) }),
      configs: arr({ name: str, value: str.null() }),
    }),
    timeoutMs: i32.def(60000),
    validateOnly: bool.def(false),
  },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      name: str,
      topicId: uuid.in('7+'),
      errorCode: i16.def(0),
      errorMessage: str.null(),
      topicConfigErrorCode: i16.tag(0, '5+'),
      numPartitions: i32.in('5+', -1),
      replicationFactor: i16.in('5+', -1),
      configs: arr({
        name: str,
        value: str.null(),
        readOnly: bool,
        configSource: i8.def(-1),
        isSensitive: bool,
      })
        .null()
        .in('5+', []),
    }),
  },
})
