import { describe, expect, test } from 'vitest'
import { EnvError } from '../../src/env/env.ts'
import { NO_LIMITS } from '../../src/net/connection-limits.ts'
import { type IncomingRequest, Server, type ServerOptions } from '../../src/net/server.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { frameOf, HandWorld, seeded, settle } from './fake-world.ts'

/** Bodies that begin with P may overlap. `handled` are the requests handed up, in order. */
async function open(options: Partial<ServerOptions> = {}) {
  const world = new HandWorld()
  const handled: IncomingRequest[] = []
  const server = await Server.open(world.env, {
    listeners: [{ name: 'CLIENT', host: '127.0.0.1', port: 0 }],
    maxRequestBytes: 1 << 20,
    onRequest: request => handled.push(request),
    mayOverlap: frame => frame[0] === 0x50,
    ...options,
  })
  const bodies = () => handled.map(request => String(request.frame))
  const answer = (i: number, text = `re:${handled[i]!.frame}`) => handled[i]!.respond([Buffer.from(text)])
  const closings = () => world.log.filter(line => line.event === 'closed connection').map(line => line.fields['reason'])
  return { world, server, handled, bodies, answer, closings }
}

const send = (...bodies: string[]) => Buffer.concat(bodies.map(frameOf))

describe('order', () => {
  test('a request starts when the one before it is answered, and answers leave in request order', async () => {
    const { world, bodies, answer } = await open()
    const client = world.accept()
    client.deliver(send('A', 'B', 'C'))
    expect(bodies()).toEqual(['A'])
    answer(0)
    expect(bodies()).toEqual(['A', 'B'])
    answer(1)
    answer(2)
    expect(String(client.taken())).toBe('re:Are:Bre:C')
  })

  test('consecutive requests that may overlap run together; the next other one waits for all of them', async () => {
    const { world, bodies, answer } = await open()
    const client = world.accept()
    client.deliver(send('P1', 'P2', 'P3', 'F', 'P4'))
    expect(bodies()).toEqual(['P1', 'P2', 'P3'])
    answer(2)
    answer(1)
    expect(String(client.taken())).toBe('')
    answer(0)
    expect(String(client.taken())).toBe('re:P1re:P2re:P3')
    expect(bodies()).toEqual(['P1', 'P2', 'P3', 'F'])
    answer(3)
    expect(bodies().at(-1)).toBe('P4')
  })

  test('a request without an answer holds nobody up', async () => {
    const { world, handled, answer } = await open()
    const client = world.accept()
    client.deliver(send('P1', 'P2', 'B'))
    handled[0]!.respondNothing()
    answer(1)
    answer(2)
    expect(String(client.taken())).toBe('re:P2re:B')
  })

  test('thousands of requests answered at once in one chunk do not deepen the stack', async () => {
    const { world } = await open({ onRequest: request => request.respond([request.frame]) })
    const client = world.accept()
    client.deliver(send(...Array.from({ length: 20_000 }, (_, i) => String(i % 10))))
    expect(client.taken().length).toBe(20_000)
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'whatever the cuts and the order of completion, each client gets its answers in order (seed %i)',
    async seed => {
      const random = seeded(seed)
      const { world, handled } = await open({ maxInFlightRequests: 4 })
      const clients = Array.from({ length: 3 }, (_, c) => ({
        socket: world.accept(),
        bytes: send(...Array.from({ length: 30 }, (_, i) => `${random(2) === 0 ? 'P' : 'Q'}${c}-${i};`)),
        got: '',
        expected: '',
      }))
      for (const client of clients) client.expected = String(client.bytes).replace(/[^PQ0-9;-]/g, '')
      const answered = new Set<IncomingRequest>()
      for (let step = 0; step < 20_000; step++) {
        const client = clients[random(3)]!
        if (random(2) === 0 && client.bytes.length > 0 && !client.socket.paused) {
          const size = 1 + random(20)
          client.socket.deliver(client.bytes.subarray(0, size))
          client.bytes = client.bytes.subarray(size)
        }
        const open = handled.filter(request => !answered.has(request))
        if (open.length > 0 && random(2) === 0) {
          const request = open[random(open.length)]!
          answered.add(request)
          request.respond([request.frame])
        }
        client.got += String(client.socket.taken())
      }
      for (const client of clients) expect(client.got).toBe(client.expected)
    },
  )
})

describe('backpressure', () => {
  test('reading stops while too many requests are in flight and resumes at half', async () => {
    const { world, answer } = await open({ maxInFlightRequests: 4 })
    const client = world.accept()
    client.deliver(send('A', 'B', 'C'))
    expect(client.paused).toBe(false)
    client.deliver(send('D'))
    expect(client.paused).toBe(true)
    answer(0)
    expect(client.paused).toBe(true)
    answer(1)
    expect(client.paused).toBe(false)
  })

  test('reading stops while too many request bytes are in flight', async () => {
    const { world, answer } = await open({ maxInFlightBytes: 1000 })
    const client = world.accept()
    client.deliver(send('x'.repeat(999)))
    expect(client.paused).toBe(false)
    client.deliver(send('y'))
    expect(client.paused).toBe(true)
    answer(0, 'done')
    expect(client.paused).toBe(false)
  })

  test('a client that reads no answers gets no further request started', async () => {
    const { world, bodies, answer } = await open()
    const client = world.accept()
    client.highWaterBytes = 100
    client.deliver(send('A', 'B', 'C'))
    answer(0, 'a'.repeat(500))
    expect(bodies()).toEqual(['A'])
    expect(client.paused).toBe(true)
    expect(client.taken().length).toBe(500)
    expect(client.paused).toBe(false)
    expect(bodies()).toEqual(['A', 'B'])
  })

  test('unread answers are counted until they are taken, and their connection is idle although requests wait', async () => {
    const { world, server, answer } = await open({ idleTimeoutMs: 1000 })
    const [slow, never] = [world.accept(), world.accept()]
    slow.highWaterBytes = never.highWaterBytes = 100
    slow.deliver(send('A'))
    answer(0, 'a'.repeat(90))
    expect(server.unsentBytes).toBe(0)
    slow.deliver(send('B'))
    answer(1, 'b'.repeat(60))
    never.deliver(send('C', 'D'))
    answer(2, 'c'.repeat(500))
    expect(server.unsentBytes).toBe(650)
    slow.taken()
    expect(server.unsentBytes).toBe(500)
    world.clock.advance(1000)
    expect(never.destroyed).toBe(true)
    never.close()
    expect(server.unsentBytes).toBe(0)
  })
})

describe('fairness', () => {
  test('after a request that took long the others have their turn, and the order stays', async () => {
    const bodies: string[] = []
    const { world } = await open({
      onRequest: request => {
        bodies.push(String(request.frame))
        if (bodies.length === 1) world.clock.advance(20)
        request.respond([request.frame])
      },
    })
    const greedy = world.accept()
    const other = world.accept()
    greedy.deliver(send('P1', 'P2', 'P3'))
    expect(bodies).toEqual(['P1'])
    other.deliver(send('A'))
    world.clock.goRound()
    expect(bodies).toEqual(['P1', 'A'])
    world.clock.advance(59)
    expect(bodies).toEqual(['P1', 'A'])
    world.clock.advance(1)
    expect(bodies).toEqual(['P1', 'A', 'P2', 'P3'])
    expect(String(greedy.taken())).toBe('P1P2P3')
  })
})

describe('ends', () => {
  test('an answer for a client that is gone goes nowhere, and the close listeners fire once', async () => {
    const { world, handled, closings } = await open()
    const client = world.accept()
    client.deliver(send('A', 'B'))
    const fired: string[] = []
    handled[0]!.connection.onClose(() => fired.push('closed'))
    const off = handled[0]!.connection.onClose(() => fired.push('never'))
    off()
    client.close(new EnvError('ECONNRESET', 'connection reset'))
    expect(fired).toEqual(['closed'])
    expect(handled[0]!.connection.closed).toBe(true)
    handled[0]!.respond([Buffer.from('late')])
    expect(String(client.waiting())).toBe('')
    expect(handled.length).toBe(1)
    expect(closings()).toEqual(['connection reset'])
    handled[0]!.connection.onClose(() => fired.push('at once'))
    expect(fired).toEqual(['closed', 'at once'])
  })

  test.each([
    ['negative', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['over the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ])('a %s length closes that connection after the answers before it, and no other', async (_, length) => {
    const { world, handled, answer, closings } = await open()
    const [bad, good] = [world.accept(), world.accept()]
    bad.deliver(Buffer.concat([send('A'), length]))
    bad.deliver(send('ignored'))
    expect(bad.ended).toBe(false)
    answer(0)
    expect(String(bad.waiting())).toBe('re:A')
    expect(bad.ended).toBe(true)
    bad.close()
    expect(closings()[0]).toMatch(/a frame of -?\d+ bytes was announced/)
    good.deliver(send('B'))
    expect(handled.length).toBe(2)
    answer(1)
    expect(String(good.taken())).toBe('re:B')
  })

  test('a handler that closes lets the answers before it leave first', async () => {
    const { world, handled, answer, closings } = await open()
    const client = world.accept()
    client.deliver(send('P1', 'P2', 'P3'))
    handled[1]!.close('bad version')
    expect(client.ended).toBe(false)
    answer(0)
    answer(2)
    expect(String(client.waiting())).toBe('re:P1')
    expect(client.ended).toBe(true)
    world.clock.advance(1000)
    expect(client.destroyed).toBe(true)
    client.close()
    expect(closings()).toEqual(['bad version'])
  })

  test('a ProtocolError from the handler closes the connection', async () => {
    const { world, closings } = await open({
      onRequest: () => {
        throw new ProtocolError('malformed body')
      },
    })
    const client = world.accept()
    client.deliver(send('A'))
    expect(client.ended).toBe(true)
    client.close()
    expect(closings()).toEqual(['malformed body'])
  })

  test('a client that ends its direction still gets what is answered within a second', async () => {
    const { world, answer } = await open()
    const [prompt, slow, idle] = [world.accept(), world.accept(), world.accept()]
    prompt.deliver(send('A', 'B'))
    prompt.peerEnds()
    answer(0)
    answer(1)
    expect(String(prompt.waiting())).toBe('re:Are:B')
    expect(prompt.ended).toBe(true)
    slow.deliver(send('C'))
    slow.peerEnds()
    world.clock.advance(999)
    expect(slow.destroyed).toBe(false)
    world.clock.advance(1)
    expect(slow.destroyed).toBe(true)
    idle.peerEnds()
    expect(idle.ended).toBe(true)
  })

  test('an idle connection is closed, one with a request in flight is not', async () => {
    const { world, answer, closings } = await open({ idleTimeoutMs: 1000 })
    const [idle, busy] = [world.accept(), world.accept()]
    busy.deliver(send('A'))
    world.clock.advance(999)
    expect(idle.destroyed).toBe(false)
    world.clock.advance(1)
    expect(idle.destroyed).toBe(true)
    expect(busy.destroyed).toBe(false)
    idle.close()
    expect(closings()).toEqual(['idle for 1000 ms'])
    answer(0)
    world.clock.advance(999)
    expect(busy.destroyed).toBe(false)
    world.clock.advance(1001)
    expect(busy.destroyed).toBe(true)
  })

  test('a connection over the limit is closed on arrival', async () => {
    const { world, server } = await open({ limits: () => ({ ...NO_LIMITS, maxConnections: 1 }) })
    const [first, second] = [world.accept(), world.accept()]
    expect([first.destroyed, second.destroyed]).toEqual([false, true])
    expect(server.connectionCount).toBe(1)
    first.close()
    expect(world.accept().destroyed).toBe(false)
  })
})

describe('listeners', () => {
  test('each connection knows the listener it came by', async () => {
    const { world, server, handled } = await open({
      listeners: [
        { name: 'CLIENT', host: '127.0.0.1', port: 0 },
        { name: 'INTERNAL', host: '127.0.0.1', port: 7000 },
      ],
    })
    expect(server.listeners).toEqual([
      { name: 'CLIENT', host: '127.0.0.1', port: 9093 },
      { name: 'INTERNAL', host: '127.0.0.1', port: 7000 },
    ])
    world.accept(1).deliver(send('A'))
    world.accept(0).deliver(send('B'))
    expect(handled.map(request => request.connection.listenerName)).toEqual(['INTERNAL', 'CLIENT'])
    expect(handled[0]!.connection.clientHost).toBe('10.0.0.9')
  })

  test('a port that is taken rejects the opening', async () => {
    const world = new HandWorld()
    world.refuse = 'EADDRINUSE'
    const opening = Server.open(world.env, {
      listeners: [{ name: 'CLIENT', host: '127.0.0.1', port: 1 }],
      maxRequestBytes: 100,
      onRequest: () => undefined,
      mayOverlap: () => false,
    })
    await expect(opening).rejects.toThrow(EnvError)
  })
})

describe('graceful close', () => {
  test('answers what was accepted, takes no more, and settles when the last connection is gone', async () => {
    const { world, server, handled, answer } = await open()
    const [client, idle] = [world.accept(), world.accept()]
    client.deliver(send('A', 'B'))
    let closed = false
    void server.close({ graceMs: 5000 }).then(() => (closed = true))
    expect(idle.ended).toBe(true)
    client.deliver(send('C'))
    const late = world.accept()
    expect(late.destroyed).toBe(true)
    answer(0)
    answer(1)
    expect(handled.length).toBe(2)
    expect(String(client.waiting())).toBe('re:Are:B')
    expect(client.ended).toBe(true)
    await settle()
    expect(closed).toBe(false)
    client.close()
    idle.close()
    await settle()
    expect(closed).toBe(true)
  })

  test('what is not answered within the grace time is dropped', async () => {
    const { world, server } = await open()
    const client = world.accept()
    client.deliver(send('A'))
    const closing = server.close({ graceMs: 300 })
    world.clock.advance(299)
    expect(client.destroyed).toBe(false)
    world.clock.advance(1)
    expect(client.destroyed).toBe(true)
    client.close()
    await closing
  })
})
