// DescribeTopicPartitions (75): partitions of topics, page by page, with eligible leader replicas. KIP-966.
import { api, arr, bool, i16, i32, str, struct, uuid } from '../schema.ts'

export const DescribeTopicPartitions = api('DescribeTopicPartitions', 75, '0', {
  flex: 0,
  request: {
    topics: arr({ name: str }),
    responsePartitionLimit: i32.def(2000),
    cursor: struct({ topicName: str, partitionIndex: i32 }).null(),
  },
  response: {
    throttleTimeMs: i32.def(0),
    topics: arr({
      errorCode: i16.def(0),
      name: str.null(),
      topicId: uuid,
      isInternal: bool.def(false),
      partitions: arr({
        errorCode: i16.def(0),
        partitionIndex: i32,
        leaderId: i32,
        leaderEpoch: i32.def(-1),
        replicaNodes: arr(i32),
        isrNodes: arr(i32),
        eligibleLeaderReplicas: arr(i32).null(),
        lastKnownElr: arr(i32).null(),
        offlineReplicas: arr(i32),
      }),
      topicAuthorizedOperations: i32.def(-2147483648),
    }),
    nextCursor: struct({ topicName: str, partitionIndex: i32 }).null(),
  },
})
