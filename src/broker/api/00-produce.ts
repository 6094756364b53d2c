// Produce: appends one batch per partition and answers when it is as safe as the client asked. KIP-98, KIP-467, KIP-516, KIP-951.
// An error is data of its partition and never touches the others; order of the checks: kafka.server.KafkaApis.handleProduceRequest →
// ProduceRequest.validateRecords → ReplicaManager.appendRecords → UnifiedLog. All appends happen before the handler first yields, so the requests
// of one connection append in order although their answers wait together.
// acks=0 has no answer; an error closes the connection. acks=1 waits for the leader's ackable offset (on disk by default), acks=all for the high
// watermark. We differ from Kafka: `timeoutMs` counts the waiting for other replicas; our own disk is waited for as long as it takes (when it
// fails, the node stops). So a timeout of 0 does not fail every acks=all request on a topic with one replica.
// Transactions do not exist yet: whoever names a transactional id, or sends a transactional batch, is answered 53 for the whole request: the code
// every client reports at once and does not retry.

import { type Rejected, readSingleBatch, type UnpackBudget } from '../../log/validate.ts'
import type { TopicImage } from '../../metadata/image.ts'
import { Produce } from '../../protocol/api/00-produce.ts'
import * as batch from '../../protocol/batch.ts'
import {
  CORRUPT_MESSAGE,
  errorMessage,
  INVALID_REQUIRED_ACKS,
  INVALID_TOPIC_EXCEPTION,
  KAFKA_STORAGE_ERROR,
  MESSAGE_TOO_LARGE,
  NONE,
  NOT_ENOUGH_REPLICAS,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  NOT_LEADER_OR_FOLLOWER,
  RECORD_LIST_TOO_LARGE,
  REQUEST_TIMED_OUT,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { type Answer, CloseConnection, handler, NO_RESPONSE, type RequestContext } from '../handler.ts'
import { isInternalTopic } from '../internal-topics.ts'
import type { LocalReplica } from '../local-replica.ts'
import { PendingProduce } from '../purgatory.ts'

type Request = RequestOf<typeof Produce>
type Response = ResponseOf<typeof Produce>
type PartitionAnswer = Mutable<Response['responses'][number]['partitionResponses'][number]>
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Appended, and to be acknowledged when the offset it waits for is reached. */
interface Appended {
  readonly topic: TopicImage
  readonly replica: LocalReplica
  readonly answer: PartitionAnswer
  readonly requiredOffset: number
}

/** What the batches of one request may unpack to beyond a multiple of their size, give or take the last of them. */
const UNPACKED_PER_REQUEST_BYTES = 8 * 1024 * 1024
const NO_RECORD_ERRORS: PartitionAnswer['recordErrors'] = []
/** Refusals of the batch as a whole: Kafka tells no log start offset with them. */
const WITHOUT_LOG_START: ReadonlySet<number> = new Set([CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, KAFKA_STORAGE_ERROR])

export const produce = handler(Produce, {
  // Batches are the log's, which retains; the rest is copied while it is decoded.
  keepsNothing: true,
  answer(broker, request, context) {
    if (isTransactional(request)) return refuseAll(request, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, context)
    const appended: Appended[] = []
    const response = append(broker, request, context, appended)
    if (request.acks === 0) {
      const failure = firstError(response)
      return failure === undefined ? NO_RESPONSE : new CloseConnection(`produce with acks=0 failed: ${failure}`)
    }
    return appended.length === 0 ? response : acknowledged(broker, request, context, appended, response)
  },
  failed: (request, { errorCode, errorMessage }, context) => refuseAll(request, errorCode, context, errorMessage),
})

// ------------------------------------------------------------------------------------------------------------------------------- append

function append(broker: Broker, request: Request, context: RequestContext, appended: Appended[]): Response {
  const byId = context.version >= 13
  const responses: Response['responses'][number][] = []
  const leadersElsewhere = new Set<number>()
  const unpacking = { leftBytes: UNPACKED_PER_REQUEST_BYTES }
  for (const { name, topicId, partitionData } of request.topicData) {
    const topic = byId ? broker.image.topicsById.get(topicId) : broker.image.topics.get(name)
    const partitionResponses: PartitionAnswer[] = []
    for (const { index, records } of partitionData) {
      const answer = newAnswer(index)
      partitionResponses.push(answer)
      const refusal = appendOne(broker, { topic, byId, acks: request.acks, index, records, context, answer, unpacking, appended })
      if (refusal === NONE) continue
      answer.errorCode = refusal
      answer.errorMessage ??= errorMessage(refusal)
      if (refusal === NOT_LEADER_OR_FOLLOWER && topic !== undefined) nameLeader(answer, topic, leadersElsewhere)
    }
    if (partitionResponses.length > 0) responses.push({ name, topicId, partitionResponses })
  }
  return { responses, nodeEndpoints: broker.endpointsOf(leadersElsewhere, context.connection.listenerName) }
}

/** Whom the client should turn to. KIP-951. */
function nameLeader(answer: PartitionAnswer, topic: TopicImage, leadersElsewhere: Set<number>): void {
  const state = topic.partitions[answer.index]
  if (state === undefined) return
  answer.currentLeader = { leaderId: state.leader, leaderEpoch: state.leaderEpoch }
  if (state.leader >= 0) leadersElsewhere.add(state.leader)
}

interface OnePartition {
  readonly topic: TopicImage | undefined
  readonly byId: boolean
  readonly acks: number
  readonly index: number
  readonly records: Buffer | null
  readonly context: RequestContext
  readonly answer: PartitionAnswer
  readonly unpacking: UnpackBudget
  readonly appended: Appended[]
}

/** @returns the error code; NONE when the batch is in the log */
function appendOne(broker: Broker, one: OnePartition): number {
  const { topic, acks, index, answer, context } = one
  if (topic === undefined) return one.byId ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION
  if (topic.partitions[index] === undefined) return UNKNOWN_TOPIC_OR_PARTITION
  const single = readSingleBatch(one.records, context.version)
  if (!single.ok) return refuse(answer, single)
  if (acks !== -1 && acks !== 0 && acks !== 1) return INVALID_REQUIRED_ACKS
  if (isInternalTopic(topic.name) && context.clientId !== '__admin_client') return INVALID_TOPIC_EXCEPTION
  const replica = broker.replicas.leaderOf(topic, index)
  if (typeof replica === 'number') return replica
  if (acks === -1 && !replica.takesAcksAll) return NOT_ENOUGH_REPLICAS

  const result = replica.append(single.batch, one.unpacking, context.lease)
  if (result.ok || !WITHOUT_LOG_START.has(result.errorCode)) answer.logStartOffset = replica.log.logStartOffset
  if (!result.ok) return refuse(answer, result)
  answer.baseOffset = result.baseOffset
  answer.logAppendTimeMs = result.logAppendTimeMs
  const requiredOffset = result.lastOffset + 1
  const reached = acks === -1 ? replica.leader!.highWatermark : replica.log.ackableOffset
  if (acks !== 0 && reached < requiredOffset) one.appended.push({ topic, replica, answer, requiredOffset })
  return NONE
}

function refuse(answer: PartitionAnswer, { errorCode, errorMessage, recordErrors }: Rejected): number {
  answer.errorMessage = errorMessage
  answer.recordErrors = recordErrors
  return errorCode
}

function newAnswer(index: number): PartitionAnswer {
  return {
    index,
    errorCode: NONE,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: NO_RECORD_ERRORS,
    errorMessage: null,
    currentLeader: undefined,
  }
}

// -------------------------------------------------------------------------------------------------------------------------- acknowledge

function acknowledged(
  broker: Broker,
  { acks, timeoutMs }: Request,
  { connection }: RequestContext,
  appended: readonly Appended[],
  response: Response,
): Promise<Answer<typeof Produce>> {
  if (connection.closed) return Promise.resolve(response)
  const leadersElsewhere = new Set<number>()
  return new Promise(resolve => {
    const pending = new PendingProduce(
      (slot, errorCode) => {
        const { answer, topic, replica, requiredOffset } = appended[slot]!
        if (errorCode !== NONE) fail(answer, errorCode)
        else if (acks === -1 && replica.leader!.highWatermark < requiredOffset) fail(answer, REQUEST_TIMED_OUT)
        else if (acks === -1 && !replica.hasMinIsr) fail(answer, NOT_ENOUGH_REPLICAS_AFTER_APPEND)
        if (errorCode === NOT_LEADER_OR_FOLLOWER) nameLeader(answer, topic, leadersElsewhere)
      },
      () => {
        stopListening()
        timer?.cancel()
        if (leadersElsewhere.size === 0) resolve(response)
        else {
          for (const { nodeId } of response.nodeEndpoints ?? []) leadersElsewhere.add(nodeId)
          resolve({ ...response, nodeEndpoints: broker.endpointsOf(leadersElsewhere, connection.listenerName) })
        }
      },
    )
    const stopListening = connection.onClose(() => pending.abandon())
    const timer = acks === -1 ? broker.env.clock.setTimer(Math.max(0, timeoutMs), () => timeOut(pending, appended)) : undefined
    for (let slot = 0; slot < appended.length; slot++) pending.add(slot)
    appended.forEach(({ replica, requiredOffset }, slot) => {
      const waits = acks === -1 ? replica.highWatermarkWaits : replica.ackableWaits
      waits.add(requiredOffset, pending, slot)
    })
  })
}

/** What other replicas still lack has timed out. What our own disk still lacks is decided when the disk has it (see `settled` above). */
function timeOut(pending: PendingProduce, appended: readonly Appended[]): void {
  appended.forEach(({ replica, requiredOffset }, slot) => {
    if (!pending.isOpen(slot)) return
    if (replica.log.ackableOffset >= requiredOffset) pending.settle(slot, REQUEST_TIMED_OUT)
    else replica.ackableWaits.add(requiredOffset, pending, slot)
  })
}

// --------------------------------------------------------------------------------------------------------------------------------- errors

function fail(answer: PartitionAnswer, errorCode: number): void {
  answer.errorCode = errorCode
  answer.errorMessage = errorMessage(errorCode)
  answer.baseOffset = -1
  answer.logAppendTimeMs = -1
}

function firstError(response: Response): string | undefined {
  for (const { partitionResponses } of response.responses) {
    for (const { errorCode, errorMessage: message } of partitionResponses) if (errorCode !== NONE) return message ?? `error ${errorCode}`
  }
  return undefined
}

function isTransactional(request: Request): boolean {
  if (request.transactionalId !== null) return true
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) {
      if (
        records !== null &&
        records.length >= batch.BATCH_HEADER_BYTES &&
        batch.magic(records, 0) === 2 &&
        batch.isTransactional(records, 0)
      )
        return true
    }
  }
  return false
}

function refuseAll(
  request: Request,
  errorCode: number,
  _context: RequestContext,
  message = errorMessage(errorCode),
): Answer<typeof Produce> {
  if (request.acks === 0) return new CloseConnection(`produce with acks=0 failed: ${message}`)
  return {
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1, errorMessage: message })),
    })),
  }
}
