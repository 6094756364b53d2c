// How what is asked of the controller travels between our nodes: `[version, operation number]`, then the request; back comes `[version]`, the
// offset, and the response. All fields of every message, whatever Kafka's versions of it have: in the notation of its messages (protocol/schema.ts),
// whose compiled codecs check every length and type, so that a peer that is wrong gets an error.
import { CreateTopics } from '../protocol/api/19-create-topics.ts'
import { DeleteTopics } from '../protocol/api/20-delete-topics.ts'
import { AlterConfigs } from '../protocol/api/33-alter-configs.ts'
import { CreatePartitions } from '../protocol/api/37-create-partitions.ts'
import { ElectLeaders } from '../protocol/api/43-elect-leaders.ts'
import { IncrementalAlterConfigs } from '../protocol/api/44-incremental-alter-configs.ts'
import { DescribeQuorum } from '../protocol/api/55-describe-quorum.ts'
import { UpdateFeatures } from '../protocol/api/57-update-features.ts'
import { INVALID_REQUEST, KafkaError, ProtocolError, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import { type Api, arr, bool, Field, type Fields, i16, i32, i64, type Schema, schema, str, struct, uuid } from '../protocol/schema.ts'
import { Writer } from '../protocol/writer.ts'
import type { Answer, ControllerOperations } from './operations.ts'

export type OperationName = keyof ControllerOperations
/** Any of them: what goes in and comes out is checked by its codec. */
export type AnyOperation = (request: unknown) => Promise<Answer<unknown>>

const VERSION = 1
/** What a request may decode to: 10,000 topics with their configs, and more logs than a broker has files. */
const MAX_DECODED_BYTES = 128 * 1024 * 1024

interface OperationCodec {
  /** For ever. */
  readonly number: number
  readonly request: Schema
  readonly response: Schema
}

const ALWAYS = { first: 0, last: Number.MAX_SAFE_INTEGER }
const incarnation = { brokerId: i32, brokerEpoch: i64 }
const error = { errorCode: i16, errorMessage: str.null() }

const registration = {
  clusterId: str,
  brokerId: i32,
  incarnationId: str,
  directoryId: str,
  previousBrokerEpoch: i64,
  rack: str.null(),
  listeners: arr({ name: str, host: str, port: i32, securityProtocol: str }),
  features: arr({ name: str, minVersion: i32, maxVersion: i32 }),
  internalListener: struct({ host: str, port: i32 }).null(),
  fenced: bool,
  partitions: arr({ topicId: uuid, partition: i32, verdict: str, loose: bool }),
}

const alterPartition = {
  request: {
    ...incarnation,
    topics: arr({
      topicId: uuid,
      partitions: arr({ partition: i32, leaderEpoch: i32, partitionEpoch: i32, newIsr: arr(incarnation) }),
    }),
  },
  response: { errorCode: i16, topics: arr({ topicId: uuid, partitions: arr({ partition: i32, errorCode: i16 }) }) },
}

const heartbeat = {
  request: { ...incarnation, metadataOffset: i64, wantsFence: bool, wantsShutdown: bool },
  response: { errorCode: i16, isFenced: bool, isCaughtUp: bool, mayShutDown: bool, leaseMs: i64 },
}

const OPERATIONS: { readonly [Name in OperationName]: OperationCodec } = {
  createTopics: ofApi(1, CreateTopics),
  deleteTopics: ofApi(2, DeleteTopics),
  createPartitions: ofApi(3, CreatePartitions),
  incrementalAlterConfigs: ofApi(4, IncrementalAlterConfigs),
  alterConfigs: ofApi(5, AlterConfigs),
  electLeaders: ofApi(6, ElectLeaders),
  updateFeatures: ofApi(7, UpdateFeatures),
  describeQuorum: ofApi(8, DescribeQuorum),
  alterPartition: operation(9, 'alterPartition', alterPartition),
  heartbeat: operation(10, 'heartbeat', heartbeat),
  ruinReplica: operation(11, 'ruinReplica', { request: { ...incarnation, topicId: uuid, partition: i32 }, response: error }),
  registerBroker: operation(12, 'registerBroker', { request: registration, response: { ...error, brokerEpoch: i64 } }),
  fenceBroker: operation(13, 'fenceBroker', { request: { ...incarnation, fenced: bool }, response: error }),
  unregisterBroker: operation(14, 'unregisterBroker', { request: { brokerId: i32 }, response: error }),
  allocateProducerIds: operation(15, 'allocateProducerIds', {
    request: incarnation,
    response: { ...error, firstProducerId: i64, count: i32 },
  }),
}

export const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[]
const nameByNumber = new Map(OPERATION_NAMES.map(name => [OPERATIONS[name].number, name]))

/** What the operation's request and answer look like. */
export function messagesOf(name: OperationName): readonly Schema[] {
  return [OPERATIONS[name].request, OPERATIONS[name].response]
}

/** The only operation whose request is no message. */
const BARE: OperationName = 'unregisterBroker'

/** @throws KafkaError INVALID_REQUEST: a string is too long */
export function encodeOperation(name: OperationName, request: unknown): Uint8Array[] {
  const { number, request: messages } = OPERATIONS[name]
  const w = new Writer()
  w.int16((VERSION << 8) | number)
  messages.at(0).encode((name === BARE ? { brokerId: request } : request) as never, w)
  return w.done()
}

/** @throws KafkaError UNSUPPORTED_VERSION | INVALID_REQUEST */
export function decodeOperation(payload: Buffer): { readonly name: OperationName; readonly request: unknown } {
  if (payload.length < 2 || payload[0] !== VERSION)
    throw new KafkaError(UNSUPPORTED_VERSION, `A request to the controller of version ${payload[0]}; here it is ${VERSION}.`)
  const name = nameByNumber.get(payload[1]!)
  if (name === undefined) throw new KafkaError(UNSUPPORTED_VERSION, `The controller has no operation ${payload[1]}.`)
  const request = decode(OPERATIONS[name].request, payload, 2)
  return { name, request: name === BARE ? request['brokerId'] : request }
}

export function encodeAnswer(name: OperationName, { response, offset }: Answer<unknown>): Uint8Array[] {
  const w = new Writer()
  w.int16(VERSION << 8)
  OPERATIONS[name].response.at(0).encode({ offset, response } as never, w)
  return w.done()
}

/** @throws KafkaError UNSUPPORTED_VERSION | INVALID_REQUEST */
export function decodeAnswer(name: OperationName, payload: Buffer): Answer<unknown> {
  if (payload.length < 2 || payload[0] !== VERSION)
    throw new KafkaError(UNSUPPORTED_VERSION, `An answer of the controller of version ${payload[0]}; here it is ${VERSION}.`)
  const { offset, response } = decode(OPERATIONS[name].response, payload, 2)
  return { offset: offset as number, response }
}

function decode(messages: Schema, payload: Buffer, from: number): Record<string, unknown> {
  if (payload.length > MAX_DECODED_BYTES) throw new KafkaError(INVALID_REQUEST, `${messages.name}: ${payload.length} bytes`)
  try {
    return messages.at(0).decodePrefix(payload, from, payload.length, MAX_DECODED_BYTES)
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new KafkaError(INVALID_REQUEST, `${messages.name}: ${cause.message}`, { cause })
    throw cause
  }
}

function ofApi(number: number, api: Api): OperationCodec {
  return operation(number, api.name, { request: everyField(api.request), response: everyField(api.response) })
}

function operation(number: number, name: string, of: { readonly request: Fields; readonly response: Fields }): OperationCodec {
  return {
    number,
    request: schema(`${name} to the controller`, '0', { flex: 0, fields: of.request }),
    response: schema(`${name} from the controller`, '0', { flex: 0, fields: { offset: i64, response: struct(of.response) } }),
  }
}

/** The fields that any version of the message has, none of them tagged. */
function everyField(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, inAll(field)]))
}

function inAll({ layout }: Fields[string]): Fields[string] {
  const isNullable = layout.nullable.last >= layout.nullable.first
  return new Field({
    ...layout,
    versions: ALWAYS,
    nullable: isNullable ? ALWAYS : layout.nullable,
    tag: -1,
    element: layout.element && inAll(layout.element),
    fields: layout.fields && everyField(layout.fields),
  })
}
