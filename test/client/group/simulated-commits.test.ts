// What is committed when, by a consumer of a group against a real broker in the simulated world.
import { expect, test } from 'vitest'
import type { Consumer } from '../../../src/client/consumer.ts'
import { type ConsumerSettings, Kafka } from '../../../src/client/kafka.ts'
import { sleep } from '../../../src/env/env.ts'
import type { Scene } from '../../broker/test-node.ts'
import { withNode } from '../../broker/test-node.ts'
import { BOOTSTRAP, fill, withTopic } from './members.ts'

const target = { topic: 't', partition: 0 }

/** A topic of one partition with ten records, and consumers of one group. */
async function withGroup(
  body: (o: { scene: Scene; consumer(settings?: ConsumerSettings): Consumer; committed(): Promise<number | undefined> }) => Promise<void>,
) {
  await withNode(async scene => {
    const producing = await withTopic(scene, 't', 1)
    await fill(producing, 't', 1, 0, 10)
    const kafka = new Kafka(scene.world.env('client'), { bootstrapServers: BOOTSTRAP })
    const settings = { groupId: 'group', autoOffsetReset: 'earliest' } as const
    await body({
      scene,
      consumer: own => kafka.consumer({ ...settings, ...own }),
      committed: async () => (await kafka.admin().listGroupOffsets('group'))[0]?.offset,
    })
    await Promise.all([kafka.close(), producing.close()])
  })
}

async function poll(consumer: Consumer, maxRecords: number): Promise<number> {
  for (;;) {
    const records = await consumer.poll({ maxWaitMs: 1000, maxRecords })
    if (records.length > 0) return records.length
  }
}

const refusalOf = async (promise: Promise<unknown>) => ((await promise.catch((error: unknown) => error)) as { codeName?: string }).codeName

test('automatic commits cover what was asked beyond, and on close all that was given out', async () => {
  await withGroup(async ({ scene, consumer, committed }) => {
    const { clock } = scene.world.env('client')
    const first = consumer({ autoCommitIntervalMs: 1 })
    first.subscribe(['t'])
    await poll(first, 4)
    await sleep(clock, 50)
    await first.poll({ maxWaitMs: 100, maxRecords: 2 })
    await sleep(clock, 50)
    expect(await committed()).toBe(4)
    await first.close()
    expect(await committed()).toBe(6)
  })
})

test('commits by hand take offsets, epochs and metadata, and can be read again', async () => {
  await withGroup(async ({ consumer, committed }) => {
    const first = consumer({ autoCommit: false })
    expect(await first.committed([target])).toEqual([undefined])
    first.subscribe(['t'])
    await poll(first, 5)
    await first.commit()
    const [position] = await first.committed([target])
    expect(position).toMatchObject({ ...target, offset: 5, metadata: '' })
    expect(position!.leaderEpoch).toBeGreaterThanOrEqual(0)
    await first.commitAsync([{ ...target, offset: 3, metadata: 'why' }])
    expect(await first.committed([target])).toMatchObject([{ offset: 3, metadata: 'why' }])
    expect(await refusalOf(first.commit([{ ...target, offset: 3, metadata: 'x'.repeat(5000) }]))).toBe('OFFSET_METADATA_TOO_LARGE')
    await first.close()
    expect(await committed()).toBe(3)
  })
})

test('in a loop a record counts when the next one is asked for; what was not consumed comes again', async () => {
  await withGroup(async ({ consumer, committed }) => {
    const first = consumer()
    first.subscribe(['t'])
    let count = 0
    for await (const { offset } of first) {
      expect(offset).toBe(count)
      if (++count === 4) break
    }
    expect(await first.position(target)).toBe(3)
    for await (const { offset } of first) {
      expect(offset).toBe(3)
      await first.commit()
      expect(await committed()).toBe(4)
      await first.close()
    }
    expect(await committed()).toBe(4)
  })
})

test('a listener may choose positions, and commit before partitions go', async () => {
  await withGroup(async ({ consumer, committed }) => {
    const first = consumer({ autoCommit: false })
    first.subscribe(['t'], {
      onPartitionsAssigned: ([added]) => first.seek({ ...added!, position: { offset: 7 } }),
      onPartitionsRevoked: () => first.commit(),
    })
    expect(await poll(first, 100)).toBe(3)
    await first.unsubscribe()
    expect(first.assignment).toEqual([])
    expect(await committed()).toBe(10)
    expect(first.groupMetadata).toMatchObject({ memberId: '', generationId: -1 })
  })
})

test('what a listener throws is thrown by poll, and the group goes on', async () => {
  await withGroup(async ({ consumer }) => {
    const first = consumer()
    first.subscribe(['t'], {
      onPartitionsAssigned: () => {
        throw new Error('not today')
      },
    })
    await expect(poll(first, 1)).rejects.toThrow('not today')
    expect(await poll(first, 1)).toBe(1)
  })
})

test('partitions assigned by hand are read from what the group has committed, and committed from outside', async () => {
  await withGroup(async ({ consumer, committed }) => {
    const first = consumer({ autoCommit: false })
    first.assign([{ ...target, position: 'earliest' }])
    await poll(first, 6)
    await first.commit()
    await first.close()
    expect(await committed()).toBe(6)
    const second = consumer()
    second.assign([{ ...target, position: 'committed' }])
    expect(await second.position(target)).toBe(6)
    expect(() => second.subscribe(['t'])).toThrow(/assigned by hand/)
  })
})

test('a member that has not joined cannot commit, and is told what to do', async () => {
  await withGroup(async ({ consumer }) => {
    const first = consumer()
    first.subscribe(['t'])
    const commit = first.commit([{ ...target, offset: 1 }])
    await expect(commit).rejects.toThrow(/poll to join/)
    expect(() => first.assign([])).toThrow(/unsubscribe/)
  })
})

test('without a committed offset and without autoOffsetReset poll says so', async () => {
  await withGroup(async ({ consumer }) => {
    const first = consumer({ autoOffsetReset: 'none' })
    first.subscribe(['t'])
    await expect(poll(first, 1)).rejects.toThrow(/has committed no offset of t-0/)
  })
})

test('a consumer without a group says what it lacks', async () => {
  await withGroup(async ({ consumer }) => {
    const none = consumer({ groupId: 'x', partitionAssignors: ['sticky'] })
    expect(() => none.subscribe([])).toThrow(/at least one topic/)
    expect(() => consumer({ groupId: '' })).toThrow(/not empty/)
    expect(() => consumer({ partitionAssignors: [] })).toThrow(/partitionAssignors/)
  })
})
