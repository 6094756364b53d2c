// The public face, with real sockets and real files.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigError, EnvError, Kafka, startNode } from '../../src/index.ts'

const logger = { log: () => undefined }
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ottla-start-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function valuesOf(bootstrapServers: string, topic: string, count: number): Promise<string[]> {
  await using kafka = new Kafka({ bootstrapServers, logger })
  const consumer = kafka.consumer()
  await consumer.assign([{ topic, partition: 0, position: 'earliest' }])
  const values: string[] = []
  while (values.length < count) for (const { value } of await consumer.poll({ maxWaitMs: 1000 })) values.push(String(value))
  return values
}

describe('startNode', () => {
  test('in memory serves a round trip, and leaves nothing behind', async () => {
    await using node = await startNode({ memory: true, logger })
    await using kafka = new Kafka({ bootstrapServers: node.bootstrapServers, logger })
    const producer = kafka.producer()
    await producer.send({ topic: 't', key: null, value: Buffer.from('hello') })
    expect(await valuesOf(node.bootstrapServers, 't', 1)).toEqual(['hello'])
  })

  test.each([
    ['in memory', () => ({ memory: true })],
    ['on a directory', () => ({ dataDirectory: join(directory, 'left'), port: 0 })],
  ])('%s leaves no socket and no timer open when it is closed', async (_where, where) => {
    const held = () => process.getActiveResourcesInfo().filter(name => /^(TCP|Timeout|Pipe|FSReq)/.test(name)).length
    const before = held()
    const node = await startNode({ ...where(), logger })
    const kafka = new Kafka({ bootstrapServers: node.bootstrapServers, logger })
    await kafka.admin().createTopics([{ name: 't', numPartitions: 3 }])
    await kafka.producer().send({ topic: 't', partition: 0, key: null, value: 'hello' })
    expect(await valuesOf(node.bootstrapServers, 't', 1)).toEqual(['hello'])
    await kafka.close()
    await node.close()
    await vi.waitFor(() => expect(held()).toBeLessThanOrEqual(before))
  })

  test('twice at once in one process, each on a port of its own', async () => {
    await using first = await startNode({ memory: true, logger })
    await using second = await startNode({ memory: true, logger })
    expect(first.port).not.toBe(second.port)
    expect(first.clusterId).not.toBe(second.clusterId)
  })

  test('on a directory keeps what it acknowledged', async () => {
    const dataDirectory = join(directory, 'kept')
    for (const value of ['one', 'two']) {
      await using node = await startNode({ dataDirectory, port: 0, logger })
      await using kafka = new Kafka({ bootstrapServers: node.bootstrapServers, logger })
      await kafka.producer().send({ topic: 't', key: null, value: Buffer.from(value) })
    }
    await using node = await startNode({ dataDirectory, port: 0, logger })
    expect(await valuesOf(node.bootstrapServers, 't', 2)).toEqual(['one', 'two'])
  })

  test('on a directory that is in use is refused', async () => {
    const dataDirectory = join(directory, 'used')
    await using _first = await startNode({ dataDirectory, port: 0, logger })
    await expect(startNode({ dataDirectory, port: 0, logger })).rejects.toMatchObject({ name: EnvError.name, code: 'ELOCKED' })
  })

  test('with a key that has no effect is refused, or told of', async () => {
    await expect(startNode({ memory: true, logger, config: { 'num.partition': '3' } })).rejects.toThrow(ConfigError)
    const told: string[] = []
    await using node = await startNode({
      memory: true,
      logger,
      config: { 'num.network.threads': '3' },
      onUnknownKey: key => told.push(key),
    })
    expect(told).toEqual(['num.network.threads'])
    expect(node.nodeId).toBe(1)
  })
})
