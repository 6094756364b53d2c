// ShareGroupDescribe (77): state and members of share groups. KIP-932.
import { api, arr, bool, i16, i32, str, struct, uuid } from '../schema.ts'

export const ShareGroupDescribe = api('ShareGroupDescribe', 77, '1', {
  flex: 0,
  request: { groupIds: arr(str), includeAuthorizedOperations: bool },
  response: {
    throttleTimeMs: i32.def(0),
    groups: arr({
      errorCode: i16.def(0),
      errorMessage: str.null(),
      groupId: str,
      groupState: str,
      groupEpoch: i32,
      assignmentEpoch: i32,
      assignorName: str,
      members: arr({
        memberId: str,
        rackId: str.null(),
        memberEpoch: i32,
        clientId: str,
        clientHost: str,
        subscribedTopicNames: arr(str),
        assignment: struct({ topicPartitions: arr({ topicId: uuid, topicName: str, partitions: arr(i32) }) }),
      }),
      authorizedOperations: i32.def(-2147483648),
    }),
  },
})
