import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { EnvError } from '../../src/env/env.ts'
import { CLIENT_SOFTWARE } from '../../src/net/api-versions.ts'
import { Connection } from '../../src/net/connection.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { DescribeCluster } from '../../src/protocol/api/60-describe-cluster.ts'
import { apiByKey } from '../../src/protocol/apis.ts'
import { ProtocolError, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION } from '../../src/protocol/errors.ts'
import { decodeRequestHeader, encodeResponse } from '../../src/protocol/message.ts'
import { frameOf, type HandSocket, HandWorld, settle } from './fake-world.ts'

const OPTIONS = { host: 'broker', port: 9092, clientId: 'me', timeoutMs: 1000 }
const RANGES = [
  { apiKey: 3, minVersion: 0, maxVersion: 12 },
  { apiKey: 0, minVersion: 0, maxVersion: 9 },
  { apiKey: 18, minVersion: 0, maxVersion: 4 },
]
const NO_TOPICS = { brokers: [], topics: [] }

/** The headers of the requests the client wrote since the last call. */
function requestsOn(socket: HandSocket) {
  const headers = []
  for (let bytes = socket.taken(); bytes.length > 0; bytes = bytes.subarray(4 + bytes.readInt32BE(0))) {
    headers.push(decodeRequestHeader(bytes.subarray(4, 4 + bytes.readInt32BE(0)), apiByKey))
  }
  return headers
}

function answerVersions(socket: HandSocket, version: number, errorCode = 0, apiKeys = RANGES) {
  const [header] = requestsOn(socket)
  socket.deliver(Buffer.concat(encodeResponse(ApiVersions, version, header!.correlationId, { errorCode, apiKeys })))
  return header!
}

function answerMetadata(socket: HandSocket, correlationId: number, clusterId: string) {
  socket.deliver(Buffer.concat(encodeResponse(Metadata, 12, correlationId, { ...NO_TOPICS, clusterId })))
}

async function dial(world = new HandWorld()) {
  const opening = Connection.open(world.env, OPTIONS)
  opening.catch(() => undefined)
  await settle()
  return { world, opening, socket: world.dialled[0]!.socket }
}

async function connect() {
  const { world, opening, socket } = await dial()
  answerVersions(socket, 4)
  return { world, socket, connection: await opening }
}

describe('opening', () => {
  test('asks with version 4 and takes the table', async () => {
    const { opening, socket } = await dial()
    const header = answerVersions(socket, 4)
    expect(header).toMatchObject({ apiKey: 18, apiVersion: 4, clientId: 'me' })
    const connection = await opening
    expect(connection.versionOf(Metadata)).toBe(12)
    expect(connection.versionOf(Produce)).toBe(9)
    expect(connection.versionOf(DescribeCluster)).toBe(undefined)
  })

  test.each([
    ['lists its own range', [{ apiKey: 18, minVersion: 0, maxVersion: 3 }], 3],
    ['lists nothing, as before 2.4', [], 0],
  ])('a broker that refuses version 4 and %s is asked again', async (_, apiKeys, second) => {
    const { opening, socket } = await dial()
    expect(answerVersions(socket, 0, UNSUPPORTED_VERSION, apiKeys).apiVersion).toBe(4)
    await settle()
    expect(answerVersions(socket, second).apiVersion).toBe(second)
    expect((await opening).versionOf(Metadata)).toBe(12)
  })

  test('a broker that refuses every version is given up', async () => {
    const { opening, socket } = await dial()
    for (const _ of [4, 0]) {
      answerVersions(socket, 0, UNSUPPORTED_VERSION, [])
      await settle()
    }
    await expect(opening).rejects.toThrow(/refused ApiVersions version 0/)
    expect(socket.destroyed).toBe(true)
  })

  test.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a short frame', frameOf('abc')],
    ['another correlation id', frameOf(Buffer.from([0, 0, 0, 99, 0, 0, 0, 0, 0, 0]))],
    ['a damaged body', frameOf(Buffer.from([0, 0, 0, 1, 0, 0, 0xff, 1]))],
  ])('a peer that answers with %s speaks no Kafka', async (_, bytes) => {
    const { opening, socket } = await dial()
    socket.deliver(bytes)
    await expect(opening).rejects.toThrow(ProtocolError)
    expect(socket.destroyed).toBe(true)
  })

  test('a refused connection rejects with the reason of the door', async () => {
    const world = new HandWorld()
    world.refuse = 'ECONNREFUSED'
    await expect(Connection.open(world.env, OPTIONS)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('a broker that says nothing is given up in time', async () => {
    const { world, opening, socket } = await dial()
    world.clock.advance(1000)
    await expect(opening).rejects.toMatchObject({ code: REQUEST_TIMED_OUT })
    expect(socket.destroyed).toBe(true)
  })

  test('a broker that hangs up rejects the opening', async () => {
    const { opening, socket } = await dial()
    socket.close()
    await expect(opening).rejects.toThrow(/closed by the broker/)
  })

  test('names itself as the package does', () => {
    const { name, version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(CLIENT_SOFTWARE).toEqual({ clientSoftwareName: name, clientSoftwareVersion: version })
  })
})

describe('requests', () => {
  test('many are under way at once and each gets its own answer, whatever the cuts', async () => {
    const { socket, connection } = await connect()
    const answers = ['a', 'b', 'c'].map(() => connection.request(Metadata, { topics: null }, { timeoutMs: 100 }))
    const headers = requestsOn(socket)
    expect(headers.map(header => header.apiVersion)).toEqual([12, 12, 12])
    const bytes = headers.map((header, i) =>
      Buffer.concat(encodeResponse(Metadata, 12, header.correlationId, { ...NO_TOPICS, clusterId: `c${i}` })),
    )
    for (const byte of Buffer.concat(bytes)) socket.deliver(Uint8Array.of(byte))
    expect((await Promise.all(answers)).map(answer => answer.clusterId)).toEqual(['c0', 'c1', 'c2'])
    expect(connection.pendingCount).toBe(0)
  })

  test('an API the broker lacks is refused before anything is sent', async () => {
    const { socket, connection } = await connect()
    const refused = connection.request(DescribeCluster, { includeClusterAuthorizedOperations: false }, { timeoutMs: 100 })
    await expect(refused).rejects.toMatchObject({ code: UNSUPPORTED_VERSION })
    await expect(connection.request(Metadata, { topics: null }, { timeoutMs: 100, version: -1 })).rejects.toThrow(/versions 0 to 12/)
    expect(requestsOn(socket)).toEqual([])
  })

  test('the version can be held down', async () => {
    const { socket, connection } = await connect()
    void connection.request(Metadata, { topics: null }, { timeoutMs: 100, version: 5 }).catch(() => undefined)
    expect(requestsOn(socket)[0]!.apiVersion).toBe(5)
  })

  test('one without an answer leaves nothing pending', async () => {
    const { socket, connection } = await connect()
    connection.send(Produce, { acks: 0, timeoutMs: 1, topicData: [] })
    const answer = connection.request(Metadata, { topics: null }, { timeoutMs: 100 })
    const [first, second] = requestsOn(socket)
    expect(first!.apiKey).toBe(0)
    answerMetadata(socket, second!.correlationId, 'x')
    expect((await answer).clusterId).toBe('x')
  })

  test('a late answer ends the connection and rejects all that wait', async () => {
    const { world, socket, connection } = await connect()
    const slow = connection.request(Metadata, { topics: null }, { timeoutMs: 500 })
    const behind = connection.request(Metadata, { topics: null }, { timeoutMs: 5000 })
    const outcomes = Promise.allSettled([slow, behind])
    world.clock.advance(499)
    expect(connection.closed).toBe(false)
    world.clock.advance(1)
    expect(await outcomes).toMatchObject([{ reason: { code: REQUEST_TIMED_OUT } }, { reason: { code: REQUEST_TIMED_OUT } }])
    expect(socket.destroyed).toBe(true)
  })

  test('a shorter time limit behind a longer one counts', async () => {
    const { world, socket, connection } = await connect()
    const long = connection.request(Metadata, { topics: null }, { timeoutMs: 5000 })
    const short = connection.request(Metadata, { topics: null }, { timeoutMs: 100 })
    const [first] = requestsOn(socket)
    answerMetadata(socket, first!.correlationId, 'x')
    await long
    world.clock.advance(100)
    await expect(short).rejects.toThrow(/did not answer Metadata within 100 ms/)
  })

  test('garbage rejects all that wait and ends the connection', async () => {
    const { socket, connection } = await connect()
    const answers = Promise.allSettled([1, 2].map(() => connection.request(Metadata, { topics: null }, { timeoutMs: 100 })))
    const closings: Error[] = []
    connection.onClose(error => closings.push(error))
    socket.deliver(frameOf(Buffer.from([0, 0, 0, 77, 1, 2, 3])))
    for (const { reason } of (await answers) as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(ProtocolError)
    expect(closings.length).toBe(1)
    socket.close()
    expect(closings.length).toBe(1)
  })

  test('an answer nobody asked for ends the connection', async () => {
    const { socket, connection } = await connect()
    answerMetadata(socket, 5, 'x')
    expect(connection.closed).toBe(true)
  })

  test('a closed connection refuses with ENOTCONN, so that the caller knows nothing was sent', async () => {
    const { socket, connection } = await connect()
    const cut = connection.request(Metadata, { topics: null }, { timeoutMs: 100 })
    socket.close(new EnvError('ECONNRESET', 'reset'))
    await expect(cut).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect(connection.request(Metadata, { topics: null }, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'ENOTCONN' })
    expect(() => connection.send(Produce, { acks: 0, timeoutMs: 1, topicData: [] })).toThrow(EnvError)
  })

  test('close ends our direction, rejects what waits, and drops the socket if the peer lingers', async () => {
    const { world, socket, connection } = await connect()
    const cut = connection.request(Metadata, { topics: null }, { timeoutMs: 100 })
    connection.close()
    connection.close()
    await expect(cut).rejects.toMatchObject({ code: 'ECANCELED' })
    expect([socket.ended, socket.destroyed]).toEqual([true, false])
    world.clock.advance(1000)
    expect(socket.destroyed).toBe(true)
  })

  test('an answer over the limit ends the connection before it is taken in', async () => {
    const world = new HandWorld()
    const opening = Connection.open(world.env, { ...OPTIONS, maxResponseBytes: 1000 })
    await settle()
    const socket = world.dialled[0]!.socket
    answerVersions(socket, 4)
    const connection = await opening
    const cut = connection.request(Metadata, { topics: null }, { timeoutMs: 100 })
    socket.deliver(Buffer.from([0, 0, 4, 0]))
    await expect(cut).rejects.toThrow(/1024 bytes was announced/)
  })

  test('a full socket tells when it drained', async () => {
    const { socket, connection } = await connect()
    await connection.drained()
    socket.highWaterBytes = 10
    connection.send(Produce, { acks: 0, timeoutMs: 1, topicData: [] })
    let drained = false
    void connection.drained().then(() => (drained = true))
    await settle()
    expect(drained).toBe(false)
    socket.taken()
    await settle()
    expect(drained).toBe(true)
  })
})
