// SaslAuthenticate (36): one step of the SASL exchange. KIP-152, KIP-368 (session lifetime).
import { api, bytes, i16, i64, str } from '../schema.ts'

export const SaslAuthenticate = api('SaslAuthenticate', 36, '0-2', {
  flex: 2,
  request: { authBytes: bytes },
  response: {
    errorCode: i16.def(0),
    errorMessage: str.null(),
    authBytes: bytes,
    sessionLifetimeMs: i64.in('1+'),
  },
})
