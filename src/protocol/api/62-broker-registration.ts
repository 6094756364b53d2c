// BrokerRegistration (62): a broker registers with the controller. KIP-631, KIP-858, KIP-866, KIP-966.
import { api, arr, bool, i16, i32, i64, str, u16, uuid } from '../schema.ts'

export const BrokerRegistration = api('BrokerRegistration', 62, '0-4', {
  flex: 0,
  request: {
    brokerId: i32,
    clusterId: str,
    incarnationId: uuid,
    listeners: arr({ name: str, host: str, port: u16, securityProtocol: i16 }),
    features: arr({ name: str, minSupportedVersion: i16, maxSupportedVersion: i16 }),
    rack: str.null(),
    isMigratingZkBroker: bool.in('1+'),
    logDirs: arr(uuid).in('2+'),
    previousBrokerEpoch: i64.in('3+', -1),
  },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), brokerEpoch: i64.def(-1) },
})
