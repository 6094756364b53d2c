// Whole messages on a connection: a length of four bytes, a header, a body.
// Facts: the request header is version 2 and the response header version 1 when the version of the message is flexible — but the answer to
// ApiVersions always has header version 0, since the client that reads it cannot know yet what the broker speaks (KIP-482, KIP-511).
// The client id is an int16 string in every header version; null reads as "".
import { ProtocolError } from './errors.ts'
import { RequestHeaderSchema, ResponseHeaderSchema } from './headers.ts'
import { cursor, text, uvarint } from './reading.ts'
import type { Api, RequestIn, ResponseOf, ResponseOut } from './schema.ts'
import { sizeOfChunks, Writer } from './writer.ts'

const API_VERSIONS = 18

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string
  /** Where the body starts in the frame; -1 if the API or its version is unknown, so that its header cannot be trusted either. */
  readonly bodyStart: number
}

/**
 * Reads the header of a request.
 * @param frame  what follows the four bytes of the length
 * @param apiOf  the APIs the reader knows: all of `apis.ts`, or those it serves, so that it need not load the others
 * @throws ProtocolError the header is malformed
 */
export function decodeRequestHeader(frame: Buffer, apiOf: (key: number) => Api | undefined): RequestHeader {
  if (frame.length < 8) throw new ProtocolError(`a request of ${frame.length} bytes has no header`)
  const apiKey = frame.readInt16BE(0)
  const apiVersion = frame.readInt16BE(2)
  const correlationId = frame.readInt32BE(4)
  const api = apiOf(apiKey)
  if (api === undefined || apiVersion < api.minVersion || apiVersion > api.maxVersion) {
    return { apiKey, apiVersion, correlationId, clientId: '', bodyStart: -1 }
  }
  if (frame.length < 10) throw new ProtocolError(`the header of a ${api.name} request has no client id`)
  const length = frame.readInt16BE(8)
  const clientIdEnd = 10 + Math.max(length, 0)
  if (clientIdEnd > frame.length) throw new ProtocolError(`the client id of a ${api.name} request is cut off`)
  const bodyStart = apiVersion >= api.flex ? skipTaggedFields(frame, clientIdEnd) : clientIdEnd
  return { apiKey, apiVersion, correlationId, clientId: text(frame, 10, clientIdEnd - 10), bodyStart }
}

/**
 * A whole response, its length included; large `records` are passed on by reference.
 * @throws KafkaError UNSUPPORTED_VERSION (null where this version has none) | INVALID_REQUEST (a string above 32767 bytes)
 */
export function encodeResponse<A extends Api>(api: A, version: number, correlationId: number, body: ResponseOf<A>): Uint8Array[] {
  const w = new Writer()
  w.int32(0)
  ResponseHeaderSchema.at(responseHeaderVersion(api, version)).encode({ correlationId }, w)
  api.res(version).encode(body, w)
  return withLength(w)
}

/** As encodeResponse, for answers that are too long for one go (see Codec.encodeInSteps). */
export function* encodeResponseInSteps<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  body: ResponseOf<A>,
): Generator<undefined, Uint8Array[]> {
  const w = new Writer()
  w.int32(0)
  ResponseHeaderSchema.at(responseHeaderVersion(api, version)).encode({ correlationId }, w)
  yield* api.res(version).encodeInSteps(body, w)
  return withLength(w)
}

/**
 * A whole request, its length included; large `records` are passed on by reference.
 * @throws KafkaError UNSUPPORTED_VERSION (null where this version has none) | INVALID_REQUEST (a string above 32767 bytes)
 */
export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: RequestIn<A>,
): Uint8Array[] {
  const w = new Writer()
  w.int32(0)
  const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId }
  RequestHeaderSchema.at(version >= api.flex ? 2 : 1).encode(header, w)
  api.req(version).encode(body, w)
  return withLength(w)
}

/**
 * Reads a whole response.
 * @param frame  what follows the four bytes of the length
 * @throws ProtocolError the response is malformed
 */
export function decodeResponse<A extends Api>(api: A, version: number, frame: Buffer): { correlationId: number; body: ResponseOut<A> } {
  if (frame.length < 4) throw new ProtocolError(`a response of ${frame.length} bytes has no header`)
  const bodyStart = responseHeaderVersion(api, version) === 1 ? skipTaggedFields(frame, 4) : 4
  const body = api.res(version).decode(frame, bodyStart, frame.length) as ResponseOut<A>
  return { correlationId: frame.readInt32BE(0), body }
}

function responseHeaderVersion(api: Api, version: number): number {
  return version >= api.flex && api.key !== API_VERSIONS ? 1 : 0
}

function withLength(w: Writer): Uint8Array[] {
  const chunks = w.done()
  const length = sizeOfChunks(chunks) - 4
  const head = chunks[0]!
  head[0] = length >> 24
  head[1] = length >> 16
  head[2] = length >> 8
  head[3] = length
  return chunks
}

/** Kafka defines no tagged field in headers; those of later versions are stepped over. */
function skipTaggedFields(frame: Buffer, p: number): number {
  if (frame[p] === 0) return p + 1
  let count = uvarint(frame, p)
  p = cursor.p
  if (count * 2 > frame.length - p) throw new ProtocolError('the tagged fields of a header are cut off')
  while (count-- > 0) {
    uvarint(frame, p)
    const size = uvarint(frame, cursor.p)
    p = cursor.p + size
    if (p > frame.length) throw new ProtocolError('a tagged field of a header is cut off')
  }
  return p
}
