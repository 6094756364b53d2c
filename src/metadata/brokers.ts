// Brokers come, are fenced, come back as a new process, and are taken off the books.
// Facts: KIP-631, KIP-903, org.apache.kafka.controller.ClusterControlManager; DESIGN rules 2, 3 and 4.
// Where we differ from Kafka: a registration says what the broker found in its logs; it may ask to serve at once (it has applied the metadata up to
// its end); a new process of the same data directory replaces the old one without waiting for its session to end.
import {
  BROKER_ID_NOT_REGISTERED,
  DUPLICATE_BROKER_REGISTRATION,
  INCONSISTENT_CLUSTER_ID,
  INVALID_REGISTRATION,
  INVALID_REQUEST,
  STALE_BROKER_EPOCH,
  UNSUPPORTED_VERSION,
} from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import { agreedMinInsync } from './bootstrap.ts'
import {
  type ApiError,
  apiError,
  type Decision,
  type DecisionContext,
  minInsyncReplicas,
  SUCCESS,
  uncleanElectionEnabled,
} from './decision.ts'
import type { BrokerImage, MetadataImage } from './image.ts'
import { changePartition, type PartitionEvent, type Presence, presence } from './partitions.ts'
import type { BrokerListener, InternalListener, MetadataRecord, SupportedFeature } from './records.ts'

/** What a log turned out to be when it was opened (DESIGN rule 3). */
export type LogVerdict = 'new' | 'clean' | 'torn' | 'corrupt'
const VERDICTS: readonly LogVerdict[] = ['new', 'clean', 'torn', 'corrupt']

export interface RegisteredPartition {
  readonly topicId: Uuid
  readonly partition: number
  readonly verdict: LogVerdict
  /** Unflushed records may have been promised, and a crash may have taken them. */
  readonly loose: boolean
}

export interface BrokerRegistration {
  readonly clusterId: Uuid
  readonly brokerId: number
  /** Of the process: the same registration sent twice has one answer. */
  readonly incarnationId: Uuid
  readonly directoryId: Uuid
  /** Out of the clean shutdown mark; -1: the process before did not end cleanly. */
  readonly previousBrokerEpoch: number
  readonly rack: string | null
  readonly listeners: readonly BrokerListener[]
  readonly features: readonly SupportedFeature[]
  /** Null: other nodes do not reach it (a node alone). */
  readonly internalListener: InternalListener | null
  /** False: it has applied the metadata up to its end and serves as soon as this is agreed. */
  readonly fenced: boolean
  /** Every log it has. One that is not named was never there, and has promised nothing. */
  readonly partitions: readonly RegisteredPartition[]
}

/** Named by id and epoch, so that a process that was replaced cannot speak for its successor. */
export interface BrokerIncarnation {
  readonly brokerId: number
  readonly brokerEpoch: number
}

/**
 * The registration, and with it (in the same batch, after it) the change of every partition that this broker led, or where it is not in sync or
 * eligible any more, or that can be led again because it is there.
 * @returns brokerEpoch, -1 with an error: INCONSISTENT_CLUSTER_ID | DUPLICATE_BROKER_REGISTRATION | INVALID_REGISTRATION | UNSUPPORTED_VERSION
 */
export function decideRegisterBroker(
  image: MetadataImage,
  registration: BrokerRegistration,
  context: DecisionContext,
): Decision<ApiError & { readonly brokerEpoch: number }> {
  const existing = image.brokers.get(registration.brokerId)
  const refused = checkRegistration(image, registration, existing)
  if (refused !== undefined) return { records: [], response: { ...refused, brokerEpoch: -1 } }
  if (existing?.incarnationId === registration.incarnationId)
    return { records: [], response: { ...SUCCESS, brokerEpoch: existing.brokerEpoch } }

  const { brokerId, incarnationId, directoryId, rack, fenced, listeners, features, internalListener } = registration
  const brokerEpoch = image.offset
  const sameDirectory = existing?.directoryId === directoryId
  const clean = existing !== undefined && registration.previousBrokerEpoch === existing.brokerEpoch
  const found = new Map(registration.partitions.map(each => [`${each.topicId}/${each.partition}`, each]))
  const changes = changedPartitions(
    image,
    context,
    { brokerId, presence: presence(image, { brokerId, serves: !fenced }) },
    (topicId, partition) => {
      const log = found.get(`${topicId}/${partition}`)
      const ruined = !sameDirectory || log?.verdict === 'corrupt'
      const unfit = !clean && log?.loose === true
      return {
        restarted: brokerId,
        ...(ruined ? { ruined: brokerId } : {}),
        ...(unfit ? { unfit: brokerId } : {}),
        ...(fenced ? { leaving: brokerId } : {}),
      }
    },
  )
  const registered: MetadataRecord = {
    type: 'brokerRegistered',
    brokerId,
    brokerEpoch,
    incarnationId,
    directoryId,
    rack,
    fenced,
    listeners,
    features,
    internalListener,
    shuttingDown: false,
  }
  const isSecond = existing === undefined && image.brokers.size > 0
  const agreed = isSecond ? agreedMinInsync(image.configs, context.config) : undefined
  return { records: [registered, ...(agreed === undefined ? [] : [agreed]), ...changes], response: { ...SUCCESS, brokerEpoch } }
}

/**
 * Fenced, a broker leaves every ISR and leads nothing; unfenced, it leads what nobody else can.
 * @returns BROKER_ID_NOT_REGISTERED | STALE_BROKER_EPOCH
 */
export function decideFenceBroker(
  image: MetadataImage,
  { brokerId, brokerEpoch, fenced }: BrokerIncarnation & { readonly fenced: boolean },
  context: DecisionContext,
): Decision<ApiError> {
  const broker = currentBroker(image, { brokerId, brokerEpoch })
  if ('errorCode' in broker) return { records: [], response: broker }
  if (broker.fenced === fenced) return { records: [], response: SUCCESS }
  const after = presence(image, { brokerId, serves: !fenced })
  const changes = changedPartitions(image, context, { brokerId, presence: after }, () => (fenced ? { leaving: brokerId } : {}))
  return { records: [{ type: 'brokerFenced', brokerId, brokerEpoch, fenced }, ...changes], response: SUCCESS }
}

/**
 * For a broker that shuts down: it leads no more what another in sync can lead, and is in sync no more beside others.
 * @returns `movesLeaders`: a partition that it led goes to another
 */
export function relinquish(
  image: MetadataImage,
  brokerId: number,
  context: DecisionContext,
): { readonly records: readonly MetadataRecord[]; readonly movesLeaders: boolean } {
  const broker = image.brokers.get(brokerId)!
  const serving = presence(image)
  const after: Presence = { ...serving, isAvailable: id => id !== brokerId && serving.isAvailable(id) }
  const changes = changedPartitions(image, context, { brokerId, presence: after }, () => ({ relinquishing: brokerId }))
  const movesLeaders = changes.some(
    ({ topicId, state }) => image.topicsById.get(topicId)!.partitions[state.partition]!.leader === brokerId && state.leader !== brokerId,
  )
  const said: MetadataRecord[] = broker.shuttingDown ? [] : [{ type: 'brokerShuttingDown', brokerId, brokerEpoch: broker.brokerEpoch }]
  return { records: [...said, ...changes], movesLeaders }
}

/**
 * For a broker that will not come back: its copies count for nothing from now on. Its id may register again, with an empty directory.
 * Where we differ from Kafka: one that serves is not taken off the books, for the copies of its partitions would be lost with it.
 * @returns BROKER_ID_NOT_REGISTERED | INVALID_REQUEST
 */
export function decideUnregisterBroker(image: MetadataImage, brokerId: number, context: DecisionContext): Decision<ApiError> {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined)
    return { records: [], response: apiError(BROKER_ID_NOT_REGISTERED, `Broker ID ${brokerId} is not currently registered`) }
  if (!broker.fenced)
    return { records: [], response: apiError(INVALID_REQUEST, `Broker ${brokerId} is alive. Stop it first, if it is to leave for good.`) }
  const after = presence(image, { brokerId, serves: false })
  const changes = changedPartitions(image, context, { brokerId, presence: after }, () => ({ ruined: brokerId }))
  return { records: [...changes, { type: 'brokerUnregistered', brokerId, brokerEpoch: broker.brokerEpoch }], response: SUCCESS }
}

/** One replica of a broker, which its process found damaged. */
export interface RuinedReplica extends BrokerIncarnation {
  readonly topicId: Uuid
  readonly partition: number
}

/**
 * The copy leaves ISR and ELR and leads no more; where it was the last, the partition stays leaderless until the operator elects it.
 * @returns BROKER_ID_NOT_REGISTERED | STALE_BROKER_EPOCH
 */
export function decideRuinReplica(image: MetadataImage, replica: RuinedReplica, context: DecisionContext): Decision<ApiError> {
  const broker = currentBroker(image, replica)
  if ('errorCode' in broker) return { records: [], response: broker }
  const topic = image.topicsById.get(replica.topicId)
  const before = topic?.partitions[replica.partition]
  // Deleted meanwhile: there is nothing to lead.
  if (topic === undefined || before === undefined) return { records: [], response: SUCCESS }
  const state = changePartition(before, {
    ...presence(image),
    minInsyncReplicas: minInsyncReplicas(image, context, topic.name),
    uncleanElectionEnabled: uncleanElectionEnabled(image, context, topic.name),
    ruined: replica.brokerId,
    restarted: replica.brokerId,
  })
  return { records: state === undefined ? [] : [{ type: 'partitionChanged', topicId: replica.topicId, state }], response: SUCCESS }
}

/** The registered broker, when this is its process; else BROKER_ID_NOT_REGISTERED or STALE_BROKER_EPOCH. */
export function currentBroker(image: MetadataImage, { brokerId, brokerEpoch }: BrokerIncarnation): BrokerImage | ApiError {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined) return apiError(BROKER_ID_NOT_REGISTERED)
  if (broker.brokerEpoch === brokerEpoch) return broker
  return apiError(STALE_BROKER_EPOCH, `Broker ${brokerId} is registered with epoch ${broker.brokerEpoch}, not ${brokerEpoch}.`)
}

function checkRegistration(image: MetadataImage, r: BrokerRegistration, existing: BrokerImage | undefined): ApiError | undefined {
  if (r.clusterId !== image.clusterId)
    return apiError(INCONSISTENT_CLUSTER_ID, `Expected cluster ID ${image.clusterId}, but got cluster ID ${r.clusterId}`)
  if (existing !== undefined && existing.directoryId !== r.directoryId && !existing.fenced) {
    const text = `Another broker with id ${r.brokerId} is registered and alive, with another data directory (${existing.directoryId}).`
    return apiError(DUPLICATE_BROKER_REGISTRATION, text)
  }
  if (r.brokerId < 0 || r.directoryId === '' || r.incarnationId === '')
    return apiError(INVALID_REGISTRATION, `The registration of broker ${r.brokerId} names no broker, directory or process.`)
  const strange = r.partitions.find(({ verdict }) => !VERDICTS.includes(verdict))
  if (strange !== undefined)
    return apiError(INVALID_REGISTRATION, `Broker ${r.brokerId} says '${strange.verdict}' of a log, which is not known here.`)
  if (r.listeners.length === 0) return apiError(INVALID_REGISTRATION, `Broker ${r.brokerId} has no listener.`)
  for (const [name, level] of image.features) {
    const supported = r.features.find(feature => feature.name === name)
    if (supported !== undefined && supported.minVersion <= level && level <= supported.maxVersion) continue
    return apiError(UNSUPPORTED_VERSION, `Broker ${r.brokerId} does not support ${name} at level ${level}, which the cluster uses.`)
  }
  return undefined
}

type PartitionChanged = Extract<MetadataRecord, { type: 'partitionChanged' }>

/** All partitions this broker has a replica of and that change, in order of topic and number. */
function changedPartitions(
  image: MetadataImage,
  context: DecisionContext,
  o: { readonly brokerId: number; readonly presence: Presence },
  eventOf: (topicId: Uuid, partition: number) => Partial<PartitionEvent>,
): PartitionChanged[] {
  const records: PartitionChanged[] = []
  for (const { name, topicId, partitions } of image.topics.values()) {
    const own = partitions.filter(({ replicas }) => replicas.includes(o.brokerId))
    if (own.length === 0) continue
    const rules = {
      ...o.presence,
      minInsyncReplicas: minInsyncReplicas(image, context, name),
      uncleanElectionEnabled: uncleanElectionEnabled(image, context, name),
    }
    for (const partition of own) {
      const state = changePartition(partition, { ...rules, ...eventOf(topicId, partition.partition) })
      if (state !== undefined) records.push({ type: 'partitionChanged', topicId, state })
    }
  }
  return records
}
