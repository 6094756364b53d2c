import { expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { IncrementalAlterConfigs } from '../../src/protocol/api/44-incremental-alter-configs.ts'
import { DescribeProducers } from '../../src/protocol/api/61-describe-producers.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { createTopic, produce, type RawClient, withNode } from './test-node.ts'

async function producers(client: RawClient) {
  const { topics } = await client.ask(DescribeProducers, 0, { topics: [{ name: 't', partitionIndexes: [0] }] })
  return topics[0]!.partitions[0]!.activeProducers
}

const batchOf = (producerId: number, baseSequence: number, timestamp: number) =>
  encodeBatch({ records: [{ key: null, value: Buffer.from('x'), timestamp }], codec: 0, producerId, producerEpoch: 0, baseSequence })

test('a producer is forgotten producer.id.expiration.ms after its last batch, also when that is changed meanwhile', async () => {
  const properties = { 'producer.id.expiration.ms': '60000', 'log.retention.check.interval.ms': '1000' }
  await withNode(async scene => {
    const client = await scene.connect()
    await createTopic(client, 't')
    const at = scene.env.clock.wallTime()
    await produce(client, 't', batchOf(7, 0, at))
    await sleep(scene.env.clock, 40_000)
    await produce(client, 't', batchOf(8, 0, at + 40_000))
    expect((await producers(client)).map(({ producerId }) => producerId)).toEqual([7, 8])
    await sleep(scene.env.clock, 30_000)
    expect(await producers(client)).toEqual([
      { producerId: 8, producerEpoch: 0, lastSequence: 0, lastTimestamp: at + 40_000, coordinatorEpoch: -1, currentTxnStartOffset: -1 },
    ])
    // Forgotten: any sequence is taken.
    expect(await produce(client, 't', batchOf(7, 900, at + 70_000))).toMatchObject({ errorCode: 0, baseOffset: 2 })
    const configs = [{ name: 'producer.id.expiration.ms', configOperation: 0, value: '1000' }]
    const resources = [{ resourceType: 4, resourceName: '', configs }]
    expect((await client.ask(IncrementalAlterConfigs, 1, { resources, validateOnly: false })).responses[0]).toMatchObject({ errorCode: 0 })
    await sleep(scene.env.clock, 5000)
    expect(await producers(client)).toEqual([])
  }, properties)
})

test('a restart remembers them', async () => {
  await withNode(async scene => {
    const client = await scene.connect()
    await createTopic(client, 't')
    await produce(client, 't', batchOf(7, 0, scene.env.clock.wallTime()))
    const before = await producers(client)
    for (const how of ['after a crash', 'cleanly'] as const) {
      await scene.restart(how)
      expect(await producers(await scene.connect())).toEqual(before)
    }
  })
})
