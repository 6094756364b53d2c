// What streams groups (KIP-1071) keep in __consumer_offsets: members, epochs, assignments of tasks and the topology.
import { arr, i8, i16, i32, i64, i64big, str, struct, u16 } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

const taskIds = { subtopologyId: str, partitions: arr(i32) }

const streamsGroupCurrentMemberAssignmentTaskIds = {
  subtopologyId: str,
  partitions: arr(i32),
  assignmentEpochs: arr(i32).null().tag(0, '0+', []),
}

const topicInfo = {
  name: str,
  partitions: i32,
  replicationFactor: i16,
  topicConfigs: arr({ key: str, value: str }),
}

export const StreamsGroupMetadata = coordinatorRecord('StreamsGroupMetadata', 17, '0', {
  key: { groupId: str },
  flex: 0,
  value: {
    epoch: i32,
    metadataHash: i64big,
    validatedTopologyEpoch: i32.tag(0, '0+', -1),
    lastAssignmentConfigs: arr({ key: str, value: str }).null().tag(1, '0+', []),
    storedDescriptionTopologyEpoch: i32.tag(2, '0+', -1),
    failedDescriptionTopologyEpoch: i32.tag(3, '0+', -1),
  },
})

export const StreamsGroupMemberMetadata = coordinatorRecord('StreamsGroupMemberMetadata', 19, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: {
    instanceId: str.null(),
    rackId: str.null(),
    clientId: str,
    clientHost: str,
    rebalanceTimeoutMs: i32.def(-1),
    topologyEpoch: i32,
    processId: str,
    userEndpoint: struct({ host: str, port: u16 }).null(),
    clientTags: arr({ key: str, value: str }),
  },
})

export const StreamsGroupTargetAssignmentMetadata = coordinatorRecord('StreamsGroupTargetAssignmentMetadata', 20, '0', {
  key: { groupId: str },
  flex: 0,
  value: { assignmentEpoch: i32, assignmentTimestamp: i64.tag(0, '0+') },
})

export const StreamsGroupTargetAssignmentMember = coordinatorRecord('StreamsGroupTargetAssignmentMember', 21, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: { activeTasks: arr(taskIds), standbyTasks: arr(taskIds), warmupTasks: arr(taskIds) },
})

export const StreamsGroupCurrentMemberAssignment = coordinatorRecord('StreamsGroupCurrentMemberAssignment', 22, '0', {
  key: { groupId: str, memberId: str },
  flex: 0,
  value: {
    memberEpoch: i32,
    previousMemberEpoch: i32,
    state: i8,
    activeTasks: arr(streamsGroupCurrentMemberAssignmentTaskIds),
    standbyTasks: arr(streamsGroupCurrentMemberAssignmentTaskIds),
    warmupTasks: arr(streamsGroupCurrentMemberAssignmentTaskIds),
    activeTasksPendingRevocation: arr(streamsGroupCurrentMemberAssignmentTaskIds),
    standbyTasksPendingRevocation: arr(streamsGroupCurrentMemberAssignmentTaskIds),
    warmupTasksPendingRevocation: arr(streamsGroupCurrentMemberAssignmentTaskIds),
  },
})

export const StreamsGroupTopology = coordinatorRecord('StreamsGroupTopology', 23, '0', {
  key: { groupId: str },
  flex: 0,
  value: {
    epoch: i32,
    subtopologies: arr({
      subtopologyId: str,
      sourceTopics: arr(str),
      sourceTopicRegex: arr(str),
      stateChangelogTopics: arr(topicInfo),
      repartitionSinkTopics: arr(str),
      repartitionSourceTopics: arr(topicInfo),
      copartitionGroups: arr({ sourceTopics: arr(i16), sourceTopicRegex: arr(i16), repartitionSourceTopics: arr(i16) }),
    }),
  },
})
