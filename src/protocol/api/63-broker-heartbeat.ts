// BrokerHeartbeat (63): a broker says that it lives and what state it wants. KIP-631, KIP-858, KIP-1066.
import { api, arr, bool, i16, i32, i64, uuid } from '../schema.ts'

export const BrokerHeartbeat = api('BrokerHeartbeat', 63, '0-2', {
  flex: 0,
  request: {
    brokerId: i32,
    brokerEpoch: i64.def(-1),
    currentMetadataOffset: i64,
    wantFence: bool,
    wantShutDown: bool,
    offlineLogDirs: arr(uuid).tag(0, '1+'),
    cordonedLogDirs: arr(uuid).null().tag(1, '2+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    isCaughtUp: bool.def(false),
    isFenced: bool.def(true),
    shouldShutDown: bool,
  },
})
