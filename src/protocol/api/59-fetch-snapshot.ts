// FetchSnapshot (59): reads a piece of a metadata snapshot. KIP-630, KIP-853.
import { api, arr, i16, i32, i64, records, str, struct, u16, uuid } from '../schema.ts'

export const FetchSnapshot = api('FetchSnapshot', 59, '0-1', {
  flex: 0,
  request: {
    clusterId: str.null().tag(0, '0+'),
    replicaId: i32.def(-1),
    maxBytes: i32.def(0x7fffffff),
    topics: arr({
      name: str,
      partitions: arr({
        partition: i32,
        currentLeaderEpoch: i32,
        snapshotId: struct({ endOffset: i64, epoch: i32 }),
        position: i64,
        replicaDirectoryId: uuid.tag(0, '1+'),
      }),
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    topics: arr({
      name: str,
      partitions: arr({
        index: i32,
        errorCode: i16.def(0),
        snapshotId: struct({ endOffset: i64, epoch: i32 }),
        currentLeader: struct({ leaderId: i32, leaderEpoch: i32 }).tag(0, '0+'),
        size: i64,
        position: i64,
        unalignedRecords: records,
      }),
    }),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: u16 }).tag(0, '1+'),
  },
})
