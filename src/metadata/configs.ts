// Configurations that can be changed while the cluster runs: of topics, of one broker, and of all brokers (resource name '').
// IncrementalAlterConfigs (44, KIP-339) and AlterConfigs (33), which replaces all values of a resource. The responses are the bodies of these APIs.
// Facts: org.apache.kafka.controller.ConfigurationControlManager, kafka.server.ConfigAdminManager: a bad topic value is INVALID_CONFIG, a bad
// broker value INVALID_REQUEST.
import {
  ConfigError,
  type ConfigKey,
  explainUnknownTopicKey,
  isConfigKey,
  isTopicKey,
  KEYS,
  parseBrokerValue,
  parseTopicValue,
} from '../config.ts'
import type { AlterConfigs } from '../protocol/api/33-alter-configs.ts'
import type { IncrementalAlterConfigs } from '../protocol/api/44-incremental-alter-configs.ts'
import {
  BROKER_ID_NOT_REGISTERED,
  INVALID_CONFIG,
  INVALID_REQUEST,
  INVALID_TOPIC_EXCEPTION,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import {
  type ApiError,
  apiError,
  type Decision,
  type DecisionContext,
  duplicatesOf,
  uncleanElectionEnabled as electsUncleanly,
  minInsyncReplicas,
  SUCCESS,
} from './decision.ts'
import { brokerResource, configsAfter, type MetadataImage, topicOfResource, topicResource } from './image.ts'
import { changePartition, presence } from './partitions.ts'
import type { MetadataRecord } from './records.ts'
import { topicNameError } from './topic-names.ts'

export const TOPIC_RESOURCE = 2
export const BROKER_RESOURCE = 4

type Response = ResponseOf<typeof IncrementalAlterConfigs>
type Resource = { readonly resourceType: number; readonly resourceName: string }
type Values = ReadonlyMap<string, string>

const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

/** Each resource succeeds or fails alone, and wholly. */
export function decideIncrementalAlterConfigs(
  image: MetadataImage,
  request: RequestOf<typeof IncrementalAlterConfigs>,
  context: DecisionContext,
): Decision<Response> {
  return decideEach(image, request, context, ({ configs }, before, scope) => {
    const after = new Map(before)
    const [twice] = duplicatesOf(configs.map(({ name }) => name))
    if (twice !== undefined) return apiError(INVALID_REQUEST, `Error due to duplicate config keys: [${twice}]`)
    for (const { name, configOperation, value } of configs) {
      const refused = applyOperation(after, { name, operation: configOperation, value, scope })
      if (refused !== undefined) return refused
    }
    return after
  })
}

/** What is not named is removed. */
export function decideAlterConfigs(
  image: MetadataImage,
  request: RequestOf<typeof AlterConfigs>,
  context: DecisionContext,
): Decision<ResponseOf<typeof AlterConfigs>> {
  return decideEach(image, request, context, ({ configs }) => {
    const [twice] = duplicatesOf(configs.map(({ name }) => name))
    if (twice !== undefined) return apiError(INVALID_REQUEST, `Error due to duplicate config keys: [${twice}]`)
    const empty = configs.find(({ value }) => value === null)
    if (empty !== undefined) return apiError(INVALID_REQUEST, `Null value not supported for : ${empty.name}`)
    return new Map(configs.map(({ name, value }) => [name, value!]))
  })
}

/** What is wrong with the values a topic is given; undefined: nothing. */
export function checkTopicValues(values: Values): string | undefined {
  return firstRefusal(values, (name, value) => {
    if (!isTopicKey(name)) throw new ConfigError(name, explainUnknownTopicKey(name))
    parseTopicValue(name, value)
  })
}

function decideEach<R extends Resource>(
  image: MetadataImage,
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  context: DecisionContext,
  change: (resource: R, before: Values, scope: 'topic' | 'broker') => Values | ApiError,
): Decision<Response> {
  const nameOf = ({ resourceType, resourceName }: Resource) => `${resourceType}/${resourceName}`
  const doubled = duplicatesOf(request.resources.map(nameOf))
  const records: MetadataRecord[] = []
  const responses = request.resources.map(resource => {
    const { resourceType, resourceName } = resource
    const result = doubled.has(nameOf(resource))
      ? apiError(INVALID_REQUEST, 'Each resource must appear at most once.')
      : decideOne(image, resource, change)
    if ('errorCode' in result) return { resourceType, resourceName, ...result }
    records.push(...result.records)
    return { resourceType, resourceName, ...SUCCESS }
  })
  if (request.validateOnly) return { records: [], response: { throttleTimeMs: 0, responses } }
  return { records: [...records, ...changedPartitions(image, records, context)], response: { throttleTimeMs: 0, responses } }
}

function decideOne<R extends Resource>(
  image: MetadataImage,
  resource: R,
  change: (resource: R, before: Values, scope: 'topic' | 'broker') => Values | ApiError,
): { readonly records: MetadataRecord[] } | ApiError {
  const found = findResource(image, resource)
  if ('errorCode' in found) return found
  const before: Values = image.configs.get(found.resource) ?? new Map()
  const after = change(resource, before, found.scope)
  if ('errorCode' in after) return after
  // Only what changes is checked: a value of an older version must not stand in the way of others.
  const changed = new Map([...after].filter(([key, value]) => before.get(key) !== value))
  const wrong = found.scope === 'topic' ? checkTopicValues(changed) : checkBrokerValues(changed, resource.resourceName === '')
  if (wrong !== undefined) return apiError(found.scope === 'topic' ? INVALID_CONFIG : INVALID_REQUEST, wrong)
  const removed = [...before.keys()].filter(key => !after.has(key))
  const unsafe = whyNotMinInsync(image, found.resource, { changed, removed })
  if (unsafe !== undefined) return apiError(INVALID_CONFIG, unsafe)
  const records = [...removed.map(key => [key, null] as const), ...changed].map(([key, value]): MetadataRecord => {
    return { type: 'configChanged', resource: found.resource, key, value }
  })
  return { records }
}

function findResource(image: MetadataImage, r: Resource): { readonly resource: string; readonly scope: 'topic' | 'broker' } | ApiError {
  if (r.resourceType === TOPIC_RESOURCE) {
    if (r.resourceName === '') return apiError(INVALID_REQUEST, 'There are no defaults of all topics here; set those of the brokers.')
    const wrong = topicNameError(r.resourceName)
    if (wrong !== undefined) return apiError(INVALID_TOPIC_EXCEPTION, wrong)
    if (!image.topics.has(r.resourceName)) return apiError(UNKNOWN_TOPIC_OR_PARTITION, `The topic '${r.resourceName}' does not exist.`)
    return { resource: topicResource(r.resourceName), scope: 'topic' }
  }
  if (r.resourceType !== BROKER_RESOURCE) return apiError(INVALID_REQUEST, `Unexpected resource type ${r.resourceType}.`)
  if (r.resourceName === '') return { resource: brokerResource(), scope: 'broker' }
  if (!/^\d{1,10}$/.test(r.resourceName)) return apiError(INVALID_REQUEST, `Node id must be an integer, but it is: ${r.resourceName}`)
  const brokerId = Number(r.resourceName)
  if (!image.brokers.has(brokerId)) return apiError(BROKER_ID_NOT_REGISTERED, `No broker with id ${brokerId} found.`)
  return { resource: brokerResource(brokerId), scope: 'broker' }
}

function applyOperation(
  values: Map<string, string>,
  o: { readonly name: string; readonly operation: number; readonly value: string | null; readonly scope: 'topic' | 'broker' },
): ApiError | undefined {
  const { name, operation, value } = o
  if (operation === DELETE) return void values.delete(name)
  if (value === null) return apiError(INVALID_REQUEST, `Null value not supported for : ${name}`)
  if (operation === SET) return void values.set(name, value)
  if (operation !== APPEND && operation !== SUBTRACT) return apiError(INVALID_REQUEST, `Unknown operation type ${operation}`)
  const known = o.scope === 'topic' ? isTopicKey(name) : isConfigKey(name)
  if (!known || KEYS[name as ConfigKey].type !== 'list')
    return apiError(
      INVALID_CONFIG,
      `Can't ${operation === APPEND ? 'APPEND to' : 'SUBTRACT from'} key ${name} because its type is not LIST.`,
    )
  const list = splitList(values.get(name) ?? (KEYS[name as ConfigKey].default as readonly string[] | null)?.join(',') ?? '')
  const elements = splitList(value)
  const result =
    operation === APPEND
      ? [...list, ...elements.filter(element => !list.includes(element))]
      : list.filter(element => !elements.includes(element))
  return void values.set(name, result.join(','))
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map(element => element.trim())
    .filter(element => element !== '')
}

function checkBrokerValues(values: Values, forAll: boolean): string | undefined {
  return firstRefusal(values, (name, value) => {
    if (!isConfigKey(name)) throw new ConfigError(name, `Cannot update these configs dynamically: [${name}], which is not a known key`)
    const { dynamic } = KEYS[name]
    if (dynamic === 'readOnly')
      throw new ConfigError(name, `Cannot update these configs dynamically: [${name}], which takes effect when a broker starts`)
    if (dynamic === 'perBroker' && forAll)
      throw new ConfigError(name, `Cannot update these configs at default cluster level, broker id must be specified: [${name}]`)
    parseBrokerValue(name, value)
  })
}

/** Leaders and the controller must count with one number: what is agreed on, not what each broker was started with. As Kafka has it with ELR. */
function whyNotMinInsync(
  image: MetadataImage,
  resource: string,
  { changed, removed }: { readonly changed: Values; readonly removed: readonly string[] },
): string | undefined {
  const ofAll = resource === brokerResource()
  if (topicOfResource(resource) === undefined && !ofAll && changed.has('min.insync.replicas'))
    return 'Broker-level min.insync.replicas cannot be altered: set the default of all brokers, or that of a topic.'
  if (ofAll && removed.includes('min.insync.replicas') && image.brokers.size > 1)
    return 'Cluster-level min.insync.replicas cannot be removed while there are several brokers: set it to another value.'
  return undefined
}

function firstRefusal(values: Values, check: (name: string, value: string) => void): string | undefined {
  try {
    for (const [name, value] of values) check(name, value)
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

const AFFECTING_PARTITIONS: readonly string[] = ['min.insync.replicas', 'unclean.leader.election.enable']

/**
 * KIP-966: whoever lowers min.insync.replicas moves the high watermark without the ELR's knowledge, so nobody in it can be trusted any more. And who
 * allows unclean elections has them held at once (in Kafka within unclean.leader.election.interval.ms).
 */
function changedPartitions(image: MetadataImage, records: readonly MetadataRecord[], context: DecisionContext): MetadataRecord[] {
  const changes = records.filter(record => record.type === 'configChanged').filter(({ key }) => AFFECTING_PARTITIONS.includes(key))
  if (changes.length === 0) return []
  const after: MetadataImage = { ...image, configs: configsAfter(image, changes) }
  const named = changes.map(({ resource }) => topicOfResource(resource))
  const topics = named.includes(undefined) ? [...image.topics.keys()] : new Set(named.filter(name => name !== undefined))
  const there = presence(image)
  return [...topics].flatMap(name => {
    const { topicId, partitions } = image.topics.get(name)!
    const minIsr = minInsyncReplicas(after, context, name)
    const lowered = minIsr < minInsyncReplicas(image, context, name)
    const uncleanElectionEnabled = electsUncleanly(after, context, name)
    return partitions.flatMap((before): MetadataRecord[] => {
      const known = lowered && before.elr.length > 0 ? { ...before, elr: [] } : before
      const elected =
        uncleanElectionEnabled && before.leader === -1
          ? changePartition(known, { ...there, minInsyncReplicas: minIsr, uncleanElectionEnabled })
          : undefined
      const state = elected ?? (known === before ? undefined : { ...known, partitionEpoch: before.partitionEpoch + 1 })
      return state === undefined ? [] : [{ type: 'partitionChanged', topicId, state }]
    })
  })
}
