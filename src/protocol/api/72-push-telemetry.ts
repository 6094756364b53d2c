// PushTelemetry (72): a client sends its metrics. KIP-714.
import { api, bool, bytes, i8, i16, i32, uuid } from '../schema.ts'

export const PushTelemetry = api('PushTelemetry', 72, '0', {
  flex: 0,
  request: {
    clientInstanceId: uuid,
    subscriptionId: i32,
    terminating: bool,
    compressionType: i8,
    metrics: bytes,
  },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0) },
})
