// DescribeDelegationToken (41): delegation tokens by owner. KIP-48, KIP-373.
import { api, arr, bytes, i16, i32, i64, str } from '../schema.ts'

export const DescribeDelegationToken = api('DescribeDelegationToken', 41, '1-3', {
  flex: 2,
  request: { owners: arr({ principalType: str, principalName: str }).null() },
  response: {
    errorCode: i16.def(0),
    tokens: arr({
      principalType: str,
      principalName: str,
      tokenRequesterPrincipalType: str.in('3+'),
      tokenRequesterPrincipalName: str.in('3+'),
      issueTimestamp: i64,
      expiryTimestamp: i64,
      maxTimestamp: i64,
      tokenId: str,
      hmac: bytes,
      renewers: arr({ principalType: str, principalName: str }),
    }),
    throttleTimeMs: i32.def(0),
  },
})
