// What groups of the consumer protocol (KIP-848) keep in __consumer_offsets: their members, epochs, target and current assignments, and
// resolved regular expressions. ConsumerGroupPartitionMetadata is no longer written by Kafka.
import { arr, bytes, i8, i32, i64, i64big, str, struct, uuid } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

const topicPartitions = {
  topicId: uuid,
  partitions: arr(i32),
  assignmentEpochs: arr(i32).null().tag(0, '0+', []),
}

export const ConsumerGroupMetadata = coordinatorRecord('ConsumerGroupMetadata', 3, '0', {
  key: { groupId: str },
  flex: 0,
  value: { epoch: i32, metadataHash: i64big.tag(0, '0+') },
})

export const ConsumerGroupPartitionMetadata = coordinatorRecord('ConsumerGroupPartitionMetadata', 4, '0', {
  key: { groupId: str },
  flex: 0,
  value: {
    topics: arr({
      topicId: uuid,
      topicName: str,
      numPartitions: i32,
      partitionMetadata: arr({ partition: i32, racks: arr(str) }),
    }),
  },
})

export const ConsumerGroupMemberMetadata = coordinatorRecord('ConsumerGroupMemberMetadata', 5, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: {
    instanceId: str.null(),
    rackId: str.null(),
    clientId: str,
    clientHost: str,
    subscribedTopicNames: arr(str),
    subscribedTopicRegex: str.null(),
    rebalanceTimeoutMs: i32.def(-1),
    serverAssignor: str.null(),
    classicMemberMetadata: struct({ sessionTimeoutMs: i32, supportedProtocols: arr({ name: str, metadata: bytes }) })
      .null()
      .tag(0, '0+', { sessionTimeoutMs: 0, supportedProtocols: [] }),
  },
})

export const ConsumerGroupTargetAssignmentMetadata = coordinatorRecord('ConsumerGroupTargetAssignmentMetadata', 6, '0', {
  key: { groupId: str },
  flex: 0,
  value: { assignmentEpoch: i32, assignmentTimestamp: i64.tag(0, '0+') },
})

export const ConsumerGroupTargetAssignmentMember = coordinatorRecord('ConsumerGroupTargetAssignmentMember', 7, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: { topicPartitions: arr({ topicId: uuid, partitions: arr(i32) }) },
})

export const ConsumerGroupCurrentMemberAssignment = coordinatorRecord('ConsumerGroupCurrentMemberAssignment', 8, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: {
    memberEpoch: i32,
    previousMemberEpoch: i32,
    state: i8,
    assignedPartitions: arr(topicPartitions),
    partitionsPendingRevocation: arr(topicPartitions),
  },
})

export const ConsumerGroupRegularExpression = coordinatorRecord('ConsumerGroupRegularExpression', 16, '0', {
  key: { groupId: str, regularExpression: str },
  flex: 0,
  value: { topics: arr(str), version: i64, timestamp: i64 },
})
