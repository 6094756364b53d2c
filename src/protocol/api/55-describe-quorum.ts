// DescribeQuorum (55): leader, voters and observers of the metadata quorum, and how far they are. KIP-642, KIP-836, KIP-853.
import { api, arr, i16, i32, i64, str, u16, uuid } from '../schema.ts'

const replicaState = {
  replicaId: i32,
  replicaDirectoryId: uuid.in('2+'),
  logEndOffset: i64,
  lastFetchTimestamp: i64.in('1+', -1),
  lastCaughtUpTimestamp: i64.in('1+', -1),
}

export const DescribeQuorum = api('DescribeQuorum', 55, '0-2', {
  flex: 0,
  request: { topics: arr({ topicName: str, partitions: arr({ partitionIndex: i32 }) }) },
  response: {
    errorCode: i16.def(0),
    errorMessage: str.null().in('2+', ''),
    topics: arr({
      topicName: str,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        errorMessage: str.null().in('2+', ''),
        leaderId: i32,
        leaderEpoch: i32,
        highWatermark: i64,
        currentVoters: arr(replicaState),
        observers: arr(replicaState),
      }),
    }),
    nodes: arr({ nodeId: i32, listeners: arr({ name: str, host: str, port: u16 }) }).in('2+'),
  },
})
