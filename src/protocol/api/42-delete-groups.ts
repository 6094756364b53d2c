// DeleteGroups (42): deletes empty groups. KIP-229; error messages per group since version 3.
import { api, arr, i16, i32, str } from '../schema.ts'

export const DeleteGroups = api('DeleteGroups', 42, '0-3', {
  flex: 2,
  request: { groupsNames: arr(str) },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({ groupId: str, errorCode: i16.def(0), errorMessage: str.null().in('3+') }),
  },
})
