import { describe, expect, test } from 'vitest'
import { APIS, ApiVersions, apiByKey, Fetch, Heartbeat, Metadata, Produce, SaslHandshake } from '../../src/protocol/apis.ts'
import { ProtocolError, UNSUPPORTED_VERSION } from '../../src/protocol/errors.ts'
import { decodeRequestHeader, decodeResponse, encodeRequest, encodeResponse } from '../../src/protocol/message.ts'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/schema.ts'

const hex = (chunks: Uint8Array[]) => Buffer.concat(chunks).toString('hex')
const frameOf = (chunks: Uint8Array[]) => Buffer.concat(chunks).subarray(4)

describe('requests', () => {
  test('a request of old style is its length, header version 1 and the body', () => {
    const chunks = encodeRequest(SaslHandshake, 1, 7, 'me', { mechanism: 'PLAIN' })
    expect(hex(chunks)).toBe(`00000013${'0011'}${'0001'}${'00000007'}${'0002'}6d65${'0005'}504c41494e`)
  })

  test('a flexible request has header version 2: the client id keeps its int16 length, tagged fields follow', () => {
    const chunks = encodeRequest(ApiVersions, 3, 1, 'x', { clientSoftwareName: 'o', clientSoftwareVersion: '1' })
    expect(hex(chunks)).toBe(`00000011${'0012'}${'0003'}${'00000001'}${'0001'}78${'00'}026f${'0231'}${'00'}`)
  })

  test('the header is read back, and the body starts behind it, for every API and version', () => {
    for (const api of APIS) {
      for (let version = api.minVersion; version <= api.maxVersion; version++) {
        for (const clientId of ['client-1', '', null]) {
          const frame = frameOf([headerOnly(api, version, clientId)])
          const header = decodeRequestHeader(frame, apiByKey)
          expect(header).toEqual({
            apiKey: api.key,
            apiVersion: version,
            correlationId: 99,
            clientId: clientId ?? '',
            bodyStart: frame.length,
          })
        }
      }
    }
  })

  test('an unknown API or version is named, without trust in what follows', () => {
    const header = (apiKey: number, apiVersion: number) => {
      const frame = Buffer.alloc(8)
      frame.writeInt16BE(apiKey, 0)
      frame.writeInt16BE(apiVersion, 2)
      frame.writeInt32BE(5, 4)
      return decodeRequestHeader(frame, apiByKey)
    }
    expect(header(ApiVersions.key, 99)).toEqual({ apiKey: 18, apiVersion: 99, correlationId: 5, clientId: '', bodyStart: -1 })
    expect(header(4, 0).bodyStart).toBe(-1)
    expect(header(-1, 0).bodyStart).toBe(-1)
    expect(header(Fetch.key, 3).bodyStart).toBe(-1)
    expect(header(Fetch.key, -1).bodyStart).toBe(-1)
  })

  test('a header that is cut off anywhere is the fault of the peer', () => {
    const frame = frameOf([headerOnly(Metadata, 12, 'client')])
    for (let length = 0; length < frame.length; length++) {
      expect(() => decodeRequestHeader(frame.subarray(0, length), apiByKey), `${length} bytes`).toThrow(ProtocolError)
    }
  })

  test('tagged fields of a later header version are skipped, and may not reach beyond the frame', () => {
    const frame = frameOf([headerOnly(Metadata, 12, 'c')])
    const head = frame.subarray(0, -1)
    expect(decodeRequestHeader(Buffer.concat([head, Buffer.from([2, 0, 1, 9, 7, 2, 8, 8, 0xee])]), apiByKey).bodyStart).toBe(
      head.length + 8,
    )
    for (const tags of [[1], [1, 0, 5, 1], [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
      expect(() => decodeRequestHeader(Buffer.concat([head, Buffer.from(tags)]), apiByKey)).toThrow(ProtocolError)
    }
  })
})

describe('responses', () => {
  test('the header is version 1 when the message is flexible, else version 0', () => {
    expect(hex(encodeResponse(Heartbeat, 0, 7, { errorCode: 27 }))).toBe('00000006' + '00000007' + '001b')
    expect(hex(encodeResponse(Heartbeat, 4, 7, { errorCode: 27 }))).toBe('0000000c' + '00000007' + '00' + '00000000' + '001b' + '00')
  })

  test('the answer to ApiVersions has header version 0 in every version', () => {
    const body: ResponseOf<typeof ApiVersions> = { errorCode: UNSUPPORTED_VERSION, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }
    expect(hex(encodeResponse(ApiVersions, 0, 7, body))).toBe('00000010' + '00000007' + '0023' + '00000001' + '001200000004')
    const v3 = encodeResponse(ApiVersions, 3, 7, body)
    expect(hex(v3)).toBe('00000013' + '00000007' + '0023' + '02' + '00120000000400' + '00000000' + '00')
    expect(decodeResponse(ApiVersions, 3, frameOf(v3)).body.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
  })

  test('large records leave by reference, small ones in the stream of bytes; either way they arrive', () => {
    const [small, large, more] = [Buffer.alloc(100, 1), Buffer.alloc(5000, 2), Buffer.alloc(6000, 3)]
    const partitions = [small, large, [large, small, more], null].map((records, partitionIndex) => ({
      partitionIndex,
      highWatermark: 9,
      records,
    }))
    const chunks = encodeResponse(Fetch, 12, 3, { responses: [{ topic: 'orders', partitions }] })
    expect(chunks.filter(chunk => chunk === large || chunk === more)).toEqual([large, large, more])
    expect(Buffer.concat(chunks).readInt32BE(0)).toBe(Buffer.concat(chunks).length - 4)
    const { correlationId, body } = decodeResponse(Fetch, 12, frameOf(chunks))
    expect(correlationId).toBe(3)
    expect(body.responses[0]!.partitions.map(({ records }) => records)).toEqual([small, large, Buffer.concat([large, small, more]), null])
  })

  test('a response that is cut off or too long is the fault of the peer', () => {
    const frame = frameOf(encodeResponse(Metadata, 12, 1, { brokers: [], topics: [] }))
    for (let length = 0; length < frame.length; length++) {
      expect(() => decodeResponse(Metadata, 12, frame.subarray(0, length)), `${length} bytes`).toThrow(ProtocolError)
    }
    expect(() => decodeResponse(Metadata, 12, Buffer.concat([frame, Buffer.alloc(1)]))).toThrow('followed by 1 more bytes')
  })
})

describe('the list of APIs', () => {
  test('finds each by its key, and none under the keys that went with ZooKeeper', () => {
    for (const api of APIS) expect(apiByKey(api.key)).toBe(api)
    for (const key of [-1, 4, 5, 6, 7, 95, 32767]) expect(apiByKey(key)).toBeUndefined()
    expect(APIS.map(({ key }) => key)).toEqual([...Array(95).keys()].filter(key => key < 4 || key > 7))
  })
})

describe('types', () => {
  test('what is decoded has every field; what is written may leave out those with a default, but not misspell one', () => {
    const request: RequestOf<typeof Produce> = Produce.req(3).decode(
      frameOf(encodeRequest(Produce, 3, 0, null, { acks: 1, timeoutMs: 5, topicData: [] })),
      10,
      22,
    )
    const transactionalId: string | null = request.transactionalId
    expect(transactionalId).toBeNull()
    // @ts-expect-error responses has no default
    const incomplete: ResponseOf<typeof Produce> = { throttleTimeMs: 1 }
    // @ts-expect-error there is no such field
    const misspelt: ResponseOf<typeof Produce> = { responses: [], throttleTime: 1 }
    // @ts-expect-error an index is a number
    const nested: ResponseOf<typeof Produce> = { responses: [{ name: 'x', partitionResponses: [{ index: '1', baseOffset: 1 }] }] }
    expect([incomplete, misspelt, nested].length).toBe(3)
  })
})

/** A length and the header alone, made by hand. */
function headerOnly(api: Api, version: number, clientId: string | null): Buffer {
  const id = Buffer.from(clientId ?? '')
  const b = Buffer.alloc(4 + 10 + id.length + (version >= api.flex ? 1 : 0))
  b.writeInt32BE(b.length - 4, 0)
  b.writeInt16BE(api.key, 4)
  b.writeInt16BE(version, 6)
  b.writeInt32BE(99, 8)
  b.writeInt16BE(clientId === null ? -1 : id.length, 12)
  id.copy(b, 14)
  return b
}
