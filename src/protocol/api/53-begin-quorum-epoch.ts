// BeginQuorumEpoch (53): a new raft leader announces itself to the voters. KIP-595, KIP-853.
import { api, arr, i16, i32, str, u16, uuid } from '../schema.ts'

export const BeginQuorumEpoch = api('BeginQuorumEpoch', 53, '0-1', {
  flex: 1,
  request: {
    clusterId: str.null(),
    voterId: i32.in('1+', -1),
    topics: arr({
      topicName: str,
      partitions: arr({ partitionIndex: i32, voterDirectoryId: uuid.in('1+'), leaderId: i32, leaderEpoch: i32 }),
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
