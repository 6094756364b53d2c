// GetTelemetrySubscriptions (71): which metrics a client is asked to send. KIP-714.
import { api, arr, bool, i8, i16, i32, str, uuid } from '../schema.ts'

export const GetTelemetrySubscriptions = api('GetTelemetrySubscriptions', 71, '0', {
  flex: 0,
  request: { clientInstanceId: uuid },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    clientInstanceId: uuid,
    subscriptionId: i32,
    acceptedCompressionTypes: arr(i8),
    pushIntervalMs: i32,
    telemetryMaxBytes: i32,
    deltaTemporality: bool,
    requestedMetrics: arr(str),
  },
})
