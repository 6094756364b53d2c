// Whatever bytes come in: the connection they came on is closed (or the request is refused), and nobody else notices.
import { describe, expect, test } from 'vitest'
import { ADVERTISED } from '../../src/broker/advertised.ts'
import { sleep } from '../../src/env/env.ts'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { encodeRequest } from '../../src/protocol/message.ts'
import { batchOf, createTopic, produce, type Scene, withNode } from './test-node.ts'

function frame(...parts: (number[] | Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map(part => Buffer.from(part as never)))
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function header(apiKey: number, apiVersion: number): number[] {
  return [apiKey >> 8, apiKey & 0xff, apiVersion >> 8, apiVersion & 0xff, 0, 0, 0, 1, 0xff, 0xff]
}

/** A bystander with a topic and a parked fetch; after the attack both still work. */
async function withBystander(scene: Scene, attack: () => Promise<void>): Promise<void> {
  const bystander = await scene.connect()
  await createTopic(bystander, 't')
  const poller = await scene.connect()
  const wish = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }
  const polled = poller.ask(Fetch, 11, { maxWaitMs: 600_000, minBytes: 1, topics: [{ topic: 't', partitions: [wish] }] })
  await attack()
  expect(await produce(bystander, 't', batchOf('still here'))).toMatchObject({ errorCode: 0, baseOffset: 0 })
  expect((await polled).responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0)
}

describe('a connection is closed for', () => {
  test.each<[string, Buffer]>([
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a length above socket.request.max.bytes', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['a TLS handshake', Buffer.from('16030100f1010000ed0303', 'hex')],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n')],
    ['an empty frame', frame([])],
    ['a header cut off', frame([0, 3, 0])],
    ['an unknown API', frame(header(999, 0))],
    ['an API that is not advertised', frame(header(11, 0), [0, 0])],
    ['a negative version', frame(header(3, 0xffff))],
    ['a version above the range', frame(header(3, 14))],
    ['Produce v2, which is advertised and not served', frame(header(0, 2), [0, 1, 0, 0, 0, 1, 0, 0, 0, 0])],
    ['a client id cut off', frame([0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 65])],
    ['a body cut off', frame(header(3, 1), [0, 0, 0, 2, 0, 1])],
    ['an array of 2^31-1 elements', frame(header(3, 1), [0x7f, 0xff, 0xff, 0xff])],
    ['a malformed body of ApiVersions v3', frame(header(18, 3), [0, 99])],
  ])('%s', async (_, bytes) => {
    await withNode(async scene => {
      await withBystander(scene, async () => {
        const attacker = await scene.connect()
        attacker.sendBytes(bytes)
        await attacker.closed
      })
    })
  })
})

test('the requests before a malformed one are answered', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    const id = client.send(Metadata, 1, { topics: null })
    client.sendBytes(frame(header(999, 0)))
    expect((await client.nextFrame()).readInt32BE(0)).toBe(id)
    await client.closed
  })
})

test('bytes behind the body of a request are ignored, as librdkafka expects', async () => {
  await withNode(async ({ connect }) => {
    const client = await connect()
    client.sendBytes(frame(header(3, 1), [0, 0, 0, 0, 9, 9, 9]))
    expect((await client.nextFrame()).length).toBeGreaterThan(4)
    const id = client.send(Metadata, 1, { topics: null })
    expect((await client.nextFrame()).readInt32BE(0)).toBe(id)
  })
})

describe('whoever lies about a length', () => {
  const honest: [string, Buffer][] = [
    [
      'Produce',
      Buffer.concat(
        encodeRequest(Produce, 9, 1, 'liar', {
          acks: 1,
          timeoutMs: 100,
          topicData: [{ name: 'x', partitionData: [{ index: 0, records: batchOf('a') }] }],
        }),
      ),
    ],
    [
      'Fetch',
      Buffer.concat(
        encodeRequest(Fetch, 11, 1, 'liar', {
          maxWaitMs: 0,
          minBytes: 1,
          topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] }],
          forgottenTopicsData: [{ topic: 't', partitions: [1] }],
        }),
      ),
    ],
    [
      'CreateTopics',
      Buffer.concat(
        encodeRequest(CreateTopics, 7, 1, 'liar', {
          topics: [{ name: 'x', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [{ name: 'a', value: 'b' }] }],
          timeoutMs: 100,
          validateOnly: true,
        }),
      ),
    ],
    [
      'ListOffsets',
      Buffer.concat(
        encodeRequest(ListOffsets, 7, 1, 'liar', {
          replicaId: -1,
          topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
        }),
      ),
    ],
    [
      'DescribeConfigs',
      Buffer.concat(
        encodeRequest(DescribeConfigs, 4, 1, 'liar', {
          resources: [{ resourceType: 2, resourceName: 't', configurationKeys: ['a', 'b'] }],
        }),
      ),
    ],
  ]

  test.each(honest)('in %s, at whatever place, harms nobody', async (_, whole) => {
    await withNode(async scene => {
      await withBystander(scene, async () => {
        const clock = scene.world.env('client').clock
        for (let at = 8; at < whole.length; at++) {
          for (const lie of [0xff, 0x7f, 0x80]) {
            const attacker = await scene.connect()
            const bytes = Buffer.from(whole)
            bytes[at] = lie
            // Whatever stands in the frame, its own length is told truly.
            attacker.sendBytes(bytes)
            await Promise.race([attacker.closed, attacker.nextFrame().catch(() => undefined), sleep(clock, 50)])
            attacker.close()
          }
        }
      })
    })
  })
})

test.each(Array.from({ length: 120 }, (_, key) => key))(
  'API key %i in a version nobody knows gets an answer or a closed connection',
  async key => {
    await withNode(async scene => {
      for (const version of [-1, 99, 32_767]) {
        const client = await scene.connect()
        client.sendBytes(frame(header(key, version & 0xffff), [0, 0, 0, 0]))
        await Promise.race([client.closed, client.nextFrame().catch(() => undefined)])
        client.close()
      }
    })
  },
)

describe('a request that names too many things', () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `u${i}`)
  const requests: [string, Uint8Array[]][] = [
    ['Metadata', encodeRequest(Metadata, 9, 1, 'c', { topics: names(100_000).map(name => ({ name })), allowAutoTopicCreation: false })],
    [
      'CreateTopics',
      encodeRequest(CreateTopics, 7, 1, 'c', {
        topics: names(100_000).map(name => ({ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] })),
        timeoutMs: 100,
      }),
    ],
    [
      'Fetch',
      encodeRequest(Fetch, 11, 1, 'c', {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topic: 't', partitions: names(100_000).map(() => ({ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 })) }],
      }),
    ],
    [
      'Produce',
      encodeRequest(Produce, 9, 1, 'c', {
        acks: 1,
        timeoutMs: 100,
        topicData: [{ name: 't', partitionData: names(1_000_000).map((_, index) => ({ index, records: null })) }],
      }),
    ],
    [
      'DescribeConfigs',
      encodeRequest(DescribeConfigs, 4, 1, 'c', {
        resources: names(100_000).map(resourceName => ({ resourceType: 2, resourceName, configurationKeys: null })),
      }),
    ],
  ]

  test.each(requests)('%s: its connection is closed', async (_, chunks) => {
    await withNode(async scene => {
      await withBystander(scene, async () => {
        const attacker = await scene.connect()
        attacker.sendBytes(Buffer.concat(chunks))
        await attacker.closed
      })
    })
  })

  test('20,000 names are answered', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topics } = await client.ask(Metadata, 9, { topics: names(20_000).map(name => ({ name })), allowAutoTopicCreation: false })
      expect(topics).toHaveLength(20_000)
    })
  })
})

test('requests cut and garbled at random never harm the node', async () => {
  await withNode(async scene => {
    await withBystander(scene, async () => {
      const random = new SeededRandom(7, 'garbled')
      const whole = Buffer.concat(
        encodeRequest(Metadata, 12, 1, 'c', { topics: [{ name: 'abc', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }] }),
      ).subarray(4)
      for (let round = 0; round < 300; round++) {
        const attacker = await scene.connect()
        const { apiKey, minVersion, maxVersion } = ADVERTISED[random.integer(ADVERTISED.length)]!
        const bytes = Buffer.concat([whole.subarray(0, 8 + random.integer(whole.length - 8)), random.bytes(random.integer(60))])
        bytes.writeInt16BE(apiKey, 0)
        bytes.writeInt16BE(minVersion + random.integer(maxVersion - minVersion + 1), 2)
        attacker.sendBytes(frame(bytes))
        await Promise.race([attacker.closed, attacker.nextFrame().catch(() => undefined), sleep(scene.world.env('client').clock, 100)])
        attacker.close()
      }
    })
  })
})
