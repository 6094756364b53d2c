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

  test('who begins a frame that finds no room waits with what came of it, and is let in when there is some', async () => {
    const { world, handled, server } = await open({ maxQueuedBytes: MIB })
    const clients = Array.from({ length: 6 }, () => world.accept())
    for (const client of clients) client.deliver(begun(240 * KIB, 20 * KIB))
    expect(clients.map(({ paused }) => paused)).toEqual([false, false, false, false, true, true])
    expect(server.queuedBytes).toBe(4 * 240 * KIB + 2 * 20 * KIB)
    clients[1]!.deliver(Buffer.alloc(220 * KIB))
    expect(handled).toHaveLength(1)
    expect(clients[4]!.paused).toBe(true)
    handled.shift()!.respondNothing()
    expect(clients.map(({ paused }) => paused)).toEqual([false, false, false, false, false, true])
    for (const client of [clients[0]!, clients[2]!, clients[3]!, clients[4]!]) client.deliver(Buffer.alloc(220 * KIB))
    for (const request of handled.splice(0)) request.respondNothing()
    clients[5]!.deliver(Buffer.alloc(220 * KIB))
    for (const request of handled.splice(0)) request.respondNothing()
    expect(server.queuedBytes).toBe(0)
    expect(clients.some(({ paused, destroyed }) => paused || destroyed)).toBe(false)
  })

  test('of two hundred who send a megabyte each nobody is closed, and the budget holds', async () => {
    const { world, handled, server } = await open({ maxQueuedBytes: 24 * MIB })
    const clients = Array.from({ length: 200 }, () => ({ socket: world.accept(), left: MIB - 16 * KIB }))
    for (const { socket } of clients) socket.deliver(begun(MIB, 16 * KIB))
    let most = 0
    let answered = 0
    for (let round = 0; round < 100 && answered < 200; round++) {
      for (const client of clients) {
        if (client.socket.paused || client.left === 0) continue
        const bytes = Math.min(client.left, 256 * KIB)
        client.left -= bytes
        client.socket.deliver(Buffer.alloc(bytes))
      }
      world.clock.runTurns()
      most = Math.max(most, server.queuedBytes)
      answered += handled.length
      for (const request of handled.splice(0)) request.respondNothing()
    }
    expect(answered).toBe(200)
    expect(clients.some(({ socket }) => socket.destroyed)).toBe(false)
    expect(most).toBeLessThanOrEqual(24 * MIB + 200 * 16 * KIB)
  })

  test('a frame above a quarter of the budget counts apart, and there is one at a time', async () => {
    const { world, handled } = await open({ maxQueuedBytes: MIB })
    const [first, second, small] = [world.accept(), world.accept(), world.accept()]
    first.deliver(begun(2 * MIB, 400 * KIB))
    second.deliver(begun(2 * MIB, 70 * KIB))
    expect([first.paused, second.paused]).toEqual([false, true])
    small.deliver(frameOf(Buffer.alloc(200 * KIB)))
    expect([handled.length, small.paused]).toEqual([1, false])
    first.deliver(Buffer.concat([Buffer.alloc(2 * MIB - 400 * KIB), begun(2 * MIB, 100 * KIB)]))
    expect([first.paused, second.paused]).toEqual([true, true])
    handled[1]!.respondNothing()
    expect([first.paused, second.paused]).toEqual([true, false])
  })

  test('who was let in and sends too little holds no room for more, and asks again', async () => {
    const { world, handled, server } = await open({ maxQueuedBytes: MIB })
    const [stalled, other, third] = [world.accept(), world.accept(), world.accept()]
    for (const client of [stalled, other]) client.deliver(begun(240 * KIB, 20 * KIB))
    const rest = [world.accept(), world.accept()]
    for (const client of rest) client.deliver(begun(240 * KIB, 20 * KIB))
    third.deliver(begun(240 * KIB, 20 * KIB))
    expect(third.paused).toBe(true)
    for (let i = 0; i < 3; i++) {
      world.clock.advance(1000)
      for (const client of [other, ...rest]) client.deliver(Buffer.alloc(20 * KIB))
    }
    expect([stalled.destroyed, third.paused]).toEqual([false, false])
    expect(server.queuedBytes).toBe(4 * 240 * KIB + 20 * KIB)
    stalled.deliver(Buffer.alloc(20 * KIB))
    expect(stalled.paused).toBe(true)
    third.deliver(Buffer.alloc(220 * KIB))
    handled[0]!.respondNothing()
    expect(stalled.paused).toBe(false)
    stalled.deliver(Buffer.alloc(200 * KIB))
    expect(handled).toHaveLength(2)
  })

  test('a huge one that stands still is cut off while others wait for its place, and not before', async () => {
    const { world, reasons } = await open({ maxQueuedBytes: MIB })
    const [stalled, waiting] = [world.accept(), world.accept()]
    stalled.deliver(begun(2 * MIB, 400 * KIB))
    world.clock.advance(10_000)
    expect(stalled.destroyed).toBe(false)
    waiting.deliver(begun(2 * MIB, 70 * KIB))
    world.clock.advance(8000)
    expect([stalled.destroyed, waiting.destroyed, waiting.paused]).toEqual([true, false, false])
    stalled.close()
    expect(reasons()).toEqual(['it sent too little of a request while others waited'])
  })

  test('who only announces a frame holds no room: it is asked for when 16 KiB came', async () => {
    const { world } = await open({ maxQueuedBytes: MIB })
    const idle = Array.from({ length: 50 }, () => world.accept())
    for (const client of idle) client.deliver(begun(2 * MIB, 100))
    const writer = world.accept()
    writer.deliver(begun(2 * MIB, 20 * KIB))
    expect(writer.paused).toBe(false)
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

  test('beyond twice the budget the longest waiting frame that is not whole is given up', async () => {
    const { world, server } = await open({ maxQueuedBytes: MIB })
    const clients = Array.from({ length: 200 }, () => world.accept())
    for (const client of clients) client.deliver(begun(15 * KIB, 12 * KIB))
    expect(server.queuedBytes).toBeLessThan(2.1 * MIB)
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
