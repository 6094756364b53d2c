// ApiVersions, and what no API answers: unknown keys and versions, malformed bodies, what stands behind a request.
import { Produce } from '../../../src/protocol/api/00-produce.ts'
import { Metadata } from '../../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../../src/protocol/api/18-api-versions.ts'
import { decodeResponse, encodeRequest } from '../../../src/protocol/message.ts'
import type { Api, RequestIn } from '../../../src/protocol/schema.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

function frameOf<A extends Api>(api: A, version: number, body: RequestIn<A>): Buffer {
  return Buffer.concat(encodeRequest(api, version, 7, 'client', body)).subarray(4)
}

function header(apiKey: number, apiVersion: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeInt16BE(apiKey, 0)
  bytes.writeInt16BE(apiVersion, 2)
  bytes.writeInt32BE(7, 4)
  return Buffer.concat([bytes, rest])
}

const NULL_CLIENT = Buffer.from([255, 255])

const apiVersions = scenario('api versions', async peer => {
  for (const version of peer.versions(ApiVersions)) {
    const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' }
    const answer = await peer.quietly(ApiVersions, version, software)
    const served = answer!.apiKeys.filter(({ apiKey }) => [0, 1, 2, 3, 18, 19, 20, 22, 23, 32, 33, 37, 44, 46, 60, 75].includes(apiKey))
    for (const { apiKey, minVersion, maxVersion } of served) peer.record(`key ${apiKey} v${version}`, { minVersion, maxVersion })
    peer.record(`the rest v${version}`, { ...answer, apiKeys: [], supportedFeatures: [], finalizedFeatures: [] })
    peer.record(`features v${version}`, { supported: answer!.supportedFeatures, finalized: answer!.finalizedFeatures })
    for (const [name, software] of [
      ['', '1.0'],
      ['test', ''],
      ['test', '1 0'],
      ['te st', '1.0'],
      ['-test', '1.0'],
      ['test-', '1.0'],
      ['test', '1.0.'],
      ['t', '1'],
      ['a.b-c', '1-2.3'],
      ['tést', '1.0'],
      ['test\n', '1.0'],
    ] as const) {
      const named = await peer.quietly(ApiVersions, version, { clientSoftwareName: name, clientSoftwareVersion: software })
      peer.record(`software ${JSON.stringify(name)} ${JSON.stringify(software)} v${version}`, {
        errorCode: named?.errorCode,
        apiKeys: named!.apiKeys.length > 0,
      })
      if (named === undefined) peer.reconnect()
    }
  }
  const ofVersion0 = (frame: Buffer) => {
    const { correlationId, body } = decodeResponse(ApiVersions, 0, frame)
    return {
      correlationId,
      errorCode: body.errorCode,
      apiKeys: body.apiKeys.filter(({ apiKey }) => apiKey === 18).map(({ apiKey }) => apiKey),
    }
  }
  for (const version of [6, 99, 32767, -1]) {
    await peer.sendFrame(`version ${version}`, header(18, version, Buffer.concat([NULL_CLIENT, Buffer.from([0])])), ofVersion0)
    await peer.sendFrame(
      `version ${version} and a body of rubbish`,
      header(18, version, Buffer.concat([NULL_CLIENT, Buffer.from([0, 200, 200, 1])])),
      ofVersion0,
    )
  }
  await peer.sendFrame('version 99 without a client id', header(18, 99), ofVersion0)
})

const any = (frame: Buffer) => ({ answered: true, correlationId: frame.readInt32BE(0) })

async function closes(peer: Peer, step: string, frame: Buffer): Promise<void> {
  await peer.sendFrame(step, frame, any)
  peer.reconnect()
}

const strange = scenario('strange requests', async peer => {
  const cluster: RequestIn<typeof Metadata> = { topics: [], allowAutoTopicCreation: false }
  for (const [what, key, version] of [
    ['an unknown key', 999, 0],
    ['a negative key', -1, 0],
    ['metadata of a version to come', 3, 50],
    ['metadata of version -1', 3, -1],
    ['produce version 0', 0, 0],
    ['produce version 2', 0, 2],
    ['fetch version 3', 1, 3],
    ['leader and isr', 4, 0],
    ['fetch snapshot', 59, 0],
    ['vote', 52, 0],
  ] as const) {
    await closes(peer, what, header(key, version, Buffer.concat([NULL_CLIENT, Buffer.alloc(20)])))
  }
  for (const version of [1, 4, 9, 12]) {
    const good = frameOf(Metadata, version, cluster)
    await closes(peer, `metadata v${version}`, good)
    await closes(peer, `metadata v${version} cut by one byte`, good.subarray(0, good.length - 1))
    await closes(peer, `metadata v${version} cut in the header`, good.subarray(0, 9))
    await closes(peer, `metadata v${version} with a byte behind it`, Buffer.concat([good, Buffer.from([0])]))
    await closes(peer, `metadata v${version} with bytes behind it`, Buffer.concat([good, Buffer.from('surplus')]))
  }
  const produce = frameOf(Produce, 9, { acks: -1, timeoutMs: 1000, topicData: [] })
  await closes(peer, 'produce with bytes behind it', Buffer.concat([produce, Buffer.from('surplus')]))
  await closes(peer, 'a header alone', header(3, 1))
  await closes(peer, 'seven bytes', header(3, 1).subarray(0, 7))
  await closes(peer, 'nothing', Buffer.alloc(0))
  await closes(peer, 'an unknown tag', tagged(12, Buffer.from([1, 100, 2, 1, 2])))
  await closes(peer, 'two unknown tags', tagged(12, Buffer.from([2, 100, 2, 1, 2, 101, 0])))
  await closes(peer, 'unknown tags out of order', tagged(12, Buffer.from([2, 101, 0, 100, 2, 1, 2])))
  await closes(peer, 'an unknown tag twice', tagged(12, Buffer.from([2, 100, 0, 100, 0])))
  await closes(peer, 'an unknown tag that is cut off', tagged(12, Buffer.from([1, 100, 20, 1, 2])))
  await closes(peer, 'a null array where none may be', header(60, 0, Buffer.concat([NULL_CLIENT, Buffer.from([0])])))
  await closes(peer, 'a client id longer than the frame', header(3, 1, Buffer.from([0, 50, 65])))
  await closes(peer, 'a client id of length -2', header(3, 1, Buffer.from([255, 254, 0, 0, 0, 0])))
  await closes(peer, 'an array longer than the frame', header(3, 1, Buffer.concat([NULL_CLIENT, Buffer.from([0x7f, 255, 255, 255])])))
  await closes(peer, 'an array of length -2', header(3, 1, Buffer.concat([NULL_CLIENT, Buffer.from([255, 255, 255, 254])])))
  await closes(peer, 'a null topic name', header(3, 1, Buffer.concat([NULL_CLIENT, Buffer.from([0, 0, 0, 1, 255, 255])])))
  await closes(peer, 'a name that is no UTF-8', header(3, 1, Buffer.concat([NULL_CLIENT, Buffer.from([0, 0, 0, 1, 0, 2, 0xc3, 0x28])])))
})

/** Metadata about no topics, with these bytes for its tagged fields. */
function tagged(version: number, tags: Buffer): Buffer {
  const good = frameOf(Metadata, version, { topics: [], allowAutoTopicCreation: false })
  return Buffer.concat([good.subarray(0, good.length - 1), tags])
}

export const CONNECTIONS: readonly Scenario[] = [apiVersions, strange]
