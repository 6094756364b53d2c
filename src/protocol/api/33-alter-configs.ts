// AlterConfigs (33): replaces the whole configuration of resources. KIP-133; IncrementalAlterConfigs (KIP-339) is to be preferred.
import { api, arr, bool, i8, i16, i32, str } from '../schema.ts'

export const AlterConfigs = api('AlterConfigs', 33, '0-2', {
  flex: 2,
  request: {
    resources: arr({ resourceType: i8, resourceName: str, configs: arr({ name: str, value: str.null() }) }),
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: i32.def(0),
    responses: arr({ errorCode: i16.def(0), errorMessage: str.null(), resourceType: i8, resourceName: str }),
  },
})
