// ConsumerGroupDescribe (69): state and members of groups of the consumer protocol. KIP-848, KIP-1099.
import { api, arr, bool, i8, i16, i32, str, struct, uuid } from '../schema.ts'

const assignment = { topicPartitions: arr({ topicId: uuid, topicName: str, partitions: arr(i32) }) }

export const ConsumerGroupDescribe = api('ConsumerGroupDescribe', 69, '0-1', {
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
        instanceId: str.null(),
        rackId: str.null(),
        memberEpoch: i32,
        clientId: str,
        clientHost: str,
        subscribedTopicNames: arr(str),
        subscribedTopicRegex: str.null(),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: i8.in('1+', -1),
      }),
      authorizedOperations: i32.def(-2147483648),
    }),
  },
})
