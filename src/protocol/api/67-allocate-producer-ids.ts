// AllocateProducerIds (67): a broker takes a block of producer ids from the controller. KIP-730.
import { api, i16, i32, i64 } from '../schema.ts'

export const AllocateProducerIds = api('AllocateProducerIds', 67, '0', {
  flex: 0,
  request: { brokerId: i32, brokerEpoch: i64.def(-1) },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    producerIdStart: i64,
    producerIdLen: i32,
  },
})
