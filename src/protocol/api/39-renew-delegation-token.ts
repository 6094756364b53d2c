// RenewDelegationToken (39): renews a delegation token. KIP-48.
import { api, bytes, i16, i32, i64 } from '../schema.ts'

export const RenewDelegationToken = api('RenewDelegationToken', 39, '1-2', {
  flex: 2,
  request: { hmac: bytes, renewPeriodMs: i64 },
  response: { errorCode: i16.def(0), expiryTimestampMs: i64, throttleTimeMs: i32.def(0) },
})
