// DeleteAcls (31): removes the ACLs that match filters. KIP-140, KIP-290.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const DeleteAcls = api('DeleteAcls', 31, '1-3', {
  flex: 2,
  request: {
    filters: arr({
      resourceTypeFilter: i8,
      resourceNameFilter: str.null(),
      patternTypeFilter: i8.def(3),
      principalFilter: str.null(),
      hostFilter: str.null(),
      operation: i8,
      permissionType: i8,
    }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    filterResults: arr({
      errorCode: i16.def(0),
      errorMessage: str.null(),
      matchingAcls: arr({
        errorCode: i16.def(0),
        errorMessage: str.null(),
        resourceType: i8,
        resourceName: str,
        patternType: i8.def(3),
        principal: str,
        host: str,
        operation: i8,
        permissionType: i8,
      }),
    }),
  },
})
