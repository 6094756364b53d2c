// What share groups (KIP-932) keep in __consumer_offsets: members, epochs, assignments and the topics whose state is initialized.
import { arr, i8, i32, i64, i64big, str, uuid } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

const topicPartitionsInfo = { topicId: uuid, topicName: str, partitions: arr(i32) }

export const ShareGroupMemberMetadata = coordinatorRecord('ShareGroupMemberMetadata', 10, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: { rackId: str.null(), clientId: str, clientHost: str, subscribedTopicNames: arr(str) },
})

export const ShareGroupMetadata = coordinatorRecord('ShareGroupMetadata', 11, '0', {
  key: { groupId: str },
  flex: 0,
  value: { epoch: i32, metadataHash: i64big },
})

export const ShareGroupTargetAssignmentMetadata = coordinatorRecord('ShareGroupTargetAssignmentMetadata', 12, '0', {
  key: { groupId: str },
  flex: 0,
  value: { assignmentEpoch: i32, assignmentTimestamp: i64.tag(0, '0+') },
})

export const ShareGroupTargetAssignmentMember = coordinatorRecord('ShareGroupTargetAssignmentMember', 13, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: { topicPartitions: arr({ topicId: uuid, partitions: arr(i32) }) },
})

export const ShareGroupCurrentMemberAssignment = coordinatorRecord('ShareGroupCurrentMemberAssignment', 14, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: {
    memberEpoch: i32,
    previousMemberEpoch: i32,
    state: i8,
    assignedPartitions: arr({ topicId: uuid, partitions: arr(i32) }),
  },
})

export const ShareGroupStatePartitionMetadata = coordinatorRecord('ShareGroupStatePartitionMetadata', 15, '0', {
  key: { groupId: str },
  flex: 0,
  value: {
    initializingTopics: arr(topicPartitionsInfo),
    initializedTopics: arr(topicPartitionsInfo),
    deletingTopics: arr({ topicId: uuid, topicName: str }),
  },
})
