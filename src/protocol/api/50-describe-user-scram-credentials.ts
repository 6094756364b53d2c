// DescribeUserScramCredentials (50): which SCRAM credentials users have. KIP-554.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const DescribeUserScramCredentials = api('DescribeUserScramCredentials', 50, '0', {
  flex: 0,
  request: { users: arr({ name: str }).null() },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    results: arr({
      user: str,
      errorCode: i16.def(0),
      errorMessage: str.null(),
      credentialInfos: arr({ mechanism: i8, iterations: i32 }),
    }),
  },
})
