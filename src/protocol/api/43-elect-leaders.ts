// ElectLeaders (43): has preferred (0) or unclean (1) leaders elected. KIP-183, KIP-460.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const ElectLeaders = api('ElectLeaders', 43, '0-2', {
  flex: 2,
  request: {
    electionType: i8.in('1+'),
    topicPartitions: arr({ topic: str, partitions: arr(i32) }).null(),
    timeoutMs: i32.def(60000),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.in('1+'),
    replicaElectionResults: arr({
      topic: str,
      partitionResult: arr({ partitionId: i32, errorCode: i16.def(0), errorMessage: str.null() }),
    }),
  },
})
