// AlterReplicaLogDirs (34): moves replicas to other log directories of a broker. KIP-113.
import { api, arr, i16, i32, str } from '../schema.ts'

export const AlterReplicaLogDirs = api('AlterReplicaLogDirs', 34, '1-2', {
  flex: 2,
  request: { dirs: arr({ path: str, topics: arr({ name: str, partitions: arr(i32) }) }) },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({ topicName: str, partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }) }),
  },
})
