// EndQuorumEpoch (54): a raft leader resigns and names its preferred successors. KIP-595, KIP-853.
import { api, arr, i16, i32, str, u16, uuid } from '../schema.ts'

export const EndQuorumEpoch = api('EndQuorumEpoch', 54, '0-1', {
  flex: 1,
  request: {
    clusterId: str.null(),
    topics: arr({
      topicName: str,
      partitions: arr({
        partitionIndex: i32,
        leaderId: i32,
        leaderEpoch: i32,
        preferredSuccessors: arr(i32).in('0'),
        preferredCandidates: arr({ candidateId: i32, candidateDirectoryId: uuid }).in('1+'),
      }),
    }),
    leaderEndpoints: arr({ name: str, host: str, port: u16 }).in('1+'),
  },
  response: {
    errorCode: i16.def(0),
    topics: arr({
      topicName: str,
      partitions: arr({ partitionIndex: i32, errorCode: i16.def(0), leaderId: i32, leaderEpoch: i32 }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: u16 }).tag(0, '1+'),
  },
})
