// AddOffsetsToTxn (25): adds the offsets partition of a group to a transaction. KIP-98, KIP-890.
import { api, i16, i32, i64, str } from '../schema.ts'

export const AddOffsetsToTxn = api('AddOffsetsToTxn', 25, '0-4', {
  flex: 3,
  request: { transactionalId: str, producerId: i64, producerEpoch: i16, groupId: str },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0) },
})
