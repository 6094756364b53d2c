// CreateAcls (30): adds ACLs. KIP-140, KIP-290.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const CreateAcls = api('CreateAcls', 30, '1-3', {
  flex: 2,
  request: {
    creations: arr({
      resourceType: i8,
      resourceName: str,
      resourcePatternType: i8.def(3),
      principal: str,
      host: str,
      operation: i8,
      permissionType: i8,
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({ errorCode: i16.def(0), errorMessage: str.null() }),
  },
})
