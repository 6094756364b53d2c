// docs/ARCHITECTURE.md, rule 8: what fails to be written stops the node, whatever it was; nothing that was acknowledged is gone afterwards.
import { describe, expect, test } from 'vitest'
import { Node } from '../../src/broker/node.ts'
import { parseConfig } from '../../src/config.ts'
import type { Fault } from '../../src/env/sim/storage.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { DeleteTopics } from '../../src/protocol/api/20-delete-topics.ts'
import { DeleteRecords } from '../../src/protocol/api/21-delete-records.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { batchOf, createTopic, fetchFrom, produce, RawClient } from './test-node.ts'

const config = parseConfig({ listeners: 'PLAINTEXT://broker:9092' })

/** What makes the node do the thing that fails. */
const actions = {
  produce: (client: RawClient) => produce(client, 't', batchOf('unsure')),
  'produce to a new topic': async (client: RawClient) => {
    await createTopic(client, 'new')
    await produce(client, 'new', batchOf('unsure'))
  },
  'delete a topic': (client: RawClient) => client.ask(DeleteTopics, 6, { topics: [{ name: 'gone', topicId: ZERO_UUID }], timeoutMs: 1000 }),
  'delete records': (client: RawClient) =>
    client.ask(DeleteRecords, 2, { topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 1 }] }], timeoutMs: 1000 }),
} as const

const faults: readonly (readonly [what: string, action: keyof typeof actions, faults: readonly Fault[]])[] = [
  ['a write to a segment', 'produce', [{ operation: 'write', path: 't-0', code: 'EIO' }]],
  ['a flush of a segment', 'produce', [{ operation: 'flush', path: 't-0', code: 'EIO' }]],
  [
    'the cut after a full disk',
    'produce',
    [
      { operation: 'write', path: 't-0', code: 'ENOSPC' },
      { operation: 'truncate', path: 't-0', code: 'EIO' },
    ],
  ],
  ['the folder of a new log', 'produce to a new topic', [{ operation: 'makeDirectory', path: 'new-0', code: 'EIO' }]],
  ['the file of a new log', 'produce to a new topic', [{ operation: 'open', path: 'new-0', code: 'EROFS' }]],
  ['the name of a new log', 'produce to a new topic', [{ operation: 'syncDirectory', path: 'new-0', code: 'EIO' }]],
  ['the removal of a deleted log', 'delete a topic', [{ operation: 'rename', path: 'gone-0', code: 'EIO' }]],
  ['a write of the metadata log', 'produce to a new topic', [{ operation: 'batch', path: 'meta', code: 'EIO' }]],
  ['a write of the log start', 'delete records', [{ operation: 'batch', path: 'meta', code: 'EIO' }]],
]

describe('a disk that refuses', () => {
  test.each(faults)('%s stops the node, and what was acknowledged is there afterwards', async (_, action, injected) => {
    const world = new SimWorld(7)
    await world.run(async () => {
      const node = await Node.open(world.env('broker'), { config, directory: '/data' })
      const client = await RawClient.connect(world.env('client'), 9092)
      await createTopic(client, 't')
      await createTopic(client, 'gone')
      await produce(client, 'gone', batchOf('x'))
      for (const value of ['a', 'b']) expect(await produce(client, 't', batchOf(value))).toMatchObject({ errorCode: 0 })
      for (const fault of injected) world.host('broker').storage.failNext(fault)
      const done = actions[action](client).catch(() => undefined)
      expect((await node.failed).message).toMatch(/EIO|EROFS/)
      await done
      world.crash('broker', { power: true })
      const again = await Node.open(world.restart('broker'), { config, directory: '/data' })
      const other = await RawClient.connect(world.env('client'), 9092)
      const { errorCode, highWatermark } = await fetchFrom(other, 't', 1)
      expect([errorCode, highWatermark >= 2]).toEqual([0, true])
      await again.close()
    })
    expect(world.failures).toEqual([])
  })

  test('a read that fails is the answer to that read alone: the log goes on, and so does the node', async () => {
    const world = new SimWorld(8)
    await world.run(async () => {
      let node = await Node.open(world.env('broker'), { config, directory: '/data' })
      const client = await RawClient.connect(world.env('client'), 9092)
      await createTopic(client, 't')
      await produce(client, 't', batchOf('a'))
      await node.close()
      world.crash('broker', { power: true })
      node = await Node.open(world.restart('broker'), { config, directory: '/data' })
      const again = await RawClient.connect(world.env('client'), 9092)
      world.host('broker').storage.failNext({ operation: 'read', path: 't-0', code: 'EIO' })
      expect(await fetchFrom(again, 't', 0)).toMatchObject({ errorCode: 56 })
      expect(await fetchFrom(again, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: 1 })
      expect(await produce(again, 't', batchOf('b'))).toMatchObject({ errorCode: 0 })
      await node.close()
    })
    expect(world.failures).toEqual([])
  })
})
