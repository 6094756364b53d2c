// From a frame to an answer: header → codec → handler → encode. Whose fault an error is decides what happens:
// the peer's (ProtocolError, an API or version that is not served) closes its connection and harms nobody else; an expected one is data; ours
// (a failed assertion) stops the node. Whatever happens, a request that can be answered is answered.
import { EnvError } from '../env/env.ts'
import type { IncomingRequest } from '../net/server.ts'
import { ApiVersions } from '../protocol/api/18-api-versions.ts'
import { KAFKA_STORAGE_ERROR, KafkaError, ProtocolError, UNKNOWN_SERVER_ERROR } from '../protocol/errors.ts'
import { decodeRequestHeader, encodeResponse, type RequestHeader } from '../protocol/message.ts'
import type { Api } from '../protocol/schema.ts'
import { AssertionError } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import { ADVERTISED } from './advertised.ts'
import { unsupportedApiVersions } from './api/18-api-versions.ts'
import { HANDLERS } from './apis.ts'
import type { Broker } from './broker.ts'
import { type Answer, CloseConnection, type Handler, NO_RESPONSE, type RequestContext } from './handler.ts'
import { releaseAll } from './read-memory.ts'

const PRODUCE = 0
/** What a request may decode to, by the estimate of the codec: more than 25,000 names or partitions; beyond, its connection is closed. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024

interface Served {
  readonly handler: Handler
  readonly minVersion: number
  readonly maxVersion: number
}

const served: (Served | undefined)[] = []
for (const { apiKey, minVersion, maxVersion } of ADVERTISED) {
  const found = HANDLERS.get(apiKey)
  if (found !== undefined) served[apiKey] = { handler: found, minVersion: Math.max(minVersion, found.api.minVersion), maxVersion }
}

/** Consecutive Produce requests of one connection may run together: they append at once, in order, and only their answers wait. */
export function mayOverlap(frame: Buffer): boolean {
  return frame.length >= 2 && frame.readInt16BE(0) === PRODUCE
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
    let read: ReadRequest
    try {
      read = readRequest(request.frame)
    } catch (error) {
      if (error instanceof ProtocolError) request.close(error.message)
      else this.#stop(error, request)
      return
    }
    if (read === 'unknown version of ApiVersions') {
      const correlationId = request.frame.readInt32BE(4)
      request.respond(encodeResponse(ApiVersions, 0, correlationId, unsupportedApiVersions()))
      return
    }
    const { header } = read
    if (header.apiKey !== PRODUCE) request.letGo()
    const context: RequestContext = {
      version: header.apiVersion,
      clientId: header.clientId,
      connection: request.connection,
      lease: request.lease,
    }
    this.#serve({ request, ...read, context })
  }

  #serve(work: Work): void {
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
    let outcome: Outcome
    try {
      outcome = encodeAnswer(work, answer)
    } catch (error) {
      this.#answerFailure(work, error)
      return
    }
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
  readonly context: RequestContext
}

const apiOf = (key: number): Api | undefined => served[key]?.handler.api

type ReadRequest = Pick<Work, 'handler' | 'header' | 'body'> | 'unknown version of ApiVersions'

/** @throws ProtocolError what is not served, or cannot be read */
function readRequest(frame: Buffer): ReadRequest {
  const header = decodeRequestHeader(frame, apiOf)
  const api = served[header.apiKey]
  if (api === undefined) throw new ProtocolError(`API key ${header.apiKey} is not served`)
  const { handler, minVersion, maxVersion } = api
  const { apiVersion } = header
  if (apiVersion < minVersion || apiVersion > maxVersion) {
    if (handler.api === ApiVersions) return 'unknown version of ApiVersions'
    throw new ProtocolError(`${handler.api.name} v${apiVersion} is not served`)
  }
  // What stands behind the message is ignored, as in Kafka: librdkafka 2.15 leaves three bytes behind a Metadata v13 that asks for brokers only.
  const body = handler.api.req(apiVersion).decodePrefix(frame, header.bodyStart, frame.length, MAX_REQUEST_BYTES) as never
  return { handler, header, body }
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
