import { describe, expect, test } from 'vitest'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DeleteTopics } from '../../src/protocol/api/20-delete-topics.ts'
import { DescribeConfigs } from '../../src/protocol/api/32-describe-configs.ts'
import { AlterConfigs } from '../../src/protocol/api/33-alter-configs.ts'
import { CreatePartitions } from '../../src/protocol/api/37-create-partitions.ts'
import { IncrementalAlterConfigs } from '../../src/protocol/api/44-incremental-alter-configs.ts'
import * as errors from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { batchOf, createTopic, fetchFrom, produce, type RawClient, withNode } from './test-node.ts'

const TOPIC = 2
const BROKER = 4

describe('CreateTopics', () => {
  test('answers when the leaders serve: who produces at once meets no error', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      expect(await createTopic(client, 't', { partitions: 20 })).toMatchObject({ errorCode: 0, numPartitions: 20, replicationFactor: 1 })
      for (let partition = 0; partition < 20; partition++) {
        expect((await produce(client, 't', batchOf('a'), { partition })).errorCode).toBe(0)
      }
    })
  })

  test('returns all configs of the new topic (v5)', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { configs } = await createTopic(client, 't', { configs: { 'retention.ms': '1000' } })
      expect(configs!.find(({ name }) => name === 'retention.ms')).toMatchObject({ value: '1000', configSource: 1 })
      expect(configs!.find(({ name }) => name === 'cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 })
    })
  })

  test('refuses what is wrong and makes the rest', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 'there')
      const topic = (name: string, o: object = {}) => ({ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...o })
      const { topics } = await client.ask(CreateTopics, 7, {
        topics: [
          topic('there'),
          topic('no partitions!'),
          topic('zero', { numPartitions: 0 }),
          topic('many', { replicationFactor: 3 }),
          topic('odd', { configs: [{ name: 'no.such.key', value: '1' }] }),
          topic('good'),
        ],
        timeoutMs: 1000,
      })
      expect(topics.map(({ errorCode }) => errorCode)).toEqual([
        errors.TOPIC_ALREADY_EXISTS,
        errors.INVALID_TOPIC_EXCEPTION,
        errors.INVALID_PARTITIONS,
        errors.INVALID_REPLICATION_FACTOR,
        errors.INVALID_CONFIG,
        errors.NONE,
      ])
    })
  })

  test('with validateOnly makes nothing', async () => {
    await withNode(async ({ connect, node }) => {
      const client = await connect()
      const { topics } = await client.ask(CreateTopics, 7, {
        topics: [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
        timeoutMs: 1000,
        validateOnly: true,
      })
      expect(topics[0]!.errorCode).toBe(0)
      expect(node.broker.image.topics.size).toBe(0)
    })
  })
})

describe('DeleteTopics', () => {
  test('deletes by name and by id', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't')
      await createTopic(client, 'u')
      expect(
        (await client.ask(DeleteTopics, 5, { topicNames: ['u', 'x'], timeoutMs: 1000 })).responses.map(each => each.errorCode),
      ).toEqual([0, errors.UNKNOWN_TOPIC_OR_PARTITION])
      const byId = await client.ask(DeleteTopics, 6, { topics: [{ name: null, topicId }], timeoutMs: 1000 })
      expect(byId.responses).toMatchObject([{ name: 't', topicId, errorCode: 0 }])
      expect((await produce(client, 't', batchOf('a'))).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
    })
  })

  test('leaves a topic that stands in the request twice, and answers it once', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const { topicId } = await createTopic(client, 't')
      const named = { name: 't', topicId: ZERO_UUID }
      const byId = { name: null, topicId }
      for (const topics of [
        [named, named],
        [byId, byId],
        [named, byId],
      ]) {
        const { responses } = await client.ask(DeleteTopics, 6, { topics, timeoutMs: 1000 })
        expect(responses).toMatchObject([{ errorCode: errors.INVALID_REQUEST }])
      }
      expect((await produce(client, 't', batchOf('a'))).errorCode).toBe(0)
    })
  })

  test('a topic of the same name begins anew, under another id', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      const first = await createTopic(client, 't')
      await produce(client, 't', batchOf('old'))
      await client.ask(DeleteTopics, 6, { topics: [{ name: 't', topicId: ZERO_UUID }], timeoutMs: 1000 })
      const second = await createTopic(client, 't')
      expect(second.topicId).not.toBe(first.topicId)
      expect(await produce(client, 't', batchOf('new'))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    })
  })

  test.each([
    [2, errors.INVALID_REQUEST],
    [3, errors.TOPIC_DELETION_DISABLED],
  ])('v%i answers %i when deletion is disabled', async (version, errorCode) => {
    await withNode(
      async ({ connect }) => {
        const client = await connect()
        await createTopic(client, 't')
        expect((await client.ask(DeleteTopics, version, { topicNames: ['t'], timeoutMs: 1000 })).responses[0]!.errorCode).toBe(errorCode)
      },
      { 'delete.topic.enable': 'false' },
    )
  })
})

describe('CreatePartitions', () => {
  const grow = async (client: RawClient, name: string, count: number) =>
    (await client.ask(CreatePartitions, 3, { topics: [{ name, count, assignments: null }], timeoutMs: 1000, validateOnly: false }))
      .results[0]!

  test('adds partitions that serve at once', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect((await grow(client, 't', 3)).errorCode).toBe(0)
      expect((await produce(client, 't', batchOf('a'), { partition: 2 })).errorCode).toBe(0)
    })
  })

  test('never shrinks a topic', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { partitions: 2 })
      expect((await grow(client, 't', 1)).errorCode).toBe(errors.INVALID_PARTITIONS)
      expect((await grow(client, 'x', 5)).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
    })
  })
})

describe('configs', () => {
  const describeOne = async (client: RawClient, resourceType: number, resourceName: string, keys: string[] | null = null) =>
    (
      await client.ask(DescribeConfigs, 4, {
        resources: [{ resourceType, resourceName, configurationKeys: keys }],
        includeSynonyms: true,
        includeDocumentation: true,
      })
    ).results[0]!
  const set = async (
    client: RawClient,
    resourceType: number,
    resourceName: string,
    name: string,
    value: string | null,
    o: { operation?: number } = {},
  ) =>
    (
      await client.ask(IncrementalAlterConfigs, 1, {
        resources: [{ resourceType, resourceName, configs: [{ name, configOperation: o.operation ?? 0, value }] }],
        validateOnly: false,
      })
    ).responses[0]!

  test('of a topic are all listed, with where they come from', async () => {
    await withNode(
      async ({ connect }) => {
        const client = await connect()
        await createTopic(client, 't', { configs: { 'retention.ms': '5000' } })
        const { configs } = await describeOne(client, TOPIC, 't')
        const found = (name: string) => configs.find(config => config.name === name)!
        expect(found('retention.ms')).toMatchObject({ value: '5000', configSource: 1, configType: 5, readOnly: false, isSensitive: false })
        expect(found('max.message.bytes')).toMatchObject({ value: '2000000', configSource: 4 })
        expect(found('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 })
        expect(found('cleanup.policy').documentation).not.toBe('')
      },
      { 'message.max.bytes': '2000000' },
    )
  })

  test('are only those that were asked for', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      const { configs } = await describeOne(client, TOPIC, 't', ['retention.ms', 'no.such.key'])
      expect(configs.map(({ name }) => name)).toEqual(['retention.ms'])
      expect((await describeOne(client, TOPIC, 't', [])).configs.length).toBeGreaterThan(20)
    })
  })

  test('of what is not there are refused', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      expect((await describeOne(client, TOPIC, 'x')).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
      expect((await describeOne(client, TOPIC, 'a b')).errorCode).toBe(errors.INVALID_TOPIC_EXCEPTION)
      expect((await describeOne(client, BROKER, '7')).errorCode).toBe(errors.INVALID_REQUEST)
      expect((await describeOne(client, BROKER, 'x')).errorCode).toBe(errors.INVALID_REQUEST)
      expect((await describeOne(client, 99, 'x')).errorCode).toBe(errors.INVALID_REQUEST)
      const { responses } = await client.ask(IncrementalAlterConfigs, 1, {
        resources: [{ resourceType: TOPIC, resourceName: '', configs: [] }],
        validateOnly: false,
      })
      expect(responses).toMatchObject([{ errorCode: errors.INVALID_REQUEST }])
      expect((await describeOne(client, BROKER, '1')).configs.find(({ name }) => name === 'num.partitions')).toMatchObject({ value: '1' })
    })
  })

  test('take effect when they are changed', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect((await set(client, TOPIC, 't', 'max.message.bytes', '100')).errorCode).toBe(0)
      expect((await produce(client, 't', batchOf('x'.repeat(200)))).errorCode).toBe(errors.MESSAGE_TOO_LARGE)
      expect((await set(client, TOPIC, 't', 'max.message.bytes', null, { operation: 1 })).errorCode).toBe(0)
      expect((await produce(client, 't', batchOf('x'.repeat(200)))).errorCode).toBe(0)
    })
  })

  test('of all brokers reach the topics that do not set them', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect((await set(client, BROKER, '', 'message.max.bytes', '100')).errorCode).toBe(0)
      expect((await produce(client, 't', batchOf('x'.repeat(200)))).errorCode).toBe(errors.MESSAGE_TOO_LARGE)
      expect((await describeOne(client, TOPIC, 't', ['max.message.bytes'])).configs[0]).toMatchObject({ value: '100', configSource: 3 })
    })
  })

  test('that make no sense are refused', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't')
      expect((await set(client, TOPIC, 't', 'retention.ms', 'soon')).errorCode).toBe(errors.INVALID_CONFIG)
      expect((await set(client, TOPIC, 't', 'no.such.key', '1')).errorCode).toBe(errors.INVALID_CONFIG)
      expect((await set(client, TOPIC, 'x', 'retention.ms', '1')).errorCode).toBe(errors.UNKNOWN_TOPIC_OR_PARTITION)
    })
  })

  test('are replaced as a whole by AlterConfigs', async () => {
    await withNode(async ({ connect }) => {
      const client = await connect()
      await createTopic(client, 't', { configs: { 'retention.ms': '5000' } })
      const { responses } = await client.ask(AlterConfigs, 2, {
        resources: [{ resourceType: TOPIC, resourceName: 't', configs: [{ name: 'retention.bytes', value: '99' }] }],
        validateOnly: false,
      })
      expect(responses[0]!.errorCode).toBe(0)
      const { configs } = await describeOne(client, TOPIC, 't', ['retention.ms', 'retention.bytes'])
      expect(configs.map(({ name, configSource }) => [name, configSource]).sort()).toEqual([
        ['retention.bytes', 1],
        ['retention.ms', 5],
      ])
    })
  })

  test('survive a restart', async () => {
    await withNode(async ({ connect, restart }) => {
      await createTopic(await connect(), 't', { configs: { 'max.message.bytes': '100' } })
      await restart('after a crash')
      const client = await connect()
      expect((await produce(client, 't', batchOf('x'.repeat(200)))).errorCode).toBe(errors.MESSAGE_TOO_LARGE)
      expect((await fetchFrom(client, 't', 0)).highWatermark).toBe(0)
    })
  })
})
