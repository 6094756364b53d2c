// SaslHandshake (17): chooses the SASL mechanism. KIP-43; version 1: the exchange goes on in SaslAuthenticate (KIP-152).
import { api, arr, i16, str } from '../schema.ts'

export const SaslHandshake = api('SaslHandshake', 17, '0-1', {
  request: { mechanism: str },
  response: { errorCode: i16.def(0), mechanisms: arr(str) },
})
