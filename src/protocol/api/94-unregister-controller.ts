// UnregisterController (94): removes the registration of a controller.
import { api, i16, i32, str } from '../schema.ts'

export const UnregisterController = api('UnregisterController', 94, '0', {
  flex: 0,
  request: { controllerId: i32 },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
