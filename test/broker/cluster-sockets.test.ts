// Three nodes in this process, in memory and on real sockets, as a program embeds them: no port is chosen beforehand.
import { expect, test } from 'vitest'
import type { KnownAddress } from '../../src/broker/formation.ts'
import { Node } from '../../src/broker/node.ts'
import { prepareDirectory } from '../../src/broker/prepare.ts'
import { parseConfig } from '../../src/config.ts'
import { memoryDisk, memoryEnv } from '../../src/env/memory/env.ts'
import { Kafka } from '../../src/index/kafka.ts'
import { uuidFromBytes } from '../../src/util/uuid.ts'

const IDS = [1, 2, 3]
const DIRECTORY = '/data'
const logger = { log: () => {} }

test('three nodes find each other, keep records together, and start again on what their disks kept', async () => {
  const disks = new Map(IDS.map(id => [id, memoryDisk()]))
  const envOf = (id: number) => memoryEnv({ logger, disk: disks.get(id)! })
  const { random } = envOf(1)
  const newId = () => uuidFromBytes(random.bytes(16))
  const voters = IDS.map(nodeId => ({ nodeId, directoryId: newId() }))
  const addresses = IDS.map(nodeId => ({ nodeId, host: '127.0.0.1', port: 0 }))
  const place = { directory: DIRECTORY, clusterId: newId(), voters, addresses, secret: 'between us all', internalPort: 0 }
  for (const nodeId of IDS) await prepareDirectory(envOf(nodeId), { ...place, nodeId })

  const startAll = () => {
    const bound: KnownAddress[] = []
    let tell!: (all: readonly KnownAddress[]) => void
    const all = new Promise<readonly KnownAddress[]>(resolve => (tell = resolve))
    const addressesOf = (own: KnownAddress) => {
      if (bound.push(own) === IDS.length) tell(bound)
      return all
    }
    return Promise.all(
      IDS.map(id => {
        const config = parseConfig({ 'node.id': `${id}`, listeners: 'PLAINTEXT://127.0.0.1:0' })
        return Node.open(envOf(id), { config, directory: DIRECTORY, addresses: addressesOf })
      }),
    )
  }

  let nodes = await startAll()
  await using kafka = new Kafka({ bootstrapServers: `127.0.0.1:${nodes[0]!.listeners[0]!.port}`, logger })
  await kafka.admin().createTopics([{ name: 't' }])
  await kafka.producer().send({ topic: 't', value: 'kept' })
  expect(nodes[0]!.image.topics.get('t')!.partitions[0]!.isr.length).toBe(3)
  await Promise.all(nodes.map(node => node.close()))

  nodes = await startAll()
  await using again = new Kafka({ bootstrapServers: `127.0.0.1:${nodes[2]!.listeners[0]!.port}`, logger })
  const consumer = again.consumer()
  consumer.assign([{ topic: 't', partition: 0, position: 'earliest' }])
  const values: string[] = []
  while (values.length < 1) values.push(...(await consumer.poll({ maxWaitMs: 500 })).map(({ value }) => String(value)))
  expect(values).toEqual(['kept'])
  await Promise.all(nodes.map(node => node.close()))
}, 60_000)
