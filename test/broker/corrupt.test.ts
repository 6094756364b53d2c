// A damaged log: nothing of it is served, it is told, its bytes are kept, and everything else goes on.
import { expect, test } from 'vitest'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ElectLeaders } from '../../src/protocol/api/43-elect-leaders.ts'
import {
  ELECTION_NOT_NEEDED,
  KAFKA_STORAGE_ERROR,
  LEADER_NOT_AVAILABLE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
} from '../../src/protocol/errors.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, type Scene, withNode } from './test-node.ts'

const SEGMENT = '/data/logs/t-0/00000000000000000000.log'
const BATCHES = 6

async function filled(scene: Scene): Promise<RawClient> {
  const client = await scene.connect()
  await createTopic(client, 't', { partitions: 2 })
  for (let i = 0; i < BATCHES; i++) await produce(client, 't', batchOf(`record ${i}`))
  await produce(client, 't', batchOf('elsewhere'), { partition: 1 })
  return client
}

/** Flips a bit in the record of the batch at this offset. */
async function flip(scene: Scene, offset: number): Promise<void> {
  const file = await scene.env.disk.open(SEGMENT, 'readWrite')
  const size = file.size / BATCHES
  const bytes = await file.read(Math.floor(size * offset) + 65, 1)
  bytes[0]! ^= 4
  await new Promise<void>(resolve => file.write([bytes], Math.floor(size * offset) + 65, () => resolve()))
  await new Promise<void>(resolve => void file.flush(() => resolve()))
  await file.close()
}

async function leaderOf(client: RawClient, partition: number) {
  const { topics } = await client.ask(Metadata, 9, { topics: [{ name: 't' }], allowAutoTopicCreation: false })
  const { errorCode, leaderId } = topics[0]!.partitions.find(({ partitionIndex }) => partitionIndex === partition)!
  return { errorCode, leaderId }
}

async function electUnclean(client: RawClient) {
  const request = { electionType: 1, topicPartitions: [{ topic: 't', partitions: [0] }], timeoutMs: 10_000 }
  return (await client.ask(ElectLeaders, 2, request)).replicaElectionResults[0]!.partitionResult[0]!.errorCode
}

async function servesNothing(client: RawClient): Promise<void> {
  // Until the controller has heard of it: no leader, and no answer but a refusal either.
  while ((await fetchFrom(client, 't', 0)).errorCode === KAFKA_STORAGE_ERROR) {}
  expect(await leaderOf(client, 0)).toEqual({ errorCode: LEADER_NOT_AVAILABLE, leaderId: -1 })
  for (let offset = 0; offset <= BATCHES; offset++)
    expect(await fetchFrom(client, 't', offset)).toMatchObject({ errorCode: NOT_LEADER_OR_FOLLOWER, records: Buffer.alloc(0) })
  expect(await produce(client, 't', batchOf('new'))).toMatchObject({ errorCode: NOT_LEADER_OR_FOLLOWER })
}

/** What is before the damage counts, and the next record gets the offset of the damaged one, under a later leader epoch. */
async function goesOnFrom(client: RawClient, offset: number): Promise<void> {
  // As long as the controller has not heard of the damage there is a leader.
  let answer = await electUnclean(client)
  while (answer === ELECTION_NOT_NEEDED) answer = await electUnclean(client)
  expect(answer).toBe(0)
  expect(await leaderOf(client, 0)).toMatchObject({ errorCode: 0 })
  expect(await fetchFrom(client, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: offset })
  expect(await fetchFrom(client, 't', offset + 1)).toMatchObject({ errorCode: OFFSET_OUT_OF_RANGE })
  expect(await produce(client, 't', batchOf('new'))).toMatchObject({ errorCode: 0, baseOffset: offset })
}

const others = async (client: RawClient) => {
  expect(await produce(client, 't', batchOf('x'), { partition: 1 })).toMatchObject({ errorCode: 0 })
  expect(await fetchFrom(client, 't', 0, { partition: 1 })).toMatchObject({ errorCode: 0 })
}

test.each(['cleanly', 'after a crash'] as const)('damage found after the node ended %s', async how => {
  await withNode(async scene => {
    await filled(scene)
    if (how === 'cleanly') {
      await scene.node.close()
      await flip(scene, 3)
    }
    await scene.restart(how)
    let client = await scene.connect()
    if (how === 'after a crash') {
      // Nothing was damaged: the damage comes while it is down the next time, behind a checkpoint or not.
      await scene.node.close()
      await flip(scene, 3)
      await scene.restart(how)
      client = await scene.connect()
    }
    await others(client)
    // An orderly end lets the start trust what it knows: the damage is met by the read.
    const answers = []
    for (let i = 0; i < 4; i++) answers.push((await fetchFrom(client, 't', 3)).errorCode)
    expect(answers).not.toContain(0)
    await servesNothing(client)
    // It stays so over another start.
    await scene.restart('after a crash')
    client = await scene.connect()
    await servesNothing(client)
    await others(client)
    await goesOnFrom(client, 3)
    await scene.restart('after a crash')
    client = await scene.connect()
    expect(await fetchFrom(client, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: 4 })
    const kept = await scene.env.disk.list('/data/logs/set-aside/1/t-0')
    expect(kept.map(({ name }) => name)[0]).toMatch(/^0{20}\.log\.from-/)
  }, {})
})

test('damage met by a read while the node runs', async () => {
  await withNode(async scene => {
    const client = await filled(scene)
    await scene.restart('cleanly')
    const again = await scene.connect()
    client.close()
    expect(await fetchFrom(again, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: BATCHES })
    await flip(scene, 2)
    expect([KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER]).toContain((await fetchFrom(again, 't', 2)).errorCode)
    await others(again)
    await servesNothing(again)
    await goesOnFrom(again, 2)
  })
})
