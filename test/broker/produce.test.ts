import { describe, expect, test } from 'vitest'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { setCrc } from '../../src/protocol/batch.ts'
import * as errors from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, records, withNode } from './test-node.ts'

async function endOffset(client: RawClient, topic: string): Promise<number> {
  return (await fetchFrom(client, topic, 0)).highWatermark
}

describe('produce', () => {
  test.each([-1, 1])('with acks=%i appends at the end and answers the offset', async acks => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect(await produce(client, 't', batchOf('a', 'b'), { acks })).toMatchObject({
        errorCode: 0,
        baseOffset: 0,
        logStartOffset: 0,
        logAppendTimeMs: -1,
      })
      expect(await produce(client, 't', batchOf('c'), { acks })).toMatchObject({ errorCode: 0, baseOffset: 2 })
      expect(await endOffset(client, 't')).toBe(3)
    })
  })

  test('with acks=0 gives no answer, and the next request is answered', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      client.send(Produce, 9, {
        acks: 0,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf('a') }] }],
      })
      expect((await client.ask(Metadata, 5, { topics: [] })).topics).toEqual([])
      expect(await produce(client, 't', batchOf('b'))).toMatchObject({ baseOffset: 1 })
    })
  })

  test('with acks=0 closes the connection on an error', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      client.send(Produce, 9, {
        acks: 0,
        timeoutMs: 1000,
        topicData: [{ name: 'none', partitionData: [{ index: 0, records: batchOf('a') }] }],
      })
      await client.closed
    })
  })

  test('of a bad partition leaves the good ones alone', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { partitions: 2 })
      const { responses } = await client.ask(Produce, 9, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [
          {
            name: 't',
            partitionData: [
              { index: 0, records: batchOf('a') },
              { index: 7, records: batchOf('a') },
              { index: 1, records: null },
            ],
          },
          { name: 'none', partitionData: [{ index: 0, records: batchOf('a') }] },
        ],
      })
      expect(responses.flatMap(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode))).toEqual([
        errors.NONE,
        errors.UNKNOWN_TOPIC_OR_PARTITION,
        errors.INVALID_RECORD,
        errors.UNKNOWN_TOPIC_OR_PARTITION,
      ])
      expect(await endOffset(client, 't')).toBe(1)
    })
  })

  test('by topic id (v13) finds the topic, and says so of an unknown id', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't')
      const ask = async (id: string) => {
        const { responses } = await client.ask(Produce, 13, {
          acks: -1,
          timeoutMs: 1000,
          topicData: [{ topicId: id, partitionData: [{ index: 0, records: batchOf('a') }] }],
        })
        return responses[0]!
      }
      expect(await ask(topicId)).toMatchObject({ topicId, partitionResponses: [{ errorCode: 0, baseOffset: 0 }] })
      expect(await ask('abcdefghijklmnopqrstuw')).toMatchObject({
        partitionResponses: [{ errorCode: errors.UNKNOWN_TOPIC_ID, baseOffset: -1 }],
      })
    })
  })

  const damaged = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = batchOf('a', 'b')
    change(bytes)
    return bytes
  }
  test.each<[string, Buffer | null, number]>([
    ['no records', null, errors.INVALID_RECORD],
    ['an empty field', Buffer.alloc(0), errors.INVALID_RECORD],
    ['a cut-off batch', batchOf('a').subarray(0, 40), errors.INVALID_RECORD],
    ['two batches', Buffer.concat([batchOf('a'), batchOf('b')]), errors.INVALID_RECORD],
    ['an impossible length', damaged(b => b.writeInt32BE(3, 8)), errors.CORRUPT_MESSAGE],
    ['an unknown magic', damaged(b => b.writeInt8(3, 16)), errors.CORRUPT_MESSAGE],
    ['an old magic', damaged(b => b.writeInt8(1, 16)), errors.INVALID_RECORD],
    ['a wrong checksum', damaged(b => b.writeUInt8(b.at(-2)! ^ 1, b.length - 2)), errors.CORRUPT_MESSAGE],
    [
      'a wrong record count',
      damaged(b => {
        b.writeInt32BE(5, 57)
        setCrc(b, 0)
      }),
      errors.INVALID_RECORD,
    ],
    ['a control batch', encodeBatch({ records: records('a'), codec: 0, control: true }), errors.INVALID_RECORD],
    ['a timestamp far ahead', batchOf({ timestamp: 2_000_000_000_000, value: Buffer.from('a') }), errors.INVALID_TIMESTAMP],
  ])('of %s is refused and appends nothing', async (_, bytes, errorCode) => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const { responses } = await client.ask(Produce, 9, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: bytes }] }],
      })
      const answer = responses[0]!.partitionResponses[0]!
      expect(answer).toMatchObject({ errorCode, baseOffset: -1 })
      expect(answer.errorMessage).not.toBe('')
      expect(await endOffset(client, 't')).toBe(0)
    })
  })

  test('of a batch with a cut-off rest behind it takes the batch', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect(await produce(client, 't', Buffer.concat([batchOf('a'), batchOf('b').subarray(0, 30)]))).toMatchObject({
        errorCode: 0,
        baseOffset: 0,
      })
      expect(await endOffset(client, 't')).toBe(1)
    })
  })

  test('of a batch above max.message.bytes is refused', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { configs: { 'max.message.bytes': '200' } })
      expect(await produce(client, 't', batchOf('x'.repeat(300)))).toMatchObject({
        errorCode: errors.MESSAGE_TOO_LARGE,
        logStartOffset: -1,
      })
    })
  })

  test('names the records that were wrong (v8)', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const answer = await produce(client, 't', batchOf('a', { timestamp: 2_000_000_000_000, value: Buffer.from('b') }))
      expect(answer.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1])
    })
  })

  test('with acks other than -1, 0, 1 is refused', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect(await produce(client, 't', batchOf('a'), { acks: 2 })).toMatchObject({ errorCode: errors.INVALID_REQUIRED_ACKS })
    })
  })

  test('to an internal topic is refused, except from the admin client', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, '__consumer_offsets')
      expect(await produce(client, '__consumer_offsets', batchOf('a'))).toMatchObject({ errorCode: errors.INVALID_TOPIC_EXCEPTION })
      client.clientId = '__admin_client'
      expect(await produce(client, '__consumer_offsets', batchOf('a'))).toMatchObject({ errorCode: 0 })
    })
  })

  test('within a transaction is refused as long as there are none', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const transactional = encodeBatch({
        records: records('a'),
        codec: 0,
        transactional: true,
        producerId: 5,
        producerEpoch: 0,
        baseSequence: 0,
      })
      expect(await produce(client, 't', transactional)).toMatchObject({ errorCode: errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED })
      expect(await endOffset(client, 't')).toBe(0)
    })
  })

  test('with timeout 0 and acks=all succeeds: the timeout is for other replicas', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const { responses } = await client.ask(Produce, 9, {
        acks: -1,
        timeoutMs: 0,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf('a') }] }],
      })
      expect(responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0 })
    })
  })

  test('answers in order and keeps the order of overlapping requests', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const body = (value: string) => ({
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(value) }] }],
      })
      const ids = Array.from({ length: 20 }, (_, i) => client.send(Produce, 9, body(`value ${i}`)))
      for (const id of ids) expect((await client.nextFrame()).readInt32BE(0)).toBe(id)
      expect(await endOffset(client, 't')).toBe(20)
    })
  })

  test('of an idempotent batch twice stores it once and answers the same offset', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const batch = (baseSequence: number) =>
        encodeBatch({ records: records('a', 'b'), codec: 0, producerId: 7, producerEpoch: 0, baseSequence })
      expect(await produce(client, 't', batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
      expect(await produce(client, 't', batch(2))).toMatchObject({ errorCode: 0, baseOffset: 2 })
      expect(await produce(client, 't', batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
      expect(await produce(client, 't', batch(9))).toMatchObject({ errorCode: errors.OUT_OF_ORDER_SEQUENCE_NUMBER })
      expect(await endOffset(client, 't')).toBe(4)
    })
  })

  test("stamps the broker's time when the topic says LogAppendTime", async () => {
    await withNode(async ({ connect, env }) => {
      const client = await connect()
      await createTopic(client, 't', { configs: { 'message.timestamp.type': 'LogAppendTime' } })
      const { logAppendTimeMs } = await produce(client, 't', batchOf('a'))
      expect(Math.abs(logAppendTimeMs - env.clock.wallTime())).toBeLessThan(1000)
    })
  })
})
