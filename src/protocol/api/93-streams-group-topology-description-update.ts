// StreamsGroupTopologyDescriptionUpdate (93): a member sends the description of its topology. KIP-1331.
import { api, arr, i8, i16, i32, str, struct } from '../schema.ts'

const topologyDescriptionNode = {
  name: str,
  nodeType: i8,
  sourceTopics: arr(str),
  sinkTopic: str.null(),
  stores: arr(str),
  successors: arr(str),
}

export const StreamsGroupTopologyDescriptionUpdate = api('StreamsGroupTopologyDescriptionUpdate', 93, '0', {
  flex: 0,
  request: {
    groupId: str,
    memberId: str,
    topologyEpoch: i32,
    topologyDescription: struct({
      subtopologies: arr({ subtopologyId: str, nodes: arr(topologyDescriptionNode) }),
      globalStores: arr({ source: struct(topologyDescriptionNode), processor: struct(topologyDescriptionNode) }),
    }),
  },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
