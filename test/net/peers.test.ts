// Connections between nodes in the simulated world: who is lost is noticed at once, who is silent within bounds, and nothing is noticed falsely.
import { expect, test } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { ECHO, KIB, type NodeOptions, openNode, PARK, SAY, type TestNode } from './rpc-nodes.ts'

const PORT = 19092
const OPTIONS = { timeoutMs: 5000 }
const text = (from: string) => [Buffer.from(from)]

class Cluster {
  readonly world: SimWorld
  readonly nodes: TestNode[] = []

  constructor(seed: number, options: ConstructorParameters<typeof SimWorld>[1] = {}) {
    this.world = new SimWorld(seed, options)
  }

  /** Node `id` on host `n<id>`, known to those who are there and knowing them. */
  async start(id: number, o: Partial<NodeOptions> = {}): Promise<TestNode> {
    const node = await this.run(() => openNode(this.world.env(`n${id}`), { nodeId: id, host: '0.0.0.0', port: PORT, ...o }))
    this.nodes[id] = node
    for (const [otherId, other] of this.nodes.entries()) {
      if (other === undefined || otherId === id) continue
      other.peers.setAddress(id, { host: `n${id}`, port: PORT })
      node.peers.setAddress(otherId, { host: `n${otherId}`, port: PORT })
    }
    return node
  }

  run<T>(body: () => Promise<T>, maxMs = 60_000): Promise<T> {
    return this.world.run(body, { maxMs })
  }

  echo(from: number, to: number, lane: 'control' | 'data' = 'control', timeoutMs = 5000): Promise<string> {
    return this.run(async () => (await this.nodes[from]!.peers.request(to, lane, ECHO, text('hi'), { timeoutMs })).toString())
  }

  async until(condition: () => boolean, maxMs: number): Promise<number> {
    const startedAt = this.world.now
    while (!condition()) {
      if (this.world.now > startedAt + maxMs) throw new Error(`not so after ${maxMs} ms: ${condition}`)
      await this.world.step()
    }
    return this.world.now - startedAt
  }

  pause(host: string, ms: number): void {
    this.world.host(host).pausedUntil = this.world.now + ms
  }

  restart(id: number, o: Partial<NodeOptions> = {}): Promise<TestNode> {
    this.world.restart(`n${id}`)
    return this.start(id, o)
  }

  /** Ends the test: nothing was thrown out of an event. */
  done(): void {
    expect(this.world.failures).toEqual([])
  }
}

async function pair(seed: number): Promise<Cluster> {
  const cluster = new Cluster(seed)
  await cluster.start(1)
  await cluster.start(2)
  return cluster
}

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1)

test.each(SEEDS)('a killed process is lost within milliseconds, and told once (seed %i)', async seed => {
  for (const lane of ['control', 'data'] as const) {
    const cluster = await pair(seed)
    await cluster.echo(1, 2, lane)
    const asked = cluster.nodes[1]!.peers.request(2, lane, PARK, text('waits'), OPTIONS).catch(error => error)
    await cluster.until(() => cluster.nodes[2]!.parked.length === 1, 100)
    cluster.world.crash('n2', { power: false })
    expect(await cluster.until(() => cluster.nodes[1]!.lost.length > 0, 100)).toBeLessThan(30)
    expect(await cluster.run(() => asked)).toMatchObject({ code: 'ECONNRESET' })
    await cluster.world.runFor(3000)
    expect(cluster.nodes[1]!.lost).toEqual(['2 refused'])
    cluster.done()
  }
})

test.each(SEEDS)('a process that was replaced before anybody looked is told as restarted (seed %i)', async seed => {
  const cluster = await pair(seed)
  await cluster.echo(1, 2)
  cluster.world.network.cut('n2', 'n1')
  cluster.world.crash('n2', { power: false })
  await cluster.restart(2, { incarnationId: 'second' })
  cluster.world.network.heal('n2', 'n1')
  await cluster.until(() => cluster.nodes[1]!.lost.length > 0, 5000)
  expect(cluster.nodes[1]!.lost).toEqual(['2 restarted'])
  expect(cluster.nodes[1]!.connected).toEqual(['2 incarnation-2', '2 second'])
  cluster.done()
})

test.each(SEEDS)('a connection that ends although the process lives is made anew, and nobody is lost (seed %i)', async seed => {
  const cluster = await pair(seed)
  await cluster.echo(1, 2)
  cluster.nodes[1]!.peers.watch(2)
  cluster.world.network.cut('n1', 'n2')
  cluster.world.network.cut('n2', 'n1')
  await cluster.world.runFor(4000)
  cluster.world.network.healAll()
  expect(await cluster.echo(1, 2)).toBe('hi')
  await cluster.world.runFor(2000)
  expect(cluster.nodes[1]!.lost).toEqual([])
  expect(cluster.nodes[1]!.connected.length).toBeGreaterThan(1)
  cluster.done()
})

test.each(SEEDS)('a machine that vanished silently is given up in seconds, and is nobody to be called dead (seed %i)', async seed => {
  const cluster = await pair(seed)
  await cluster.echo(1, 2)
  const asked = cluster.nodes[1]!.peers.request(2, 'control', PARK, [], { timeoutMs: 60_000 }).catch(error => error)
  await cluster.until(() => cluster.nodes[2]!.parked.length === 1, 100)
  cluster.world.crash('n2', { power: true, silent: true })
  const startedAt = cluster.world.now
  expect(await cluster.run(() => asked)).toMatchObject({ code: 'ETIMEDOUT' })
  expect(cluster.world.now - startedAt).toBeLessThan(3500)
  expect(cluster.nodes[1]!.lost).toEqual([])
  await cluster.restart(2, { incarnationId: 'after' })
  await cluster.echo(1, 2)
  expect(cluster.nodes[1]!.lost).toEqual(['2 restarted'])
  cluster.done()
})

test.each(SEEDS)('a watched node is found again within half a second of its return (seed %i)', async seed => {
  const cluster = await pair(seed)
  cluster.nodes[1]!.peers.watch(2)
  await cluster.until(() => cluster.nodes[1]!.connected.length === 1, 100)
  for (const life of ['second', 'third']) {
    cluster.world.crash('n2', { power: false })
    await cluster.world.runFor(2500)
    await cluster.restart(2, { incarnationId: life })
    await cluster.until(() => cluster.nodes[1]!.connected.at(-1) === `2 ${life}`, 550)
  }
  expect(cluster.nodes[1]!.lost).toEqual(['2 refused', '2 refused'])
  cluster.nodes[1]!.peers.unwatch(2)
  cluster.done()
})

test('a node may be watched before its address is known, and before it is there', async () => {
  const cluster = new Cluster(5)
  await cluster.start(1)
  cluster.nodes[1]!.peers.watch(2)
  cluster.world.host('n2')
  cluster.nodes[1]!.peers.setAddress(2, { host: 'n2', port: PORT })
  await cluster.world.runFor(1000)
  expect(cluster.nodes[1]!.lost).toEqual([])
  await cluster.start(2)
  await cluster.until(() => cluster.nodes[1]!.connected.length === 1, 550)
  cluster.done()
})

test.each(SEEDS)('a process that stands still for seconds is not lost, whoever has a connection to whom (seed %i)', async seed => {
  const cluster = await pair(seed)
  cluster.nodes[1]!.peers.watch(2)
  cluster.nodes[2]!.peers.watch(1)
  await cluster.world.runFor(100)
  for (const id of [1, 2]) {
    cluster.pause(`n${id}`, 6000)
    await cluster.world.runFor(8000)
    expect(await cluster.echo(3 - id, id)).toBe('hi')
  }
  for (const id of [1, 2]) expect(cluster.nodes[id]!.lost).toEqual([])
  cluster.done()
})

test.each(SEEDS)('a probe tells who is there, who is not, and what it cannot know (seed %i)', async seed => {
  const cluster = await pair(seed)
  const probe = (timeoutMs = 500) => cluster.run(() => cluster.nodes[1]!.peers.probe(2, timeoutMs))
  expect(await cluster.run(() => cluster.nodes[1]!.peers.probe(9, 10))).toBe('unknown')
  expect(await probe()).toBe('alive')
  expect(await probe()).toBe('alive')
  cluster.pause('n2', 1000)
  expect(await probe()).toBe('unknown')
  await cluster.world.runFor(1000)
  cluster.world.network.cut('n1', 'n2')
  expect(await probe()).toBe('unknown')
  cluster.world.network.healAll()
  await cluster.world.runFor(1000)
  expect(await probe()).toBe('alive')
  cluster.world.crash('n2', { power: false })
  expect(await probe()).toBe('refused')
  expect(await probe()).toBe('refused')
  await cluster.restart(2)
  expect(await probe()).toBe('alive')
  cluster.done()
})

test('a node that moved is reached at its new address, and the old one is left', async () => {
  const cluster = new Cluster(3)
  await cluster.start(1)
  await cluster.start(2)
  await cluster.echo(1, 2)
  let isOver = false
  cluster.nodes[2]!.senders[0]!.onClose(() => (isOver = true))
  const moved = await cluster.run(() =>
    openNode(cluster.world.env('n4'), { nodeId: 2, host: '0.0.0.0', port: 7000, incarnationId: 'moved' }),
  )
  cluster.nodes[1]!.peers.setAddress(2, { host: 'n4', port: 7000 })
  expect(await cluster.echo(1, 2)).toBe('hi')
  expect(moved.senders).toHaveLength(1)
  await cluster.until(() => isOver, 100)
  cluster.done()
})

test('who reads nothing holds bounded memory: notices are dropped, reading stops, and in the end the connection goes', async () => {
  const cluster = await pair(8)
  await cluster.echo(2, 1)
  const sender = cluster.nodes[1]!.senders[0]!
  let isOver = false
  sender.onClose(() => (isOver = true))
  cluster.pause('n2', 30_000)
  for (let i = 0; i < 200; i++) sender.notice(SAY, [Buffer.alloc(256 * KIB)])
  expect(isOver).toBe(false)
  await cluster.until(() => isOver, 12_000)
  await cluster.world.runFor(30_000)
  expect(cluster.nodes[2]!.notices.length).toBeLessThan(50)
  expect(await cluster.echo(2, 1)).toBe('hi')
  cluster.done()
})

test('a hundred nodes of a burst wait for one connection, and their order is kept', async () => {
  const cluster = await pair(9)
  const answers: string[] = []
  await cluster.run(async () => {
    const asked = Array.from({ length: 100 }, async (_, i) => {
      answers.push((await cluster.nodes[1]!.peers.request(2, 'data', ECHO, text(`${i}`), OPTIONS)).toString())
    })
    await Promise.all(asked)
  })
  expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
  expect(cluster.nodes[2]!.senders).toHaveLength(1)
  cluster.done()
})

test('an orderly end looks to the others like any other: lost at once', async () => {
  const cluster = await pair(10)
  await cluster.echo(1, 2)
  await cluster.run(() => cluster.nodes[2]!.close())
  await cluster.until(() => cluster.nodes[1]!.lost.length > 0, 100)
  expect(cluster.nodes[1]!.lost).toEqual(['2 refused'])
  const asked = cluster.run(() => cluster.nodes[2]!.peers.request(1, 'control', ECHO, [], OPTIONS))
  await expect(asked).rejects.toMatchObject({ code: 'ECANCELED' })
  cluster.done()
})
