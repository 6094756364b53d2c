// Metadata (3): brokers, topics, partitions and their leaders; may create topics. KIP-516 (topic ids, 10+), KIP-430 (authorized
// operations, 8+), KIP-1102 (rebootstrap).
import { api, arr, bool, i16, i32, str, uuid } from '../schema.ts'

export const Metadata = api('Metadata', 3, '0-13', {
  flex: 9,
  request: {
    topics: arr({ topicId: uuid.in('10+'), name: str.null('10+') }).null('1+'),
    allowAutoTopicCreation: bool.in('4+', true),
    includeClusterAuthorizedOperations: bool.in('8-10'),
    includeTopicAuthorizedOperations: bool.in('8+'),
  },
  response: {
    throttleTimeMs: i32.in('3+'),
    brokers: arr({ nodeId: i32, host: str, port: i32, rack: str.null().in('1+') }),
    clusterId: str.null().in('2+'),
    controllerId: i32.in('1+', -1),
    topics: arr({
      errorCode: i16.def(0),
      name: str.null('12+'),
      topicId: uuid.in('10+'),
      isInternal: bool.in('1+'),
      partitions: arr({
        errorCode: i16.def(0),
        partitionIndex: i32,
        leaderId: i32,
        leaderEpoch: i32.in('7+', -1),
        replicaNodes: arr(i32),
        isrNodes: arr(i32),
        offlineReplicas: arr(i32).in('5+'),
      }),
      topicAuthorizedOperations: i32.in('8+', -2147483648),
    }),
    clusterAuthorizedOperations: i32.in('8-10', -2147483648),
    errorCode: i16.in('13+'),
  },
})
