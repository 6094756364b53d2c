// A full disk: produce and changes are refused, reads go on, and nothing that was said to be done is lost.
import { expect, test } from 'vitest'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { DeleteTopics } from '../../src/protocol/api/20-delete-topics.ts'
import { InitProducerId } from '../../src/protocol/api/22-init-producer-id.ts'
import { IncrementalAlterConfigs } from '../../src/protocol/api/44-incremental-alter-configs.ts'
import { KAFKA_STORAGE_ERROR } from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, withNode } from './test-node.ts'

const anyProducer = { transactionalId: null, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 }

async function changes(client: RawClient): Promise<number[]> {
  const configs = [{ name: 'retention.ms', configOperation: 0, value: '1000' }]
  const altered = await client.ask(IncrementalAlterConfigs, 1, {
    resources: [{ resourceType: 2, resourceName: 't', configs }],
    validateOnly: false,
  })
  return [
    (await createTopic(client, 'new')).errorCode!,
    (await client.ask(InitProducerId, 4, anyProducer)).errorCode!,
    altered.responses[0]!.errorCode!,
  ]
}

test('the node answers every change and every produce with the storage error, serves reads, and starts again', async () => {
  await withNode(async scene => {
    const client = await scene.connect()
    await createTopic(client, 't')
    expect(await produce(client, 't', batchOf('a', 'b'))).toMatchObject({ errorCode: 0 })
    const { storage } = scene.world.host('broker')
    storage.full = true
    expect(await changes(client)).toEqual([KAFKA_STORAGE_ERROR, KAFKA_STORAGE_ERROR, KAFKA_STORAGE_ERROR])
    const { responses } = await client.ask(DeleteTopics, 6, { topics: [{ name: 't', topicId: ZERO_UUID }], timeoutMs: 1000 })
    expect(responses[0]).toMatchObject({ errorCode: KAFKA_STORAGE_ERROR })
    expect((await client.ask(Metadata, 9, { topics: [{ name: 'auto' }], allowAutoTopicCreation: true })).topics[0]).toMatchObject({
      errorCode: 3,
    })
    for (let i = 0; i < 3; i++) expect(await produce(client, 't', batchOf('c'))).toMatchObject({ errorCode: KAFKA_STORAGE_ERROR })
    expect(await fetchFrom(client, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: 2 })
    expect(scene.node.broker.closing).toBe(false)

    storage.heal()
    expect(await changes(client)).toEqual([0, 0, 0])
    await scene.restart('after a crash')
    const again = await scene.connect()
    expect(await fetchFrom(again, 't', 0)).toMatchObject({ errorCode: 0, highWatermark: 2 })
    expect(await produce(again, 't', batchOf('c'))).toMatchObject({ errorCode: 0, baseOffset: 2 })
  })
})
