// AlterPartition (56): a partition leader changes its in-sync replicas. KIP-497, KIP-704, KIP-841, KIP-903.
import { api, arr, i8, i16, i32, i64, uuid } from '../schema.ts'

export const AlterPartition = api('AlterPartition', 56, '2-3', {
  flex: 0,
  request: {
    brokerId: i32,
    brokerEpoch: i64.def(-1),
    topics: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        leaderEpoch: i32,
        newIsr: arr(i32).in('2'),
        newIsrWithEpochs: arr({ brokerId: i32, brokerEpoch: i64.def(-1) }).in('3+'),
        leaderRecoveryState: i8.def(0),
        partitionEpoch: i32,
      }),
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    topics: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        leaderId: i32,
        leaderEpoch: i32,
        isr: arr(i32),
        leaderRecoveryState: i8.def(0),
        partitionEpoch: i32,
      }),
    }),
  },
})
