// UnregisterBroker (64): removes the registration of a broker. KIP-631.
import { api, i16, i32, str } from '../schema.ts'

export const UnregisterBroker = api('UnregisterBroker', 64, '0', {
  flex: 0,
  request: { brokerId: i32 },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
