// The source of src/protocol/precompiled.ts as it stands in the bundle: what those codecs are compiled to, written out.
import { ADVERTISED } from '../src/broker/advertised.ts'
import { messagesOf } from '../src/metadata/operation-codecs.ts'
import { apiByKey } from '../src/protocol/apis.ts'
import { decoderSource } from '../src/protocol/compile-decode.ts'
import { encoderSource } from '../src/protocol/compile-encode.ts'
import { RequestHeaderSchema, ResponseHeaderSchema } from '../src/protocol/headers.ts'
import type { Fields } from '../src/protocol/schema.ts'

/** Of each, the newest version that the broker advertises: Produce, Fetch, ListOffsets, Metadata, ApiVersions, CreateTopics, InitProducerId. */
const API_KEYS = [0, 1, 2, 3, 18, 19, 22]
/** What a node of several asks the controller for before it serves, and for the first topic and the first record. */
const OPERATIONS = ['registerBroker', 'heartbeat', 'describeQuorum', 'createTopics', 'allocateProducerIds'] as const

interface Message {
  readonly name: string
  readonly fields: Fields
  readonly version: number
  readonly flexible: boolean
}

export function precompiledSource(): string {
  const messages = [...schemas(), ...API_KEYS.flatMap(messagesOfApi)]
  const table = (sourceOf: (fields: Fields, version: number, flexible: boolean) => string) =>
    messages.map(
      ({ name, fields, version, flexible }) => `${JSON.stringify(name)}: function (rt, name) {\n${sourceOf(fields, version, flexible)}\n}`,
    )
  return `export const PRECOMPILED = {\ndecoders: {\n${table(decoderSource).join(',\n')}\n},\nencoders: {\n${table(encoderSource).join(',\n')}\n}\n}\n`
}

function schemas(): Message[] {
  return [RequestHeaderSchema, ResponseHeaderSchema, ...OPERATIONS.flatMap(messagesOf)].flatMap(
    ({ name, fields, flex, minVersion, maxVersion }) =>
      [...new Set([minVersion, maxVersion])].map(version => ({ name: `${name} v${version}`, fields, version, flexible: version >= flex })),
  )
}

function messagesOfApi(key: number): Message[] {
  const api = apiByKey(key)!
  const version = ADVERTISED.find(({ apiKey }) => apiKey === key)!.maxVersion
  const flexible = version >= api.flex
  return [
    { name: `${api.name} request v${version}`, fields: api.request, version, flexible },
    { name: `${api.name} response v${version}`, fields: api.response, version, flexible },
  ]
}
