// StreamsGroupDescribe (89): state, topology and members of streams groups. KIP-1071, KIP-1331, KIP-1357.
import { api, arr, bool, i8, i16, i32, i64, str, struct, u16 } from '../schema.ts'

const keyValue = { key: str, value: str }

const topicInfo = { name: str, partitions: i32, replicationFactor: i16, topicConfigs: arr(keyValue) }

const taskOffset = { subtopologyId: str, partition: i32, offset: i64 }

const taskIds = { subtopologyId: str, partitions: arr(i32) }

const assignment = { activeTasks: arr(taskIds), standbyTasks: arr(taskIds), warmupTasks: arr(taskIds) }

const topologyDescriptionNode = {
  name: str,
  nodeType: i8,
  sourceTopics: arr(str),
  sinkTopic: str.null(),
  stores: arr(str),
  successors: arr(str),
}

export const StreamsGroupDescribe = api('StreamsGroupDescribe', 89, '0-1', {
  flex: 0,
  request: {
    groupIds: arr(str),
    includeAuthorizedOperations: bool,
    includeTopologyDescription: bool.in('1+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    groups: arr({
      errorCode: i16.def(0),
      errorMessage: str.null(),
      groupId: str,
      groupState: str,
      groupEpoch: i32,
      assignmentEpoch: i32,
      topology: struct({
        epoch: i32,
        subtopologies: arr({
          subtopologyId: str,
          sourceTopics: arr(str),
          repartitionSinkTopics: arr(str),
          stateChangelogTopics: arr(topicInfo),
          repartitionSourceTopics: arr(topicInfo),
        }).null(),
      }).null(),
      members: arr({
        memberId: str,
        memberEpoch: i32,
        instanceId: str.null(),
        rackId: str.null(),
        clientId: str,
        clientHost: str,
        topologyEpoch: i32,
        processId: str,
        userEndpoint: struct({ host: str, port: u16 }).null(),
        clientTags: arr(keyValue),
        taskOffsets: arr(taskOffset),
        taskEndOffsets: arr(taskOffset),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        isClassic: bool,
      }),
      authorizedOperations: i32.def(-2147483648),
      topologyDescription: struct({
        subtopologies: arr({ subtopologyId: str, nodes: arr(topologyDescriptionNode) }),
        globalStores: arr({ source: struct(topologyDescriptionNode), processor: struct(topologyDescriptionNode) }),
      })
        .null()
        .in('1+'),
      topologyDescriptionStatus: i8.in('1+'),
      assignorName: str.null().in('1+'),
    }),
  },
})
