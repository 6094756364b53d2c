// ApiVersions: what this broker serves. KIP-35, KIP-511, KIP-584. Answered in v0 with UNSUPPORTED_VERSION when the version is unknown (dispatch
// does that: the body must not be parsed), so that a newer client learns which one to use. The response header is always v0 (message.ts).
// Supported features with minimum 0 are left out below v4: older Java clients cannot parse them (KAFKA-17011).
import { ApiVersions } from '../../protocol/api/18-api-versions.ts'
import { INVALID_REQUEST, NONE, UNSUPPORTED_VERSION } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { ADVERTISED } from '../advertised.ts'
import { SUPPORTED_FEATURES } from '../features.ts'
import { handler } from '../handler.ts'

const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export const apiVersions = handler(ApiVersions, {
  answer(broker, { clientSoftwareName, clientSoftwareVersion }, { version }) {
    if (version >= 3 && !(SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion))) {
      return { errorCode: INVALID_REQUEST, apiKeys: [] }
    }
    return {
      errorCode: NONE,
      apiKeys: ADVERTISED,
      supportedFeatures: SUPPORTED_FEATURES.filter(({ minVersion }) => version >= 4 || minVersion > 0),
      finalizedFeaturesEpoch: broker.image.offset,
      finalizedFeatures: [...broker.image.features].map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
    }
  },
  failed: (_request, { errorCode }) => ({ errorCode, apiKeys: [] }),
})

/** The answer, in v0, to a version that is not served. */
export function unsupportedApiVersions(): ResponseOf<typeof ApiVersions> {
  return { errorCode: UNSUPPORTED_VERSION, apiKeys: ADVERTISED.filter(({ apiKey }) => apiKey === ApiVersions.key) }
}
