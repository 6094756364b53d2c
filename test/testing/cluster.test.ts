// An embedded cluster (ottla/testing) and everything that can be done to it: real sockets, real time, and our own client.
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { Kafka } from '../../src/index/kafka.ts'
import { Connection } from '../../src/net/connection.ts'
import { UnregisterBroker } from '../../src/protocol/api/64-unregister-broker.ts'
import { type Cluster, startCluster } from '../../src/testing/cluster.ts'

const logger = { log: () => {} }

const clientOf = ({ bootstrapServers }: { bootstrapServers: string }) => new Kafka({ bootstrapServers, logger })

async function send(kafka: Kafka, values: readonly string[], topic = 't'): Promise<void> {
  const producer = kafka.producer()
  for (const value of values) await producer.send({ topic, partition: 0, value })
  await producer.close()
}

async function sendTo(cluster: Cluster, values: readonly string[]): Promise<void> {
  await using kafka = clientOf(cluster)
  await send(kafka, values)
}

async function readAll(cluster: Cluster, count: number, topic = 't'): Promise<string[]> {
  await using kafka = clientOf(cluster)
  const consumer = kafka.consumer()
  consumer.assign([{ topic, partition: 0, position: 'earliest' }])
  const values: string[] = []
  while (values.length < count) values.push(...(await consumer.poll({ maxWaitMs: 500 })).map(({ value }) => String(value)))
  return values
}

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, i) => `${word} ${i}`)

test('three nodes in memory acknowledge, replicate and serve, and nothing is left behind', async () => {
  const ports: number[] = []
  {
    await using cluster = await startCluster()
    await using kafka = clientOf(cluster)
    await kafka.admin().createTopics([{ name: 't' }])
    await send(kafka, ['kept'])
    expect(await readAll(cluster, 1)).toEqual(['kept'])
    expect(cluster.nodes.map(({ id, state }) => `${id} ${state}`)).toEqual(['1 running', '2 running', '3 running'])
    expect(cluster.isrOf('t').length).toBe(3)
    ports.push(...cluster.nodes.map(({ bootstrapServers }) => Number(bootstrapServers.split(':')[1])))
  }
  const left = () => process.getActiveResourcesInfo().filter(name => name.startsWith('TCP'))
  await vi.waitFor(() => expect(left()).toEqual([]), { timeout: 2000 })
  for (const port of ports) await (await listen(port))()
})

test('one node is a cluster, too', async () => {
  await using cluster = await startCluster({ nodes: 1 })
  await sendTo(cluster, ['kept'])
  await cluster.kill(1, { power: true })
  await cluster.restart(1)
  expect(await readAll(cluster, 1)).toEqual(['kept'])
})

test.each(['the leader of a partition', 'the controller'])('a producer goes on while %s is killed, and it comes back', async who => {
  await using cluster = await startCluster()
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  await send(kafka, numbered('before', 10))
  const victim = who === 'the controller' ? cluster.controller()! : cluster.leaderOf('t')!
  await cluster.kill(victim)
  await send(kafka, numbered('after', 10))
  expect(await cluster.waitForLeader('t')).not.toBe(victim)
  expect(await cluster.waitForController()).not.toBe(victim)
  await cluster.restart(victim)
  await cluster.waitForAllInSync({ topic: 't' })
  expect(await readAll(cluster, 20)).toEqual([...numbered('before', 10), ...numbered('after', 10)])
})

test('a group goes on over the death of its coordinator', async () => {
  await using cluster = await startCluster({ config: { 'offsets.topic.num.partitions': '1' } })
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  const consumer = kafka.consumer({ groupId: 'g', autoOffsetReset: 'earliest' })
  consumer.subscribe(['t'])
  const values: string[] = []
  const readUntil = async (count: number) => {
    while (values.length < count) values.push(...(await consumer.poll({ maxWaitMs: 500 })).map(({ value }) => String(value)))
  }
  await send(kafka, ['1', '2'])
  await readUntil(2)
  const coordinator = cluster.leaderOf('__consumer_offsets')!
  await cluster.kill(coordinator)
  await send(kafka, ['3'])
  await readUntil(3)
  await cluster.restart(coordinator)
  await cluster.waitForAllInSync()
  expect(values).toEqual(['1', '2', '3'])
})

test('a node that stands still is left behind, answers nobody, and catches up when it goes on', async () => {
  await using cluster = await startCluster()
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  await send(kafka, ['before'])
  const silent = cluster.leaderOf('t')!
  await cluster.pause(silent)
  const heard: string[] = []
  const { bootstrapServers } = cluster.nodes[silent - 1]!
  const socket = dial(Number(bootstrapServers.split(':')[1]), '127.0.0.1', () => heard.push('connected'))
  socket.on('data', () => heard.push('answer')).on('error', () => heard.push('error'))
  // ApiVersions v0, correlation id 1, no client id.
  socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]))
  await send(kafka, ['meanwhile'])
  expect(await cluster.waitForLeader('t')).not.toBe(silent)
  expect(heard).toEqual(['connected'])
  await cluster.resume(silent)
  await cluster.waitFor('the paused node answers what it was asked', () => heard.includes('answer'))
  socket.destroy()
  await cluster.waitForAllInSync({ topic: 't' })
  expect(await readAll(cluster, 2)).toEqual(['before', 'meanwhile'])
})

test('a leader in a minority acknowledges nothing once its lease is over; the majority goes on, and nothing acknowledged is lost', async () => {
  await using cluster = await startCluster()
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  await send(kafka, ['before'])
  const alone = cluster.leaderOf('t')!
  const others = [1, 2, 3].filter(id => id !== alone)
  await cluster.partition([alone], others)
  // A client that sees the minority alone.
  await cluster.partition(['clients'], others)
  await using apart = clientOf(cluster.nodes[alone - 1]!)
  const lost = apart.producer({ deliveryTimeoutMs: 2500 })
  await expect(lost.send({ topic: 't', partition: 0, value: 'in the minority' })).rejects.toThrow()
  await cluster.heal()
  await cluster.partition([alone], [...others, 'clients'])
  await cluster.waitFor('the others have a leader', () => others.includes(cluster.leaderOf('t') ?? -1))
  await send(kafka, ['in the majority'])
  await cluster.heal()
  await cluster.waitForAllInSync({ topic: 't' })
  await send(kafka, ['after'])
  const values = await readAll(cluster, 3)
  expect(values).toEqual(['before', 'in the majority', 'after'])
})

test('a partition one way: who cannot speak to the others is fenced, though it hears them', async () => {
  await using cluster = await startCluster()
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  const dumb = cluster.leaderOf('t')!
  const others = [1, 2, 3].filter(id => id !== dumb)
  await cluster.partition({ from: [dumb], to: others })
  expect(await cluster.waitForLeader('t', 0, { not: dumb })).not.toBe(dumb)
  await cluster.heal()
  await cluster.waitForAllInSync({ topic: 't' })
})

test('all lose power at once: what was acknowledged is there', async () => {
  await using cluster = await startCluster()
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  const values = numbered('kept', 100)
  const producer = kafka.producer()
  await Promise.all(values.map(value => producer.send({ topic: 't', partition: 0, value })))
  await Promise.all([1, 2, 3].map(id => cluster.kill(id, { power: true })))
  await Promise.all([1, 2, 3].map(id => cluster.restart(id)))
  await cluster.waitForAllInSync({ topic: 't' })
  expect(await readAll(cluster, 100)).toEqual(values)
})

test('what was not flushed is lost with the power, and not with the process', async () => {
  const config = { 'log.flush.interval.messages': '1000000' }
  await using cluster = await startCluster({ nodes: 1, config })
  await using kafka = clientOf(cluster)
  await send(kafka, ['written'])
  await cluster.kill(1)
  await cluster.restart(1)
  await send(kafka, ['lost'])
  expect(await readAll(cluster, 2)).toEqual(['written', 'lost'])
  // Opened again, the log was flushed; what came later was not.
  await cluster.kill(1, { power: true })
  await cluster.restart(1)
  const [end] = await kafka.admin().listOffsets([{ topic: 't', partition: 0, spec: 'latest' }])
  expect(end).toMatchObject({ offset: 1 })
})

test('five nodes serve with two dead, and three of them stop in good order', async () => {
  await using cluster = await startCluster({ nodes: 5 })
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't', assignments: [[1, 2, 3]] }])
  await cluster.kill(1)
  await cluster.kill(2)
  await cluster.stop(4).catch(() => {})
  expect(cluster.nodes.map(({ state }) => state)).toEqual(['killed', 'killed', 'running', 'stopped', 'running'])
  await Promise.all([1, 2, 4].map(id => cluster.restart(id)))
  await cluster.waitForAllInSync()
  await send(kafka, ['kept'])
})

test('on disk: the data stay in a directory of the caller, and a later cluster goes on with them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ottla-cluster-'))
  try {
    {
      await using cluster = await startCluster({ directory })
      await sendTo(cluster, ['kept'])
      await cluster.kill(1)
      await cluster.restart(1)
      await expect(cluster.kill(2, { power: true })).rejects.toThrow(/in memory only/)
    }
    expect(readdirSync(directory).sort()).toEqual(['node-1', 'node-2', 'node-3'])
    await expect(startCluster({ directory, nodes: 5 })).rejects.toThrow(/holds node-1, node-2, node-3: start 3 nodes/)
    await using cluster = await startCluster({ directory })
    expect(await readAll(cluster, 1)).toEqual(['kept'])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('on disk for the time being: nothing is left of it', async () => {
  const before = ottlaFolders()
  {
    await using cluster = await startCluster({ onDisk: true })
    await sendTo(cluster, ['kept'])
    await cluster.kill(1)
    await cluster.restart(1)
    await cluster.kill(2)
    expect(ottlaFolders().length).toBe(before.length + 1)
    if (existsSync('/proc/self/fd')) expect(openFiles().length).toBeGreaterThan(0)
  }
  expect(ottlaFolders()).toEqual(before)
  expect(openFiles()).toEqual([])
})

test('a copy that somebody changed is reported, with the rule, the nodes and the offset, and all is freed nevertheless', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ottla-cluster-'))
  try {
    const cluster = await startCluster({ directory })
    await sendTo(cluster, ['one', 'two'])
    await cluster.check()
    const path = join(directory, 'node-2/logs/t-0/00000000000000000000.log')
    const bytes = readFileSync(path)
    bytes[bytes.length - 2]! ^= 1
    writeFileSync(path, bytes)
    const ports = cluster.nodes.map(({ bootstrapServers }) => Number(bootstrapServers.split(':')[1]))
    await expect(cluster.close()).rejects.toThrow(
      /logs of in-sync replicas are equal below the high watermark: t-0, nodes \d and \d .*at offset 1: .*wrong checksum/,
    )
    for (const port of ports) await (await listen(port))()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('a fault that makes no sense says what to do', async () => {
  await using cluster = await startCluster()
  await expect(cluster.kill(4)).rejects.toThrow('There is no node 4: the nodes of this cluster are 1, 2, 3.')
  await expect(cluster.restart(1)).rejects.toThrow('Cannot restart node 1, it is running: end it first, by stop(id) or kill(id).')
  await expect(cluster.resume(1)).rejects.toThrow(/Cannot resume node 1, it is running: only a paused node goes on/)
  await expect(cluster.partition([1], [1, 2])).rejects.toThrow(/1 is on both sides/)
  await expect(cluster.partition([], [1, 2])).rejects.toThrow(/two sides/)
  await cluster.kill(1)
  await expect(cluster.kill(1)).rejects.toThrow(/Cannot kill node 1, it is killed: there is no process to kill/)
  await expect(cluster.pause(1)).rejects.toThrow(/Cannot pause node 1/)
  await expect(cluster.waitFor('the moon is full', () => false, { timeoutMs: 20 })).rejects.toThrow(
    /^Not within 20 ms: the moon is full\.\nnode 1 is killed\n.*\nnode 2 is running; controller -?\d/s,
  )
})

test('a node that stops by itself is reported', async () => {
  const cluster = await startCluster()
  const [host, port] = cluster.nodes[0]!.bootstrapServers.split(':')
  const env = memoryEnv({ logger })
  const connection = await Connection.open(env, { host: host!, port: Number(port), clientId: 'test', timeoutMs: 1000 })
  // Who is thought to be dead is unregistered, and learns of it when it goes on.
  await cluster.pause(3)
  const unregister = () => connection.request(UnregisterBroker, { brokerId: 3 }, { timeoutMs: 5000 })
  await cluster.waitFor('node 3 is unregistered', async () => (await unregister()).errorCode === 0)
  connection.close()
  await cluster.resume(3)
  await cluster.waitFor('node 3 has stopped', () => cluster.nodes[2]!.state === 'failed')
  await expect(cluster.close()).rejects.toThrow(/a node stops only when it is told to: node 3 stopped: .*unregistered/)
})

test('a node that cannot start ends the whole start, and nothing is left of the others', async () => {
  const giveBack = await listen(0)
  try {
    const nodeConfig = { 2: { listeners: `PLAINTEXT://127.0.0.1:${giveBack.port}` } }
    await expect(startCluster({ nodeConfig })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const left = () => process.getActiveResourcesInfo().filter(name => name.startsWith('TCP')).length
    await vi.waitFor(() => expect(left()).toBe(1), { timeout: 2000 })
  } finally {
    await giveBack()
  }
})

test('a configuration that cannot be is refused before anything starts', async () => {
  await expect(startCluster({ nodes: 0 })).rejects.toThrow(/nodes must be a whole number from 1/)
  await expect(startCluster({ config: { 'num.partition': '1' } })).rejects.toThrow(/num\.partition/)
  await expect(startCluster({ config: { 'node.id': '7' } })).rejects.toThrow(/node\.id is set by startCluster itself/)
  await expect(startCluster({ nodeConfig: { 9: {} } })).rejects.toThrow(/nodeConfig names node 9/)
})

test('nodes have a configuration each: brokers without a voice, racks', async () => {
  const nodeConfig = {
    1: { 'process.roles': 'controller' },
    2: { 'process.roles': 'broker', 'broker.rack': 'a' },
    3: { 'process.roles': 'broker' },
  }
  await using cluster = await startCluster({ nodeConfig, config: { 'default.replication.factor': '2' } })
  expect(cluster.nodes[0]!.bootstrapServers).toBe('')
  expect(cluster.controller()).toBe(1)
  await using kafka = clientOf(cluster)
  await kafka.admin().createTopics([{ name: 't' }])
  expect([...cluster.isrOf('t')].sort()).toEqual([2, 3])
  expect((await kafka.admin().describeCluster()).brokers.map(({ rack }) => rack).sort()).toEqual(['a', null])
})

/** Takes the port, or fails. @returns gives it back */
function listen(port: number): Promise<(() => Promise<void>) & { port: number }> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const giveBack = () => new Promise<void>(done => server.close(() => done()))
      resolve(Object.assign(giveBack, { port: (server.address() as { port: number }).port }))
    })
  })
}

/** Of this process, in folders of clusters; where the system tells. */
function openFiles(): string[] {
  if (!existsSync('/proc/self/fd')) return []
  const targetOf = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // The one that listed the folder.
    }
  }
  return readdirSync('/proc/self/fd')
    .map(targetOf)
    .filter(target => /\/ottla-[0-9a-f]{16}\//.test(target))
}

function ottlaFolders(): string[] {
  return readdirSync(tmpdir()).filter(name => /^ottla-[0-9a-f]{16}$/.test(name) && existsSync(join(tmpdir(), name, 'node-1')))
}
