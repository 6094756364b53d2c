// From a frame to an answer: header → codec → handler → encode. Whose fault an error is decides what happens:
// the peer's (ProtocolError, an API or version that is not served) closes its connection and harms nobody else; an expected one is data; ours
// (a failed assertion) stops the node. Whatever happens, a request that can be answered is answered.

import type { Clock } from '../env/env.ts'
import { EnvError } from '../env/env.ts'
import type { IncomingRequest, ServerConnection } from '../net/server.ts'
import { ApiVersions } from '../protocol/api/18-api-versions.ts'
import { STEP_ELEMENTS } from '../protocol/codec.ts'
import { KAFKA_STORAGE_ERROR, KafkaError, ProtocolError, UNKNOWN_SERVER_ERROR } from '../protocol/errors.ts'
import { decodeRequestHeader, encodeResponse, encodeResponseInSteps, type RequestHeader } from '../protocol/message.ts'
import type { Api, Fields, Layout } from '../protocol/schema.ts'
import { AssertionError } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import { ADVERTISED } from './advertised.ts'
import { unsupportedApiVersions } from './api/18-api-versions.ts'
import { HANDLERS } from './apis.ts'
import type { Broker } from './broker.ts'
import { type Answer, CloseConnection, type Handler, NO_RESPONSE, type RequestContext } from './handler.ts'
import { releaseAll } from './read-memory.ts'
import { Slices } from './slices.ts'

const PRODUCE = 0
const OFFSET_COMMIT = 8
const SHORT_COMMIT_BYTES = 4096
/** What a request may decode to, by the estimate of the codec: 20,000 partitions of a fetch, 25,000 to 60,000 names; beyond, its connection is closed. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024
/** A group may commit 100,000 partitions and more at once. */
const MAX_COMMIT_BYTES = 16 * 1024 * 1024

interface Served {
  readonly handler: Handler
  readonly minVersion: number
  readonly maxVersion: number
  /** What is decoded refers to the frame. Other frames' memory is used again as soon as they are read. */
  readonly holdsBytes: boolean
}

const served: (Served | undefined)[] = []
for (const { apiKey, minVersion, maxVersion } of ADVERTISED) {
  const found = HANDLERS.get(apiKey)
  if (found !== undefined)
    served[apiKey] = {
      handler: found,
      minVersion: Math.max(minVersion, found.api.minVersion),
      maxVersion,
      holdsBytes: holdsBytes(found.api.request),
    }
}

function holdsBytes(fields: Fields): boolean {
  return Object.values(fields).some(({ layout }) => layoutHoldsBytes(layout))
}

function layoutHoldsBytes({ kind, element, fields }: Layout): boolean {
  if (kind === 'bytes' || kind === 'records') return true
  return (element !== undefined && layoutHoldsBytes(element.layout)) || (fields !== undefined && holdsBytes(fields))
}

/**
 * Consecutive Produce and OffsetCommit requests of one connection may run together: they are decided at once, in order, and only their answers wait.
 * (Long commits may not: what is decoded of them would wait, too.)
 */
export function mayOverlap(frame: Buffer): boolean {
  if (frame.length < 2) return false
  const apiKey = frame.readInt16BE(0)
  return apiKey === PRODUCE || (apiKey === OFFSET_COMMIT && frame.length <= SHORT_COMMIT_BYTES)
}

/** What names many things decodes to many times its bytes. (Produce carries bytes, and what it names is bounded by the decoder.) */
export function isHeavy(frame: Buffer): boolean {
  return frame.length >= HEAVY_BYTES && frame.readInt16BE(0) !== PRODUCE
}

const HEAVY_BYTES = 64 * 1024

export class Dispatcher {
  readonly #broker: Broker
  readonly #fail: (error: Error) => void

  constructor(broker: Broker, o: { fail: (error: Error) => void }) {
    this.#broker = broker
    this.#fail = o.fail
  }

  receive(request: IncomingRequest): void {
    try {
      const { frame } = request
      const addressed = readAddress(frame)
      if (addressed === 'unknown version of ApiVersions') {
        request.respond(encodeResponse(ApiVersions, 0, frame.readInt32BE(4), unsupportedApiVersions()))
        return
      }
      const { handler, header } = addressed
      const context = new Context(this.#broker, request, header)
      const codec = handler.api.req(header.apiVersion)
      if (isHeavy(frame)) {
        const maxBytes = header.apiKey === OFFSET_COMMIT ? MAX_COMMIT_BYTES : MAX_REQUEST_BYTES
        const steps = codec.decodeInSteps(frame, header.bodyStart, frame.length, maxBytes)
        context.slices.run(steps, STEP_ELEMENTS).then(
          body => this.#serve({ request, ...addressed, context, body: body as never }),
          error => this.#unreadable(error, request),
        )
        return
      }
      // What stands behind the message is ignored, as in Kafka: librdkafka 2.15 leaves three bytes behind a Metadata v13 that asks for brokers only.
      const body = codec.decodePrefix(frame, header.bodyStart, frame.length, MAX_REQUEST_BYTES) as never
      this.#serve({ request, handler, header, context, body })
    } catch (error) {
      this.#unreadable(error, request)
    }
  }

  #unreadable(error: unknown, request: IncomingRequest): void {
    if (error instanceof ProtocolError) request.close(error.message)
    else this.#stop(error, request)
  }

  #serve(work: Work): void {
    const { request, header } = work
    if (header.apiKey !== PRODUCE) request.letGo()
    if (!served[header.apiKey]!.holdsBytes) request.lease?.release()
    let answer: Answer<Api> | Promise<Answer<Api>>
    try {
      answer = work.handler.answer(this.#broker, work.body, work.context)
    } catch (error) {
      this.#answerFailure(work, error)
      return
    }
    if (answer instanceof Promise) {
      answer.then(
        settled => this.#send(work, settled),
        error => this.#answerFailure(work, error),
      )
    } else {
      this.#send(work, answer)
    }
  }

  #send(work: Work, answer: Answer<Api>): void {
    if (work.context.wasLong && answer !== NO_RESPONSE && !(answer instanceof CloseConnection)) {
      const { handler, header } = work
      const steps = encodeResponseInSteps(handler.api, header.apiVersion, header.correlationId, answer as never)
      work.context.slices.run(steps, STEP_ELEMENTS).then(
        outcome => this.#settle(work, outcome),
        error => this.#answerFailure(work, error),
      )
      return
    }
    let outcome: Outcome
    try {
      outcome = encodeAnswer(work, answer)
    } catch (error) {
      this.#answerFailure(work, error)
      return
    }
    this.#settle(work, outcome)
  }

  #settle(work: Work, outcome: Outcome): void {
    if (work.handler.keepsNothing) work.request.lease?.release()
    settle(work.request, outcome, work.context.answerLeases)
  }

  #answerFailure(work: Work, error: unknown): void {
    let outcome: Outcome
    try {
      outcome =
        error instanceof ProtocolError
          ? new CloseConnection(error.message)
          : encodeAnswer(work, work.handler.failed(work.body, this.#verdictOn(error, work.handler), work.context))
    } catch (second) {
      this.#stop(second, work.request)
      return
    }
    settle(work.request, outcome)
    if (error instanceof AssertionError) this.#fail(error)
  }

  #verdictOn(error: unknown, handler: Handler): { errorCode: number; errorMessage: string } {
    if (error instanceof KafkaError) return { errorCode: error.code, errorMessage: error.message }
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#broker.env.logger.log('error', 'request failed', { api: handler.api.name, cause })
    if (error instanceof EnvError) return { errorCode: KAFKA_STORAGE_ERROR, errorMessage: error.message }
    return { errorCode: UNKNOWN_SERVER_ERROR, errorMessage: 'The server met an error of its own; its log says more.' }
  }

  /** Nothing can be said to this client any more, and the mistake is ours. */
  #stop(error: unknown, request: IncomingRequest): void {
    request.close('the node met an error of its own')
    this.#fail(error instanceof Error ? error : new Error(String(error)))
  }
}

/** One request on its way. */
interface Work {
  readonly request: IncomingRequest
  readonly handler: Handler
  readonly header: RequestHeader
  /** Decoded by the codec of `handler.api`. */
  readonly body: never
  readonly context: Context
}

class Context implements RequestContext {
  readonly version: number
  readonly clientId: string
  readonly connection: ServerConnection
  readonly lease: Lease | undefined
  answerLeases: readonly Lease[] | undefined
  readonly #clock: Clock
  #slices: Slices | undefined

  constructor(broker: Broker, { connection, lease }: IncomingRequest, { apiVersion, clientId }: RequestHeader) {
    this.version = apiVersion
    this.clientId = clientId
    this.connection = connection
    this.lease = lease
    this.#clock = broker.env.clock
  }

  /** Most requests need none. */
  get slices(): Slices {
    this.#slices ??= new Slices(this.#clock, this.connection)
    return this.#slices
  }

  get wasLong(): boolean {
    return this.#slices?.wasLong === true
  }
}

const apiOf = (key: number): Api | undefined => served[key]?.handler.api

/** @throws ProtocolError what is not served, or cannot be read */
function readAddress(frame: Buffer): Pick<Work, 'handler' | 'header'> | 'unknown version of ApiVersions' {
  const header = decodeRequestHeader(frame, apiOf)
  const api = served[header.apiKey]
  if (api === undefined) throw new ProtocolError(`API key ${header.apiKey} is not served`)
  const { handler, minVersion, maxVersion } = api
  const { apiVersion } = header
  if (apiVersion < minVersion || apiVersion > maxVersion) {
    if (handler.api === ApiVersions) return 'unknown version of ApiVersions'
    throw new ProtocolError(`${handler.api.name} v${apiVersion} is not served`)
  }
  return { handler, header }
}

type Outcome = Uint8Array[] | typeof NO_RESPONSE | CloseConnection

function encodeAnswer({ handler, header }: Work, answer: Answer<Api>): Outcome {
  if (answer === NO_RESPONSE || answer instanceof CloseConnection) return answer
  return encodeResponse(handler.api, header.apiVersion, header.correlationId, answer as never)
}

/** @param leases  of the memory that the outcome refers to */
function settle(request: IncomingRequest, outcome: Outcome, leases?: readonly Lease[]): void {
  if (outcome === NO_RESPONSE) request.respondNothing()
  else if (outcome instanceof CloseConnection) request.close(outcome.reason)
  else if (leases === undefined) request.respond(outcome)
  else request.respond(outcome, () => releaseAll(leases))
}
