// ShareAcknowledge (79): acknowledges records of a share group. KIP-932, KIP-1222.
import { api, arr, bool, i8, i16, i32, i64, str, struct, uuid } from '../schema.ts'

export const ShareAcknowledge = api('ShareAcknowledge', 79, '1-2', {
  flex: 0,
  request: {
    groupId: str.null(),
    memberId: str.null(),
    shareSessionEpoch: i32,
    isRenewAck: bool.in('2+'),
    topics: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        acknowledgementBatches: arr({ firstOffset: i64, lastOffset: i64, acknowledgeTypes: arr(i8) }),
      }),
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    acquisitionLockTimeoutMs: i32.in('2+'),
    responses: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        errorMessage: str.null(),
        currentLeader: struct({ leaderId: i32, leaderEpoch: i32 }),
      }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: i32, rack: str.null() }),
  },
})
