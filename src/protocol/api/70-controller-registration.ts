// ControllerRegistration (70): a controller registers with the active one. KIP-919.
import { api, arr, bool, i16, i32, str, u16, uuid } from '../schema.ts'

export const ControllerRegistration = api('ControllerRegistration', 70, '0', {
  flex: 0,
  request: {
    controllerId: i32,
    incarnationId: uuid,
    zkMigrationReady: bool,
    listeners: arr({ name: str, host: str, port: u16, securityProtocol: i16 }),
    features: arr({ name: str, minSupportedVersion: i16, maxSupportedVersion: i16 }),
  },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
