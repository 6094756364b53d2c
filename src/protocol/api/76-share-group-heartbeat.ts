// ShareGroupHeartbeat (76): joins, keeps and leaves a share group. KIP-932.
import { api, arr, i16, i32, str, struct, uuid } from '../schema.ts'

export const ShareGroupHeartbeat = api('ShareGroupHeartbeat', 76, '1', {
  flex: 0,
  request: {
    groupId: str,
    memberId: str,
    memberEpoch: i32,
    rackId: str.null(),
    subscribedTopicNames: arr(str).null(),
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
