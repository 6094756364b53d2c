// What the transaction coordinator keeps in __transaction_state: one record per transactional id. KIP-98, KIP-890.
import { arr, i8, i16, i32, i64, str } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

export const TransactionLog = coordinatorRecord('TransactionLog', 0, '0-1', {
  key: { transactionalId: str },
  flex: 1,
  value: {
    producerId: i64,
    previousProducerId: i64.tag(0, '1+', -1),
    nextProducerId: i64.tag(1, '1+', -1),
    producerEpoch: i16,
    nextProducerEpoch: i16.tag(3, '1+', -1),
    transactionTimeoutMs: i32,
    transactionStatus: i8,
    transactionPartitions: arr({ topic: str, partitionIds: arr(i32) }).null(),
    transactionLastUpdateTimestampMs: i64,
    transactionStartTimestampMs: i64,
    clientTransactionVersion: i16.tag(2, '1+'),
  },
})
