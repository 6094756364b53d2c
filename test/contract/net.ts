import { describe, expect, test } from 'vitest'
import { type Env, type EnvError, type NetListener, type Socket, sleep } from '../../src/env/env.ts'
import { codeOf, type Subject } from './subject.ts'

/** One side of a connection that writes down what happens to it. */
class Side {
  readonly socket: Socket
  readonly received: Buffer[] = []
  ended = false
  closed = false
  error: EnvError | undefined
  drains = 0
  #waiters: (() => void)[] = []

  constructor(socket: Socket, o: { handleEnd?: boolean } = {}) {
    this.socket = socket
    socket.handle({
      data: chunk => {
        this.received.push(Buffer.from(chunk))
        this.#wake()
      },
      drain: () => {
        this.drains++
        this.#wake()
      },
      ...(o.handleEnd === true
        ? {
            end: () => {
              this.ended = true
              this.#wake()
            },
          }
        : {}),
      close: error => {
        expect(this.closed).toBe(false)
        this.closed = true
        this.error = error
        this.#wake()
      },
    })
  }

  get text(): string {
    return Buffer.concat(this.received).toString()
  }

  get length(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => this.#waiters.push(resolve))
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }
}

interface Pair {
  readonly listener: NetListener
  readonly near: Side
  readonly far: Side
}

async function pair(env: Env, o: { handleEnd?: boolean } = {}): Promise<Pair> {
  let accepted: (side: Side) => void = () => {}
  const far = new Promise<Side>(resolve => (accepted = resolve))
  const listener = await env.net.listen({ host: '127.0.0.1', port: 0, onConnection: socket => accepted(new Side(socket, o)) })
  const near = new Side(await env.net.connect({ host: '127.0.0.1', port: listener.port, timeoutMs: 5000 }), o)
  return { listener, near, far: await far }
}

async function stop({ listener, near, far }: Pair): Promise<void> {
  near.socket.destroy()
  far.socket.destroy()
  await near.until(() => near.closed)
  await far.until(() => far.closed)
  await listener.close()
}

export function netContract(subject: Subject): void {
  describe(`net: ${subject.name}`, () => {
    test('bytes arrive in order in both directions', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        near.socket.write([Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')])
        near.socket.write([Buffer.from('!')])
        far.socket.write([Buffer.from('welcome')])
        await far.until(() => far.length === 12)
        await near.until(() => near.length === 7)
        expect(far.text).toBe('hello world!')
        expect(near.text).toBe('welcome')
        await stop(both)
      }))

    test('each side knows the address of the other', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far, listener } = both
        expect(near.socket.remotePort).toBe(listener.port)
        expect(far.socket.localPort).toBe(listener.port)
        expect(far.socket.remotePort).toBe(near.socket.localPort)
        expect(far.socket.remoteHost).not.toBe('')
        await stop(both)
      }))

    test('a large transfer arrives whole; write says stop and drain follows', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        const chunk = Buffer.alloc(64 * 1024)
        for (let i = 0; i < chunk.length; i++) chunk[i] = i % 251
        far.socket.pause()
        let sent = 0
        let refused = false
        while (!refused && sent < 400) {
          refused = !near.socket.write([chunk, chunk])
          sent += 2
        }
        expect(refused).toBe(true)
        expect(near.socket.bufferedBytes).toBeGreaterThan(0)
        expect(near.drains).toBe(0)
        far.socket.resume()
        await near.until(() => near.drains > 0)
        expect(near.socket.bufferedBytes).toBe(0)
        await far.until(() => far.length === sent * chunk.length)
        const whole = Buffer.concat(far.received)
        for (let i = 0; i < sent; i++) expect(whole.subarray(i * chunk.length, (i + 1) * chunk.length).equals(chunk)).toBe(true)
        await stop(both)
      }))

    test('a paused socket receives nothing more until it resumes', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        far.socket.pause()
        near.socket.write([Buffer.from('later')])
        await sleep(env.clock, 30)
        expect(far.length).toBe(0)
        far.socket.resume()
        await far.until(() => far.length === 5)
        await stop(both)
      }))

    test('end sends what is queued first, and the socket is answered with an end', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        near.socket.write([Buffer.alloc(300_000, 1)])
        near.socket.end()
        await far.until(() => far.closed)
        await near.until(() => near.closed)
        expect(far.length).toBe(300_000)
        expect(far.error).toBeUndefined()
        expect(near.error).toBeUndefined()
        await both.listener.close()
      }))

    test('after the end of the peer we may still write, when we handle it', () =>
      subject.run(async env => {
        const both = await pair(env, { handleEnd: true })
        const { near, far } = both
        near.socket.end()
        await far.until(() => far.ended)
        expect(far.closed).toBe(false)
        far.socket.write([Buffer.from('goodbye')])
        far.socket.end()
        await near.until(() => near.closed)
        expect(near.text).toBe('goodbye')
        await far.until(() => far.closed)
        await both.listener.close()
      }))

    test('destroy closes both sides, later writes are no-ops, and it may be called again', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        near.socket.destroy()
        expect(near.closed).toBe(false)
        near.socket.destroy()
        expect(near.socket.write([Buffer.from('nothing')])).toBe(true)
        await near.until(() => near.closed)
        await far.until(() => far.closed)
        expect(near.error).toBeUndefined()
        near.socket.write([Buffer.from('nothing')])
        near.socket.end()
        near.socket.destroy()
        far.socket.write([Buffer.from('nothing')])
        await sleep(env.clock, 10)
        expect(far.length).toBe(0)
        await both.listener.close()
      }))

    test('a port nobody listens on refuses, a name nobody has is not found', () =>
      subject.run(async env => {
        const listener = await env.net.listen({ host: '127.0.0.1', port: 0, onConnection: socket => socket.destroy() })
        await listener.close()
        expect(await codeOf(env.net.connect({ host: '127.0.0.1', port: listener.port, timeoutMs: 2000 }))).toBe('ECONNREFUSED')
        expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(
          await codeOf(env.net.connect({ host: 'no-such-host.invalid', port: 1, timeoutMs: 5000 })),
        )
      }))

    test('a port in use is refused, and free again after close', () =>
      subject.run(async env => {
        const onConnection = (socket: Socket) => socket.destroy()
        const first = await env.net.listen({ host: '127.0.0.1', port: 0, onConnection })
        expect(await codeOf(env.net.listen({ host: '127.0.0.1', port: first.port, onConnection }))).toBe('EADDRINUSE')
        await first.close()
        const second = await env.net.listen({ host: '127.0.0.1', port: first.port, onConnection })
        expect(second.port).toBe(first.port)
        await second.close()
        await second.close()
      }))

    test('open sockets outlive their listener', () =>
      subject.run(async env => {
        const both = await pair(env)
        await both.listener.close()
        both.near.socket.write([Buffer.from('still here')])
        await both.far.until(() => both.far.length === 10)
        both.near.socket.destroy()
        await both.far.until(() => both.far.closed)
      }))

    test('the done of a write comes later, in order, and the bytes are the writer’s again then', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        const sizes = [1, 3000, 200_000, 0, 40, 2_000_000, 7]
        const order: number[] = []
        for (const [i, size] of sizes.entries()) {
          const chunks = [Buffer.alloc(size, 100 + i), Buffer.alloc(size, 100 + i)]
          let returned = false
          near.socket.write(chunks, () => {
            expect(returned).toBe(true)
            order.push(i)
            for (const chunk of chunks) chunk.fill(0xdb)
          })
          returned = true
        }
        await far.until(() => far.length === 2 * sizes.reduce((sum, size) => sum + size))
        const whole = Buffer.concat(far.received)
        let at = 0
        for (const [i, size] of sizes.entries()) {
          expect(whole.subarray(at, at + 2 * size).equals(Buffer.alloc(2 * size, 100 + i))).toBe(true)
          at += 2 * size
        }
        await sleep(env.clock, 10)
        expect(order).toEqual(sizes.map((_, i) => i))
        await stop(both)
      }))

    test('the done of a write comes once, also when the bytes never leave', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        const counts = [0, 0, 0, 0]
        far.socket.pause()
        near.socket.write([Buffer.alloc(4_000_000)], () => void counts[0]!++)
        near.socket.write([Buffer.alloc(4_000_000)], () => void counts[1]!++)
        await sleep(env.clock, 20)
        near.socket.destroy()
        near.socket.write([Buffer.from('nothing')], () => void counts[2]!++)
        await near.until(() => near.closed)
        near.socket.write([Buffer.from('nothing')], () => void counts[3]!++)
        await sleep(env.clock, 100)
        expect(counts).toEqual([1, 1, 1, 1])
        await stop(both)
      }))

    test('a received chunk is the receiver’s to keep', () =>
      subject.run(async env => {
        const both = await pair(env)
        const { near, far } = both
        for (let i = 0; i < 20; i++) {
          near.socket.write([Buffer.alloc(1000, i)])
          await far.until(() => far.length === (i + 1) * 1000)
        }
        const whole = Buffer.concat(far.received)
        for (let i = 0; i < 20; i++) expect(whole[i * 1000 + 500]).toBe(i)
        await stop(both)
      }))
  })
}
