// ConsumerGroupHeartbeat (68): joins, keeps and leaves a group of the consumer protocol and reconciles its assignment. KIP-848, KIP-1082
// (member ids made by the client, 1).
import { api, arr, i16, i32, str, struct, uuid } from '../schema.ts'

export const ConsumerGroupHeartbeat = api('ConsumerGroupHeartbeat', 68, '0-1', {
  flex: 0,
  request: {
    groupId: str,
    memberId: str,
    memberEpoch: i32,
    instanceId: str.null(),
    rackId: str.null(),
    rebalanceTimeoutMs: i32.def(-1),
    subscribedTopicNames: arr(str).null(),
    subscribedTopicRegex: str.null().in('1+'),
    serverAssignor: str.null(),
    topicPartitions: arr({ topicId: uuid, partitions: arr(i32) }).null(),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    memberId: str.null(),
    memberEpoch: i32,
    heartbeatIntervalMs: i32,
    assignment: struct({ topicPartitions: arr({ topicId: uuid, partitions: arr(i32) }) }).null(),
  },
})
