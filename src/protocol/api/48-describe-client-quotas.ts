// DescribeClientQuotas (48): the quotas of users, client ids and addresses. KIP-546.
import { api, arr, bool, f64, i8, i16, i32, str } from '../schema.ts'

export const DescribeClientQuotas = api('DescribeClientQuotas', 48, '0-1', {
  flex: 1,
  request: { components: arr({ entityType: str, matchType: i8, match: str.null() }), strict: bool },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    entries: arr({
      entity: arr({ entityType: str, entityName: str.null() }),
      values: arr({ key: str, value: f64 }),
    }).null(),
  },
})
