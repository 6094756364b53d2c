import { describe, expect, test } from 'vitest'
import { type EnvError, type Socket, sleep } from '../../src/env/env.ts'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { EPOCH_MS, SimWorld } from '../../src/env/sim/world.ts'

interface Seen {
  text: string
  ended: boolean
  closed: boolean
  error: EnvError | undefined
}

function watch(socket: Socket): Seen {
  const seen: Seen = { text: '', ended: false, closed: false, error: undefined }
  socket.handle({
    data: chunk => (seen.text += chunk.toString()),
    close: error => {
      seen.closed = true
      seen.error = error
    },
  })
  return seen
}

/** Two hosts and a connection between them. */
async function connected(world: SimWorld) {
  let accepted: Socket | undefined
  let far: Seen | undefined
  const server = world.env('server')
  await server.net.listen({
    host: '0.0.0.0',
    port: 9092,
    onConnection: socket => {
      accepted = socket
      far = watch(socket)
    },
  })
  const near = await world.env('client').net.connect({ host: 'server', port: 9092, timeoutMs: 1000 })
  return { nearSocket: near, near: watch(near), farSocket: accepted!, far: far! }
}

describe('time', () => {
  test('is virtual, starts at the epoch, and passes without waiting', async () => {
    const world = new SimWorld(1)
    const { clock } = world.env('alpha')
    expect(clock.wallTime()).toBe(EPOCH_MS)
    await world.run(() => sleep(clock, 3_600_000))
    expect(clock.wallTime()).toBeGreaterThanOrEqual(EPOCH_MS + 3_600_000)
  })

  test('a body that waits for what never comes is reported', async () => {
    const world = new SimWorld(1)
    await expect(world.run(() => new Promise<void>(() => {}))).rejects.toThrow(/stalled/)
    const { clock } = world.env('alpha')
    await expect(world.run(() => sleep(clock, 5000), { maxMs: 1000 })).rejects.toThrow(/not done/)
  })

  test('what an event throws is kept as a failure of its host', async () => {
    const world = new SimWorld(1)
    world.env('alpha').clock.setTimer(1, () => {
      throw new Error('broken')
    })
    await world.runFor(10)
    expect(world.failures).toMatchObject([{ host: 'alpha', error: { message: 'broken' } }])
  })

  test('a paused host does nothing until it is resumed, then everything in order', async () => {
    const world = new SimWorld(1, { timerLateMs: 0 })
    const { clock } = world.env('alpha')
    const order: number[] = []
    for (const delay of [1, 2, 3]) clock.setTimer(delay, () => order.push(delay))
    world.host('alpha').pausedUntil = 50
    await world.runFor(49)
    expect(order).toEqual([])
    await world.runFor(2)
    expect(order).toEqual([1, 2, 3])
  })
})

describe('a crash', () => {
  test('ends a life: none of its timers, turns, promises or callbacks come back', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new SimWorld(seed)
      const env = world.env('alpha')
      let crashed = false
      const late: string[] = []
      const note = (what: string) => () => {
        if (crashed) late.push(what)
      }
      const everything = async () => {
        env.clock.setTimer(1, note('timer'))
        env.clock.turn(note('turn'))
        env.disk.list('/').then(note('list'))
        const file = await env.disk.open(`/${world.now}`, 'create')
        note('open')()
        file.write([Buffer.alloc(100)], 0, note('write'))
        file.flush(note('flush'))
        file.read(0, 10).then(note('read'))
        env.kv.open(`/kv${world.now}`).then(note('kv'))
        env.net.connect({ host: 'nowhere', port: 1, timeoutMs: 50 }).catch(note('connect'))
        env.clock.setTimer(1, () => void everything())
      }
      void everything()
      await world.runFor(7.3)
      world.crash('alpha', { power: true })
      crashed = true
      env.clock.setTimer(1, note('timer after'))
      env.clock.turn(note('turn after'))
      await world.runFor(1000)
      expect(late).toEqual([])
    }
  })

  test('is seen by the peers as an end or a reset', async () => {
    const ways = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) {
      const world = new SimWorld(seed)
      const { near } = await world.run(() => connected(world))
      world.crash('server', { power: false })
      await world.runFor(50)
      expect(near.closed).toBe(true)
      ways.add(near.error?.code ?? 'end')
      await expect(world.run(() => world.env('client').net.connect({ host: 'server', port: 9092, timeoutMs: 100 }))).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      })
    }
    expect([...ways].sort()).toEqual(['ECONNRESET', 'end'])
  })

  test('of a silent machine is not seen at all, until it is back and asked', async () => {
    const world = new SimWorld(4)
    const { near, nearSocket } = await world.run(() => connected(world))
    world.crash('server', { power: true, silent: true })
    nearSocket.write([Buffer.from('anybody?')])
    await world.runFor(500)
    expect(near.closed).toBe(false)
    await expect(world.run(() => world.env('client').net.connect({ host: 'server', port: 9092, timeoutMs: 100 }))).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
    world.restart('server')
    await world.runFor(1500)
    expect(near.error?.code).toBe('ECONNRESET')
  })

  test('with bytes unread is a reset, also for a peer whose window is full', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new SimWorld(seed)
      const { near, nearSocket, farSocket } = await world.run(() => connected(world))
      farSocket.pause()
      nearSocket.write([Buffer.alloc(2_000_000)])
      await world.runFor(100)
      farSocket.end()
      await world.runFor(100)
      world.crash('server', { power: false })
      await world.runFor(100)
      expect(near.error?.code).toBe('ECONNRESET')
    }
  })

  test('leaves the machine to a next life with the same disk and free ports', async () => {
    const world = new SimWorld(2)
    await world.run(() => connected(world))
    world.crash('server', { power: false })
    world.restart('server')
    const { nearSocket, far } = await world.run(() => connected(world))
    nearSocket.write([Buffer.from('hello')])
    await world.runFor(20)
    expect(far.text).toBe('hello')
  })
})

describe('a cut', () => {
  test('of one direction stops that direction alone, and healing lets through what waited, in order', async () => {
    const world = new SimWorld(3)
    const { nearSocket, farSocket, near, far } = await world.run(() => connected(world))
    world.network.cut('client', 'server')
    for (const word of ['one ', 'two ', 'three ']) nearSocket.write([Buffer.from(word)])
    farSocket.write([Buffer.from('heard')])
    await world.runFor(1000)
    expect(near.text).toBe('heard')
    expect(far.text).toBe('')
    world.network.healAll()
    nearSocket.write([Buffer.from('four')])
    await world.runFor(50)
    expect(far.text).toBe('one two three four')
  })

  test('makes connecting time out', async () => {
    const world = new SimWorld(3)
    await world.run(() => connected(world))
    world.network.cut('server', 'client')
    await expect(world.run(() => world.env('client').net.connect({ host: 'server', port: 9092, timeoutMs: 200 }))).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
  })
})

describe('faults', () => {
  test('the next operation fails as told, and a full disk takes no writes', async () => {
    const world = new SimWorld(5)
    const { disk } = world.env('alpha')
    const { storage } = world.host('alpha')
    await world.run(async () => {
      const file = await disk.open('/a', 'create')
      const write = (position = 0) =>
        new Promise<string | undefined>(resolve => file.write([Buffer.alloc(10)], position, error => resolve(error?.code)))
      storage.failNext({ operation: 'write', path: '/a', code: 'EIO', count: 2 })
      expect([await write(), await write(), await write()]).toEqual(['EIO', 'EIO', undefined])
      storage.full = true
      expect(await write()).toBeUndefined() // over bytes that are there
      expect(await write(10)).toBe('ENOSPC')
      expect((await disk.space('/')).freeBytes).toBe(0)
      storage.heal()
      expect(await write()).toBeUndefined()
    })
  })
})

/** Some of everything, from the seed. */
async function bustle(seed: number): Promise<{ hash: string; events: number }> {
  const world = new SimWorld(seed)
  await world.run(async () => {
    const { nearSocket, farSocket } = await connected(world)
    const random = new SeededRandom(seed, 'bustle')
    const { disk, kv, clock, logger } = world.env('server')
    const store = await kv.open('/store')
    const file = await disk.open('/file', 'create')
    let position = 0
    for (let i = 0; i < 50; i++) {
      nearSocket.write([random.bytes(random.integer(5000))])
      farSocket.write([random.bytes(random.integer(500))])
      const bytes = random.bytes(random.integer(3000))
      file.write([bytes], position, () => {})
      position += bytes.length
      void store.batch([{ type: 'put', key: random.bytes(8), value: random.bytes(8) }], { sync: random.chance(0.5) })
      await sleep(clock, random.integer(4))
      logger.log('debug', 'went on', { i })
    }
  })
  world.crash('server', { power: true })
  world.restart('server')
  await world.runFor(100)
  return { hash: world.trace.hash, events: world.eventCount }
}

describe('a seed', () => {
  test('always tells the same story, and another seed another one', async () => {
    const first = await bustle(11)
    expect(await bustle(11)).toEqual(first)
    expect((await bustle(12)).hash).not.toBe(first.hash)
    expect(first.events).toBeGreaterThan(300)
  })

  test('draws evenly', () => {
    const random = new SeededRandom(1, 'even')
    const counts = [0, 0, 0, 0, 0, 0, 0, 0]
    for (let i = 0; i < 8000; i++) counts[random.integer(8)]!++
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})
