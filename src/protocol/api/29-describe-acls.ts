// DescribeAcls (29): the ACLs that match a filter. KIP-140, KIP-290.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const DescribeAcls = api('DescribeAcls', 29, '1-3', {
  flex: 2,
  request: {
    resourceTypeFilter: i8,
    resourceNameFilter: str.null(),
    patternTypeFilter: i8.def(3),
    principalFilter: str.null(),
    hostFilter: str.null(),
    operation: i8,
    permissionType: i8,
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    resources: arr({
      resourceType: i8,
      resourceName: str,
      patternType: i8.def(3),
      acls: arr({ principal: str, host: str, operation: i8, permissionType: i8 }),
    }),
  },
})
