// What all connections share: how many there may be, the bytes of their requests, and the time of the one thread.
import { describe, expect, test } from 'vitest'
import { clientLimits } from '../../src/broker/client-limits.ts'
import { ConfigError, parseConfig } from '../../src/config.ts'
import { ConnectionCounts, NO_LIMITS } from '../../src/net/connection-limits.ts'
import { type IncomingRequest, Server, type ServerOptions } from '../../src/net/server.ts'
import { frameOf, HandWorld } from './fake-world.ts'

const KIB = 1024
const MIB = 1024 * KIB

async function open(options: Partial<ServerOptions> = {}) {
  const world = new HandWorld()
  const handled: IncomingRequest[] = []
  const server = await Server.open(world.env, {
    listeners: [{ name: 'CLIENT', host: '127.0.0.1', port: 0 }],
    maxRequestBytes: 100 * MIB,
    onRequest: request => handled.push(request),
    mayOverlap: () => true,
    ...options,
  })
  const reasons = () => world.log.filter(line => line.event === 'closed connection').map(line => line.fields['reason'])
  return { world, server, handled, reasons }
}

/** The beginning of a frame of so many bytes. */
function begun(frameBytes: number, sent: number): Buffer {
  const bytes = Buffer.alloc(4 + sent)
  bytes.writeInt32BE(frameBytes)
  return bytes
}

describe('connections', () => {
  test('are counted by listener and by address, and given back', () => {
    const counts = new ConnectionCounts()
    const limits = { maxConnections: 4, maxPerListener: new Map([['A', 2]]), maxPerIp: 2, perIpOverrides: new Map([['10.0.0.1', 3]]) }
    counts.opened('A', '10.0.0.1')
    counts.opened('A', '10.0.0.1')
    expect(counts.refusal('A', '10.0.0.2', limits)).toMatch('listener A')
    expect(counts.refusal('B', '10.0.0.1', limits)).toBeUndefined()
    counts.opened('B', '10.0.0.1')
    expect(counts.refusal('B', '10.0.0.1', limits)).toMatch('from 10.0.0.1')
    counts.opened('B', '10.0.0.2')
    expect(counts.refusal('B', '10.0.0.3', limits)).toMatch('4 connections')
    counts.closed('A', '10.0.0.1')
    expect(counts.refusal('A', '10.0.0.1', limits)).toBeUndefined()
    expect(counts.refusal('B', '10.0.0.2', { ...limits, maxPerIp: 1 })).toMatch('from 10.0.0.2')
  })

  test('the limits follow the configuration, and leave half of the files to others', () => {
    let config = parseConfig({
      'max.connections.per.ip': '7',
      'max.connections.per.ip.overrides': '10.0.0.1:9, [::1]:3',
      'listener.name.client.max.connections': '5',
    })
    const limits = clientLimits({ config: () => config, listeners: [{ name: 'CLIENT' }, { name: 'OTHER' }], maxFiles: 1001 })
    expect(limits()).toEqual({
      maxConnections: 500,
      maxPerListener: new Map([['CLIENT', 5]]),
      maxPerIp: 7,
      perIpOverrides: new Map([
        ['10.0.0.1', 9],
        ['::1', 3],
      ]),
    })
    config = parseConfig({ 'max.connections': '20' })
    expect(limits()).toMatchObject({ maxConnections: 20, maxPerIp: 2_147_483_647 })
  })

  test.each(['10.0.0.1', '10.0.0.1:', 'a:-1', 'a:x'])('overrides of %j are refused', text => {
    expect(() => parseConfig({ 'max.connections.per.ip.overrides': text })).toThrow(ConfigError)
  })
})

describe('the bytes of requests', () => {
  test('who holds much is not read from until enough is given back; small requests of others go on', async () => {
    const { world, handled, server } = await open({ maxQueuedBytes: 4 * MIB })
    const big = [0, 1, 2, 3].map(() => world.accept())
    const small = world.accept()
    for (const client of big) client.deliver(frameOf(Buffer.alloc(MIB)))
    expect(server.queuedBytes).toBe(4 * MIB)
    expect(big.map(({ paused }) => paused)).toEqual([true, true, true, true])
    small.deliver(frameOf('A'))
    expect(small.paused).toBe(false)
    expect(handled).toHaveLength(5)
    for (const request of handled.splice(0)) request.respondNothing()
    expect(server.queuedBytes).toBe(0)
    expect(big.some(({ paused }) => paused)).toBe(false)
  })

  test('frames that are not whole count; one of them goes on, over the budget', async () => {
    const { world, handled, server } = await open({ maxQueuedBytes: MIB })
    const [first, second] = [world.accept(), world.accept()]
    first.deliver(begun(2 * MIB, 400 * KIB))
    second.deliver(begun(2 * MIB, 70 * KIB))
    expect([first.paused, second.paused]).toEqual([true, true])
    world.clock.advance(250)
    expect(first.paused).toBe(false)
    first.deliver(Buffer.alloc(2 * MIB - 400 * KIB))
    expect(handled).toHaveLength(1)
    expect(second.destroyed).toBe(false)
    handled[0]!.respondNothing()
    expect(server.queuedBytes).toBeLessThan(200 * KIB)
    expect([first.paused, second.paused]).toEqual([false, false])
  })

  test('one that is so preferred and sends too little is cut off', async () => {
    const { world, reasons } = await open({ maxQueuedBytes: MIB })
    const [first, second] = [world.accept(), world.accept()]
    first.deliver(begun(2 * MIB, 400 * KIB))
    second.deliver(begun(2 * MIB, 70 * KIB))
    world.clock.advance(250)
    second.deliver(Buffer.alloc(100 * KIB))
    world.clock.advance(250)
    expect([first.destroyed, second.destroyed]).toEqual([true, false])
    first.close()
    expect(reasons()).toEqual(['it sent too little of a request while others waited'])
  })

  test('one that is not read from for other reasons is neither preferred nor cut off', async () => {
    const { world, handled } = await open({ maxQueuedBytes: 2 * MIB, maxInFlightBytes: 300 * KIB })
    const [full, second] = [world.accept(), world.accept()]
    full.deliver(Buffer.concat([frameOf(Buffer.alloc(300 * KIB)), begun(MIB, 100 * KIB)]))
    second.deliver(begun(1200 * KIB, 800 * KIB))
    expect([full.paused, second.paused]).toEqual([true, true])
    for (let tick = 0; tick < 6; tick++) {
      world.clock.advance(250)
      second.deliver(Buffer.alloc(20 * KIB))
    }
    expect([full.destroyed, second.destroyed]).toEqual([false, false])
    handled[0]!.respondNothing()
    world.clock.advance(250)
    expect(full.paused).toBe(false)
  })

  test('beyond four times the budget the longest waiting frame that is not whole is given up', async () => {
    const { world, server } = await open({ maxQueuedBytes: MIB })
    const clients = Array.from({ length: 40 }, () => world.accept())
    for (const client of clients) client.deliver(begun(MIB, 100 * KIB))
    expect(server.queuedBytes).toBeLessThan(4.5 * MIB)
    expect(clients[0]!.destroyed).toBe(true)
    expect(clients.at(-1)!.destroyed).toBe(false)
  })

  test('a request whose frame is let go counts no longer, although it is not answered', async () => {
    const { world, server, handled } = await open({ maxQueuedBytes: MIB })
    const client = world.accept()
    client.deliver(frameOf(Buffer.alloc(900 * KIB)))
    expect(client.paused).toBe(true)
    handled[0]!.letGo()
    expect(server.queuedBytes).toBe(0)
    expect(client.paused).toBe(false)
    handled[0]!.respond([Buffer.from('late')])
    expect(String(client.taken())).toBe('late')
  })

  test('a frame that has begun and does not go on ends its connection; a slow one that goes on does not', async () => {
    const { world, reasons } = await open()
    const [stalled, slow] = [world.accept(), world.accept()]
    stalled.deliver(begun(100 * MIB, 10))
    slow.deliver(begun(100 * KIB, 10))
    for (let i = 0; i < 4; i++) {
      world.clock.advance(15_000)
      if (!stalled.destroyed) stalled.deliver(Buffer.alloc(10))
      slow.deliver(Buffer.alloc(5000))
    }
    expect([stalled.destroyed, slow.destroyed]).toEqual([true, false])
    stalled.close()
    expect(reasons()).toEqual(['a request began and did not go on'])
  })

  test('a connection that goes gives everything back', async () => {
    const { world, server, handled } = await open({ maxQueuedBytes: MIB })
    const [whole, partial] = [world.accept(), world.accept()]
    whole.deliver(frameOf(Buffer.alloc(500 * KIB)))
    partial.deliver(begun(MIB, 100 * KIB))
    whole.close()
    partial.close()
    expect(server.queuedBytes).toBe(0)
    handled[0]!.letGo()
    handled[0]!.respond([Buffer.from('late')])
    expect(server.queuedBytes).toBe(0)
  })
})

describe('answers', () => {
  test('who takes some of an answer, however slowly, is not idle; who takes none is', async () => {
    const { world, handled } = await open({ idleTimeoutMs: 1000, mayOverlap: () => false })
    const [slow, deaf] = [world.accept(), world.accept()]
    for (const client of [slow, deaf]) {
      client.highWaterBytes = 100
      client.deliver(frameOf('A'))
    }
    for (const request of handled) request.respond([Buffer.alloc(50_000)])
    for (let i = 0; i < 5; i++) {
      slow.bufferedBytes -= 1000
      world.clock.advance(900)
    }
    expect([slow.destroyed, deaf.destroyed]).toEqual([false, true])
  })

  test('while unread answers take much memory, who takes nothing of his is cut off', async () => {
    const { world, handled } = await open({ mayOverlap: () => false })
    const clients = [world.accept(), world.accept()]
    for (const client of clients) {
      client.highWaterBytes = 100
      client.deliver(frameOf('A'))
    }
    for (const request of handled) request.respond([Buffer.alloc(10 * MIB)])
    world.clock.advance(15_000)
    clients[0]!.bufferedBytes -= 1
    world.clock.advance(15_000)
    expect(clients.map(({ destroyed }) => destroyed)).toEqual([false, true])
  })
})

describe('time', () => {
  test('of those who burn it one at a time goes on, with pauses for the others; a round of the loop has an end', async () => {
    const order: string[] = []
    const { world } = await open({
      onRequest: request => {
        const name = String(request.frame)
        order.push(name)
        if (name.startsWith('slow')) world.clock.advance(20)
        request.respondNothing()
      },
    })
    const [a, b, quick] = [world.accept(), world.accept(), world.accept()]
    a.deliver(Buffer.concat([frameOf('slow a1'), frameOf('slow a2')]))
    b.deliver(Buffer.concat([frameOf('slow b1'), frameOf('slow b2')]))
    quick.deliver(frameOf('quick'))
    expect(order).toEqual(['slow a1'])
    world.clock.goRound()
    expect(order.slice(0, 3)).toEqual(['slow a1', 'quick', 'slow b1'])
    expect(order).not.toContain('slow b2')
    world.clock.advance(500)
    expect(order.filter(name => name.startsWith('slow'))).toHaveLength(4)
  })

  test('heavy requests run one after another, and one that waits lets the others in', async () => {
    const { world, handled } = await open({ isHeavy: frame => frame[0] === 0x48, mayOverlap: () => false })
    const clients = [world.accept(), world.accept(), world.accept()]
    for (const client of clients) client.deliver(frameOf('H'))
    expect(handled).toHaveLength(1)
    const light = world.accept()
    light.deliver(frameOf('A'))
    expect(handled).toHaveLength(2)
    handled[0]!.respondNothing()
    world.clock.advance(100)
    expect(handled).toHaveLength(3)
    world.clock.advance(1200)
    expect(handled).toHaveLength(4)
  })
})

test('without limits everybody may come', () => {
  expect(new ConnectionCounts().refusal('A', '10.0.0.1', NO_LIMITS)).toBeUndefined()
})
