// CreateDelegationToken (38): creates a delegation token. KIP-48, KIP-373.
import { api, arr, bytes, i16, i32, i64, str } from '../schema.ts'

export const CreateDelegationToken = api('CreateDelegationToken', 38, '1-3', {
  flex: 2,
  request: {
    ownerPrincipalType: str.null().in('3+', ''),
    ownerPrincipalName: str.null().in('3+', ''),
    renewers: arr({ principalType: str, principalName: str }),
    maxLifetimeMs: i64,
  },
  response: {
    errorCode: i16.def(0),
    principalType: str,
    principalName: str,
    tokenRequesterPrincipalType: str.in('3+'),
    tokenRequesterPrincipalName: str.in('3+'),
    issueTimestampMs: i64,
    expiryTimestampMs: i64,
    maxTimestampMs: i64,
    tokenId: str,
    hmac: bytes,
    throttleTimeMs: i32.def(0),
  },
})
