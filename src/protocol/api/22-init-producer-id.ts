// InitProducerId (22): hands out a producer id and epoch, fences older producers of the transactional id. KIP-98, KIP-360, KIP-890,
// KIP-939 (version 6, not stable yet).
import { api, bool, i16, i32, i64, str } from '../schema.ts'

export const InitProducerId = api('InitProducerId', 22, '0-6', {
  flex: 2,
  request: {
    transactionalId: str.null(),
    transactionTimeoutMs: i32,
    producerId: i64.in('3+', -1),
    producerEpoch: i16.in('3+', -1),
    enable2Pc: bool.in('6+'),
    keepPreparedTxn: bool.in('6+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    producerId: i64.def(-1),
    producerEpoch: i16,
    ongoingTxnProducerId: i64.in('6+', -1),
    ongoingTxnProducerEpoch: i16.in('6+', -1),
  },
})
