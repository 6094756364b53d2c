// ApiVersions (18): which APIs and versions, and which features, a broker has. The header of the answer is always version 0. KIP-35,
// KIP-511, KIP-584, KIP-1242 (cluster and node checked, 5).
import { api, arr, bool, i16, i32, i64, str } from '../schema.ts'

export const ApiVersions = api('ApiVersions', 18, '0-5', {
  flex: 3,
  request: {
    clientSoftwareName: str.in('3+'),
    clientSoftwareVersion: str.in('3+'),
    clusterId: str.null().in('5+'),
    nodeId: i32.in('5+', -1),
  },
  response: {
    errorCode: i16.def(0),
    apiKeys: arr({ apiKey: i16, minVersion: i16, maxVersion: i16 }),
    throttleTimeMs: i32.in('1+'),
    supportedFeatures: arr({ name: str, minVersion: i16, maxVersion: i16 }).tag(0, '3+'),
    finalizedFeaturesEpoch: i64.tag(1, '3+', -1),
    finalizedFeatures: arr({ name: str, maxVersionLevel: i16, minVersionLevel: i16 }).tag(2, '3+'),
    zkMigrationReady: bool.tag(3, '3+'),
  },
})
