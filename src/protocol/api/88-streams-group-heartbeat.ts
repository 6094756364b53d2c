// StreamsGroupHeartbeat (88): joins, keeps and leaves a streams group and reconciles its tasks. KIP-1071, KIP-1331.
import { api, arr, bool, i8, i16, i32, i64, str, struct, u16 } from '../schema.ts'

const keyValue = { key: str, value: str }

const topicInfo = { name: str, partitions: i32, replicationFactor: i16, topicConfigs: arr(keyValue) }

const taskIds = { subtopologyId: str, partitions: arr(i32) }

const taskOffset = { subtopologyId: str, partition: i32, offset: i64 }

const topicPartition = { topic: str, partitions: arr(i32) }

export const StreamsGroupHeartbeat = api('StreamsGroupHeartbeat', 88, '0-1', {
  flex: 0,
  request: {
    groupId: str,
    memberId: str,
    memberEpoch: i32,
    endpointInformationEpoch: i32,
    instanceId: str.null(),
    rackId: str.null(),
    rebalanceTimeoutMs: i32.def(-1),
    topology: struct({
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
    }).null(),
    activeTasks: arr(taskIds).null(),
    standbyTasks: arr(taskIds).null(),
    warmupTasks: arr(taskIds).null(),
    processId: str.null(),
    userEndpoint: struct({ host: str, port: u16 }).null(),
    clientTags: arr(keyValue).null(),
    taskOffsets: arr(taskOffset).null(),
    taskEndOffsets: arr(taskOffset).null(),
    shutdownApplication: bool.def(false),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    memberId: str,
    memberEpoch: i32,
    heartbeatIntervalMs: i32,
    acceptableRecoveryLagLegacy: i32.in('0'),
    taskOffsetIntervalMs: i32,
    acceptableRecoveryLag: i64.in('1+', -1),
    status: arr({ statusCode: i8, statusDetail: str }).null(),
    activeTasks: arr(taskIds).null(),
    standbyTasks: arr(taskIds).null(),
    warmupTasks: arr(taskIds).null(),
    topologyDescriptionRequired: bool.in('1+'),
    endpointInformationEpoch: i32,
    partitionsByUserEndpoint: arr({
      userEndpoint: struct({ host: str, port: u16 }),
      activePartitions: arr(topicPartition),
      standbyPartitions: arr(topicPartition),
    }).null(),
  },
})
