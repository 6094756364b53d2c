// AlterClientQuotas (49): changes the quotas of users, client ids and addresses. KIP-546.
import { api, arr, bool, f64, i16, i32, str } from '../schema.ts'

export const AlterClientQuotas = api('AlterClientQuotas', 49, '0-1', {
  flex: 1,
  request: {
    entries: arr({
      entity: arr({ entityType: str, entityName: str.null() }),
      ops: arr({ key: str, value: f64, remove: bool }),
    }),
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: i32.def(0),
    entries: arr({
      errorCode: i16.def(0),
      errorMessage: str.null(),
      entity: arr({ entityType: str, entityName: str.null() }),
    }),
  },
})
