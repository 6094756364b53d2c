// What precedes every request and response. The client id keeps its int16 length in flexible versions, so that an old broker can read the header
// of an ApiVersions request newer than itself (KIP-511). Version 0 of the request header, without a client id, is gone since Kafka 4.0.
import { i16, i32, schema, str } from './schema.ts'

export const RequestHeaderSchema = schema('RequestHeader', '1-2', {
  flex: 2,
  fields: { requestApiKey: i16, requestApiVersion: i16, correlationId: i32, clientId: str.null().rigid() },
})

export const ResponseHeaderSchema = schema('ResponseHeader', '0-1', { flex: 1, fields: { correlationId: i32 } })
