// AlterUserScramCredentials (51): adds, changes and deletes SCRAM credentials. KIP-554.
import { api, arr, bytes, i8, i16, i32, str } from '../schema.ts'

export const AlterUserScramCredentials = api('AlterUserScramCredentials', 51, '0', {
  flex: 0,
  request: {
    deletions: arr({ name: str, mechanism: i8 }),
    upsertions: arr({
      name: str,
      mechanism: i8,
      iterations: i32,
      salt: bytes,
      saltedPassword: bytes,
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({ user: str, errorCode: i16.def(0), errorMessage: str.null() }),
  },
})
