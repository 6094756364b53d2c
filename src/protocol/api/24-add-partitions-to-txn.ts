// AddPartitionsToTxn (24): adds partitions to a transaction: by clients up to version 3, by brokers in batches from 4 on. KIP-98,
// KIP-890.
import { api, arr, bool, i16, i32, i64, str } from '../schema.ts'

const addPartitionsToTxnTopic = { name: str, partitions: arr(i32) }

const addPartitionsToTxnTopicResult = { name: str, resultsByPartition: arr({ partitionIndex: i32, partitionErrorCode: i16 }) }

export const AddPartitionsToTxn = api('AddPartitionsToTxn', 24, '0-5', {
  flex: 3,
  request: {
    transactions: arr({
      transactionalId: str,
      producerId: i64,
      producerEpoch: i16,
      verifyOnly: bool.def(false),
      topics: arr(addPartitionsToTxnTopic),
    }).in('4+'),
    v3AndBelowTransactionalId: str.in('-3'),
    v3AndBelowProducerId: i64.in('-3'),
    v3AndBelowProducerEpoch: i16.in('-3'),
    v3AndBelowTopics: arr(addPartitionsToTxnTopic).in('-3'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.in('4+'),
    resultsByTransaction: arr({ transactionalId: str, topicResults: arr(addPartitionsToTxnTopicResult) }).in('4+'),
    resultsByTopicV3AndBelow: arr(addPartitionsToTxnTopicResult).in('-3'),
  },
})
