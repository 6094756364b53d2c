import { describe, expect, test } from 'vitest'
import type { EnvError, Socket } from '../../src/env/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'

interface Seen {
  readonly socket: Socket
  text: string
  closed: boolean
  error: EnvError | undefined
}

function watch(socket: Socket): Seen {
  const seen: Seen = { socket, text: '', closed: false, error: undefined }
  socket.handle({
    data: chunk => (seen.text += chunk.toString()),
    close: error => {
      seen.closed = true
      seen.error = error
    },
  })
  return seen
}

/** A host that listens on a port, and what it accepted. */
async function listening(world: SimWorld, name: string): Promise<Seen[]> {
  const accepted: Seen[] = []
  await world.env(name).net.listen({ host: '0.0.0.0', port: 9092, onConnection: socket => accepted.push(watch(socket)) })
  return accepted
}

async function connect(world: SimWorld, from: string, to: string, timeoutMs = 300): Promise<Seen> {
  return watch(await world.env(from).net.connect({ host: to, port: 9092, timeoutMs }))
}

const failure = (world: SimWorld, from: string, to: string): Promise<string> =>
  world.run(() =>
    connect(world, from, to).then(
      () => 'connected',
      (error: EnvError) => error.code,
    ),
  )

const write = (side: Seen, text: string): void => void side.socket.write([Buffer.from(text)])

async function three(seed: number) {
  const world = new SimWorld(seed)
  const accepted = new Map<string, Seen[]>()
  await world.run(async () => {
    for (const name of ['a', 'b', 'c']) accepted.set(name, await listening(world, name))
  })
  return { world, accepted: (name: string) => accepted.get(name)! }
}

describe('a partition', () => {
  test('parts two sides and nobody else, and what was sent over it arrives once it is healed, in order', async () => {
    const { world, accepted } = await three(1)
    const [ab, cb] = await world.run(() => Promise.all([connect(world, 'a', 'b'), connect(world, 'c', 'b')]))
    world.network.partition(['a'], ['b'])
    write(ab, 'one ')
    write(cb, 'hello')
    await world.runFor(2000)
    const [fromA, fromC] = accepted('b') as [Seen, Seen]
    expect([fromA.text, fromC.text].sort()).toEqual(['', 'hello'])
    expect(ab.closed).toBe(false)
    expect(await failure(world, 'a', 'b')).toBe('ETIMEDOUT')
    expect(await failure(world, 'b', 'a')).toBe('ETIMEDOUT')
    expect(await failure(world, 'a', 'c')).toBe('connected')
    world.network.healAll()
    write(ab, 'two')
    await world.runFor(50)
    expect([fromA.text, fromC.text].sort()).toEqual(['hello', 'one two'])
  })

  test('of one direction lets a connection be accepted that its maker never sees', async () => {
    const { world, accepted } = await three(2)
    world.network.cut('b', 'a')
    expect(await failure(world, 'a', 'b')).toBe('ETIMEDOUT')
    expect(accepted('b')).toHaveLength(1)
  })

  test('that refuses looks like a process that is gone', async () => {
    const { world, accepted } = await three(3)
    const ab = await world.run(() => connect(world, 'a', 'b'))
    world.network.cut('a', 'b', 'refusing')
    expect(await failure(world, 'a', 'b')).toBe('ECONNREFUSED')
    expect(await failure(world, 'b', 'a')).toBe('ETIMEDOUT')
    expect(ab.closed).toBe(false)
    world.network.heal('a', 'b')
    expect(await failure(world, 'a', 'b')).toBe('connected')
    expect(accepted('b')).toHaveLength(2)
  })

  test('when healed, lets each old connection resend at its own time and new ones pass at once', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { world, accepted } = await three(seed)
      const old = await world.run(() => connect(world, 'a', 'b'))
      world.network.partition(['a'], ['b'])
      write(old, 'one ')
      await world.runFor(100)
      world.network.healAll({ resendMs: 2000 })
      write(old, 'two')
      const fresh = await world.run(() => connect(world, 'a', 'b'))
      write(fresh, 'new')
      await world.runFor(20)
      expect(accepted('b')[1]!.text).toBe('new')
      expect(accepted('b')[0]!.text.startsWith('two')).toBe(false)
      await world.runFor(2100)
      expect(accepted('b')[0]!.text).toBe('one two')
    }
  })
})

describe('a connection', () => {
  test('that the middle forgot is half-open for ever, and its writers get their memory back when they give up', async () => {
    const { world, accepted } = await three(4)
    const ab = await world.run(() => connect(world, 'a', 'b'))
    write(ab, 'heard')
    await world.runFor(20)
    expect(world.network.forget('a', 'b', { resets: false })).toBe(1)
    let done = false
    ab.socket.write([Buffer.from('lost')], () => (done = true))
    await world.runFor(60_000)
    expect(accepted('b')[0]).toMatchObject({ text: 'heard', closed: false })
    expect([ab.closed, done]).toEqual([false, false])
    ab.socket.destroy()
    await world.runFor(10)
    expect([ab.closed, done]).toEqual([true, true])
    expect(accepted('b')[0]!.closed).toBe(false)
  })

  test('that the middle forgot and answers with resets ends for whoever sends', async () => {
    const { world, accepted } = await three(5)
    const ab = await world.run(() => connect(world, 'a', 'b'))
    await world.runFor(10)
    world.network.forget('a', 'b', { resets: true })
    write(ab, 'lost')
    await world.runFor(50)
    expect(ab.error?.code).toBe('ECONNRESET')
    expect(accepted('b')[0]!.closed).toBe(false)
    write(accepted('b')[0]!, 'lost too')
    await world.runFor(50)
    expect(accepted('b')[0]!.error?.code).toBe('ECONNRESET')
  })

  test('that is reset from outside ends at both ends, and no other does', async () => {
    const { world, accepted } = await three(6)
    const [ab, ac] = await world.run(() => Promise.all([connect(world, 'a', 'b'), connect(world, 'a', 'c')]))
    await world.runFor(10)
    expect(world.network.reset('a', 'b')).toBe(1)
    await world.runFor(10)
    expect([ab.error?.code, accepted('b')[0]!.error?.code]).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect([ac.closed, accepted('c')[0]!.closed]).toEqual([false, false])
  })
})

test('a slow link is slow in its direction alone, and keeps the order of a connection', async () => {
  const { world, accepted } = await three(7)
  const ab = await world.run(() => connect(world, 'a', 'b'))
  await world.runFor(10)
  world.network.slow('a', 'b', { delayMs: 100, jitterMs: 200 })
  const sentAt = world.now
  const words = Array.from({ length: 20 }, (_, i) => `${i} `)
  for (const word of words) write(ab, word)
  write(accepted('b')[0]!, 'quick')
  await world.runFor(20)
  expect(ab.text).toBe('quick')
  while (accepted('b')[0]!.text === '') await world.step()
  expect(world.now - sentAt).toBeGreaterThan(100)
  await world.runFor(400)
  expect(accepted('b')[0]!.text).toBe(words.join(''))
  world.network.slow('a', 'b', undefined)
  write(ab, 'again')
  await world.runFor(20)
  expect(accepted('b')[0]!.text).toContain('again')
})

test('a paused host lives through what it missed in the order in which it was due', async () => {
  const world = new SimWorld(8, { timerLateMs: 0 })
  const { clock } = world.env('alpha')
  const order: number[] = []
  for (const delay of [30, 10, 20]) clock.setTimer(delay, () => order.push(delay))
  world.host('alpha').pausedUntil = 50
  await world.runFor(60)
  expect(order).toEqual([10, 20, 30])
})

test('the machine of a paused process accepts connections and takes bytes, which it reads when it goes on', async () => {
  const { world, accepted } = await three(9)
  world.host('b').pausedUntil = world.now + 5000
  const ab = await world.run(() => connect(world, 'a', 'b'))
  write(ab, 'waiting')
  await world.runFor(4000)
  expect(accepted('b')).toEqual([])
  await world.runFor(2000)
  expect(accepted('b')[0]!.text).toBe('waiting')
})
