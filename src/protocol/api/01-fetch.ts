// Fetch (1): reads record batches, for consumers and followers. KIP-227 (sessions), KIP-320 (epochs), KIP-392 (read replicas), KIP-516
// (topic ids, 13+), KIP-903 (replica epochs), KIP-951, KIP-853, KIP-1166.
import { api, arr, i8, i16, i32, i64, MAX_I64, records, str, struct, uuid } from '../schema.ts'

export const Fetch = api('Fetch', 1, '4-18', {
  flex: 12,
  request: {
    clusterId: str.null().tag(0, '12+'),
    replicaId: i32.in('-14', -1),
    replicaState: struct({ replicaId: i32.def(-1), replicaEpoch: i64.def(-1) }).tag(1, '15+'),
    maxWaitMs: i32,
    minBytes: i32,
    maxBytes: i32.def(0x7fffffff),
    isolationLevel: i8.def(0),
    sessionId: i32.in('7+'),
    sessionEpoch: i32.in('7+', -1),
    topics: arr({
      topic: str.in('-12'),
      topicId: uuid.in('13+'),
      partitions: arr({
        partition: i32,
        currentLeaderEpoch: i32.in('9+', -1),
        fetchOffset: i64.clamped(),
        lastFetchedEpoch: i32.in('12+', -1),
        logStartOffset: i64.in('5+', -1),
        partitionMaxBytes: i32,
        replicaDirectoryId: uuid.tag(0, '17+'),
        highWatermark: i64.tag(1, '18+', MAX_I64),
      }),
    }),
    forgottenTopicsData: arr({ topic: str.in('-12'), topicId: uuid.in('13+'), partitions: arr(i32) }).in('7+'),
    rackId: str.in('11+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.in('7+'),
    sessionId: i32.in('7+'),
    responses: arr({
      topic: str.in('-12'),
      topicId: uuid.in('13+'),
      partitions: arr({
        partitionIndex: i32,
        errorCode: i16.def(0),
        highWatermark: i64,
        lastStableOffset: i64.def(-1),
        logStartOffset: i64.in('5+', -1),
        divergingEpoch: struct({ epoch: i32.def(-1), endOffset: i64.def(-1) }).tag(0, '12+'),
        currentLeader: struct({ leaderId: i32.def(-1), leaderEpoch: i32.def(-1) }).tag(1, '12+'),
        snapshotId: struct({ endOffset: i64.def(-1), epoch: i32.def(-1) }).tag(2, '12+'),
        abortedTransactions: arr({ producerId: i64, firstOffset: i64 }).null(),
        preferredReadReplica: i32.in('11+', -1),
        records: records.null(),
      }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: i32, rack: str.null() }).tag(0, '16+'),
  },
})
