// ShareFetch (78): acquires records for a member of a share group, and acknowledges others. KIP-932, KIP-1206, KIP-1222.
import { api, arr, bool, i8, i16, i32, i64, records, str, struct, uuid } from '../schema.ts'

export const ShareFetch = api('ShareFetch', 78, '1-2', {
  flex: 0,
  request: {
    groupId: str.null(),
    memberId: str.null(),
    shareSessionEpoch: i32,
    maxWaitMs: i32,
    minBytes: i32,
    maxBytes: i32.def(0x7fffffff),
    maxRecords: i32,
    batchSize: i32,
    shareAcquireMode: i8.in('2+'),
    isRenewAck: bool.in('2+'),
    topics: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        acknowledgementBatches: arr({ firstOffset: i64, lastOffset: i64, acknowledgeTypes: arr(i8) }),
      }),
    }),
    forgottenTopicsData: arr({ topicId: uuid, partitions: arr(i32) }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    acquisitionLockTimeoutMs: i32,
    responses: arr({
      topicId: uuid,
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        errorMessage: str.null(),
        acknowledgeErrorCode: i16,
        acknowledgeErrorMessage: str.null(),
        currentLeader: struct({ leaderId: i32, leaderEpoch: i32 }),
        records: records,
        acquiredRecords: arr({ firstOffset: i64, lastOffset: i64, deliveryCount: i16 }),
      }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: i32, rack: str.null() }),
  },
})
