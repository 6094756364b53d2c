// Produce (0): appends record batches to partitions. KIP-98 (transactions), KIP-467 (record errors), KIP-951 (new leaders in answers),
// KIP-890 (12+), KIP-516 (topic ids, 13+).
import { api, arr, i16, i32, i64, records, str, struct, uuid } from '../schema.ts'

export const Produce = api('Produce', 0, '3-13', {
  flex: 9,
  request: {
    transactionalId: str.null(),
    acks: i16,
    timeoutMs: i32,
    topicData: arr({
      name: str.in('-12'),
      topicId: uuid.in('13+'),
      partitionData: arr({ index: i32, records: records.null() }),
    }),
  },
  response: {
    responses: arr({
      name: str.in('-12'),
      topicId: uuid.in('13+'),
      partitionResponses: arr({
        index: i32,
        errorCode: i16.def(0),
        baseOffset: i64,
        logAppendTimeMs: i64.def(-1),
        logStartOffset: i64.in('5+', -1),
        recordErrors: arr({ batchIndex: i32, batchIndexErrorMessage: str.null() }).in('8+'),
        errorMessage: str.null().in('8+'),
        currentLeader: struct({ leaderId: i32.def(-1), leaderEpoch: i32.def(-1) }).tag(0, '10+'),
      }),
    }),
    throttleTimeMs: i32.def(0),
    nodeEndpoints: arr({ nodeId: i32, host: str, port: i32, rack: str.null() }).tag(0, '10+'),
  },
})
