import { expect, test } from 'vitest'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { DeleteRecords } from '../../src/protocol/api/21-delete-records.ts'
import { KAFKA_STORAGE_ERROR, OFFSET_OUT_OF_RANGE } from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, withNode } from './test-node.ts'

async function deleteBefore(client: RawClient, offset: number) {
  const { topics } = await client.ask(DeleteRecords, 2, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }],
    timeoutMs: 1000,
  })
  return topics[0]!.partitions[0]!
}

async function earliest(client: RawClient): Promise<number> {
  const { topics } = await client.ask(ListOffsets, 7, {
    replicaId: -1,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
  })
  return topics[0]!.partitions[0]!.offset
}

/** 8 batches of about 1 KiB, one record each, in segments that hold two. */
async function filled(client: RawClient): Promise<void> {
  await createTopic(client, 't', { configs: { 'internal.segment.bytes': '2500' } })
  for (let i = 0; i < 8; i++) {
    const records = [{ key: null, value: Buffer.alloc(1000, i), timestamp: 1_767_225_600_000 + i }]
    await produce(client, 't', encodeBatch({ records, codec: 0 }))
  }
}

test('what was answered holds after a power cut, and segments wholly below the start are gone', async () => {
  await withNode(async scene => {
    const client = await scene.connect()
    await filled(client)
    expect(await deleteBefore(client, 5)).toMatchObject({ errorCode: 0, lowWatermark: 5 })
    await scene.restart('after a crash')
    const again = await scene.connect()
    expect(await earliest(again)).toBe(5)
    expect(await fetchFrom(again, 't', 4)).toMatchObject({ errorCode: OFFSET_OUT_OF_RANGE })
    expect(await fetchFrom(again, 't', 5)).toMatchObject({ errorCode: 0, highWatermark: 8 })
    const names = (await scene.env.disk.list('/data/logs/t-0')).map(({ name }) => name).filter(name => name.endsWith('.log'))
    expect(names).toEqual(['00000000000000000004.log', '00000000000000000006.log'])
  })
})

test('the space of deleted segments is free without waiting for the next retention run', async () => {
  await withNode(async scene => {
    const client = await scene.connect()
    await filled(client)
    await deleteBefore(client, -1)
    expect(await produce(client, 't', batchOf('next'))).toMatchObject({ errorCode: 0, baseOffset: 8 })
    const replica = [...scene.node.broker.replicas.all()][0]!
    expect(replica.log.segments.map(({ baseOffset }) => baseOffset)).toEqual([8])
    expect(await earliest(client)).toBe(8)
  })
})

test('a fetch that waits below the new start is told when its wait ends', async () => {
  await withNode(async scene => {
    const [client, reader] = [await scene.connect(), await scene.connect()]
    await filled(client)
    const waiting = fetchFrom(reader, 't', 6, { minBytes: 1_000_000, maxWaitMs: 2000 })
    await deleteBefore(client, 7)
    expect(await waiting).toMatchObject({ errorCode: OFFSET_OUT_OF_RANGE })
  })
})

test('nothing is deleted while the disk has no room to say so', async () => {
  await withNode(async scene => {
    const client = await scene.connect()
    await filled(client)
    scene.world.host('broker').storage.full = true
    expect(await deleteBefore(client, 5)).toMatchObject({ errorCode: KAFKA_STORAGE_ERROR, lowWatermark: -1 })
    expect(await earliest(client)).toBe(0)
    expect(scene.node.broker.closing).toBe(false)
  })
})
