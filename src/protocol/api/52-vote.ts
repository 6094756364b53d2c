// Vote (52): a candidate asks a voter for its vote, or, as a pre-vote, for its opinion. KIP-595, KIP-853, KIP-996.
import { api, arr, bool, i16, i32, i64, str, u16, uuid } from '../schema.ts'

export const Vote = api('Vote', 52, '0-2', {
  flex: 0,
  request: {
    clusterId: str.null(),
    voterId: i32.in('1+', -1),
    topics: arr({
      topicName: str,
      partitions: arr({
        partitionIndex: i32,
        replicaEpoch: i32,
        replicaId: i32,
        replicaDirectoryId: uuid.in('1+'),
        voterDirectoryId: uuid.in('1+'),
        lastOffsetEpoch: i32,
        lastOffset: i64,
        preVote: bool.in('2+'),
      }),
    }),
  },
  response: {
    errorCode: i16.def(0),
    topics: arr({
      topicName: str,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        leaderId: i32,
        leaderEpoch: i32,
        voteGranted: bool,
      }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: u16 }).tag(0, '1+'),
  },
})
