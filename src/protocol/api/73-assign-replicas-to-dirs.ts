// AssignReplicasToDirs (73): a broker says in which log directories its replicas are. KIP-858.
import { api, arr, i16, i32, i64, uuid } from '../schema.ts'

export const AssignReplicasToDirs = api('AssignReplicasToDirs', 73, '0', {
  flex: 0,
  request: {
    brokerId: i32,
    brokerEpoch: i64.def(-1),
    directories: arr({ id: uuid, topics: arr({ topicId: uuid, partitions: arr({ partitionIndex: i32 }) }) }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    directories: arr({
      id: uuid,
      topics: arr({ topicId: uuid, partitions: arr({ partitionIndex: i32, errorCode: i16.def(0) }) }),
    }),
  },
})
