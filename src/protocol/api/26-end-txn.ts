// EndTxn (26): commits or aborts a transaction; from version 5 on it returns a bumped producer epoch. KIP-98, KIP-890.
import { api, bool, i16, i32, i64, str } from '../schema.ts'

export const EndTxn = api('EndTxn', 26, '0-5', {
  flex: 3,
  request: { transactionalId: str, producerId: i64, producerEpoch: i16, committed: bool },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    producerId: i64.in('5+', -1),
    producerEpoch: i16.in('5+', -1),
  },
})
