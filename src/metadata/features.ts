// UpdateFeatures (57): the operator raises or lowers the level that the cluster runs a feature at. The response is the body of that API.
// Facts: KIP-584, KIP-778, KIP-1022, org.apache.kafka.controller.FeatureControlManager: all updates of a request or none; a level must be one that
// every broker supports; metadata.version goes down only over levels that changed no metadata.
import type { UpdateFeatures } from '../protocol/api/57-update-features.ts'
import { errorName, INVALID_UPDATE_VERSION, NONE } from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import { type ApiError, apiError, type Decision, type DecisionContext } from './decision.ts'
import type { MetadataImage } from './image.ts'
import type { MetadataRecord, SupportedFeature } from './records.ts'

const METADATA_VERSION = 'metadata.version'

/** The metadata versions that wrote records which the version before cannot read (org.apache.kafka.server.common.MetadataVersion, to 4.3-IV0). */
const CHANGED_METADATA: readonly number[] = [7, 8, 11, 13, 14, 15, 17, 23, 30]

/** What else Kafka 4.3 knows by name: at level 0 a broker that has none of it runs too. */
const OTHER_FEATURES: readonly string[] = [
  'kraft.version',
  'transaction.version',
  'group.version',
  'eligible.leader.replicas.version',
  'share.version',
  'streams.version',
]

const UPGRADE = 1
const SAFE_DOWNGRADE = 2
const UNSAFE_DOWNGRADE = 3

type FeatureUpdate = RequestOf<typeof UpdateFeatures>['featureUpdates'][number]

export function decideUpdateFeatures(
  image: MetadataImage,
  { featureUpdates, validateOnly }: RequestOf<typeof UpdateFeatures>,
  context: DecisionContext,
): Decision<ResponseOf<typeof UpdateFeatures>> {
  // Of a feature that is named more than once the last update counts.
  const updates = [...new Map(featureUpdates.map(update => [update.feature, update])).values()]
  for (const update of updates) {
    const reason = refusal(image, update, context)
    if (reason !== undefined) return { records: [], response: refused(update, reason) }
  }
  const records: MetadataRecord[] = updates
    .filter(({ feature, maxVersionLevel }) => image.features.get(feature) !== maxVersionLevel && isSupported(image, feature))
    .map(({ feature, maxVersionLevel }) => ({ type: 'featureFinalized', name: feature, level: maxVersionLevel }))
  return {
    records: validateOnly ? [] : records,
    response: {
      errorCode: NONE,
      errorMessage: null,
      results: featureUpdates.map(({ feature }) => ({ feature, errorCode: NONE, errorMessage: errorName(NONE) })),
    },
  }
}

function refused({ feature, maxVersionLevel }: FeatureUpdate, reason: string): ResponseOf<typeof UpdateFeatures> {
  const { errorCode, errorMessage }: ApiError = apiError(
    INVALID_UPDATE_VERSION,
    'The update failed for all features since the following feature had an error: ' +
      (feature === METADATA_VERSION && reason.startsWith('Unsupported')
        ? reason
        : `Invalid update version ${maxVersionLevel} for feature ${feature}. ${reason}`),
  )
  return { errorCode, errorMessage, results: [] }
}

/** Why this update must not be; undefined when it may. */
function refusal(image: MetadataImage, update: FeatureUpdate, context: DecisionContext): string | undefined {
  const { feature, maxVersionLevel: level, upgradeType } = update
  const current = image.features.get(feature) ?? 0
  if (![UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE].includes(upgradeType)) return 'The controller does not support the given upgrade type.'
  if (level < 0) return 'A feature version cannot be less than 0.'
  const unsupported = whyUnsupported(image, update, context)
  if (unsupported !== undefined) return unsupported
  if (level < current && upgradeType === UPGRADE)
    return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
  if (level > current && upgradeType !== UPGRADE) return "Can't downgrade to a newer version."
  if (feature === METADATA_VERSION) return whyNotDown(current, level, upgradeType)
  return isSupported(image, feature) || OTHER_FEATURES.includes(feature) ? undefined : `Feature ${feature} not found.`
}

function whyNotDown(current: number, level: number, upgradeType: number): string | undefined {
  if (level >= current || !CHANGED_METADATA.some(changed => level < changed && changed <= current)) return undefined
  const text = `Unsupported metadata.version downgrade from ${current} to ${level}.`
  return upgradeType === UNSAFE_DOWNGRADE
    ? `${text} Unsafe metadata downgrade is not supported in this version.`
    : `${text} Refusing to perform the requested downgrade because it might delete metadata information.`
}

/** The controller's own broker is asked first, as in Kafka its controller is. */
function whyUnsupported(image: MetadataImage, { feature, maxVersionLevel: level }: FeatureUpdate, context: DecisionContext) {
  const brokers = [...image.brokers.values()].sort((a, b) => Number(b.brokerId === context.nodeId) - Number(a.brokerId === context.nodeId))
  for (const { brokerId, features } of brokers) {
    const { minVersion, maxVersion } = supported(features, feature) ?? { minVersion: 0, maxVersion: 0 }
    if (minVersion <= level && level <= maxVersion) continue
    const who = brokerId === context.nodeId ? `Local controller ${brokerId}` : `Broker ${brokerId}`
    if (maxVersion === 0) return `${who} does not support this feature.`
    return `${who} only supports versions ${minVersion === maxVersion ? minVersion : `${minVersion}-${maxVersion}`}`
  }
  return undefined
}

function supported(features: readonly SupportedFeature[], name: string): SupportedFeature | undefined {
  return features.find(feature => feature.name === name)
}

/** By any broker: where level 0 of a feature was asked for, nobody need support it. */
function isSupported(image: MetadataImage, name: string): boolean {
  return [...image.brokers.values()].some(({ features }) => supported(features, name) !== undefined)
}
