// IncrementalAlterConfigs (44): sets, deletes, appends to or subtracts from single configuration values. KIP-339.
import { api, arr, bool, i8, i16, i32, str } from '../schema.ts'

export const IncrementalAlterConfigs = api('IncrementalAlterConfigs', 44, '0-1', {
  flex: 1,
  request: {
    resources: arr({
      resourceType: i8,
      resourceName: str,
      configs: arr({ name: str, configOperation: i8, value: str.null() }),
    }),
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: i32.def(0),
    responses: arr({ errorCode: i16.def(0), errorMessage: str.null(), resourceType: i8, resourceName: str }),
  },
})
