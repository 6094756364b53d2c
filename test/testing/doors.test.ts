// The doors of an embedded node pass the suites that all doors pass, while nothing is done to them; and what they promise when something is.
import { expect, test } from 'vitest'
import { type Env, type NetListener, type Socket, sleep } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { doorsOf } from '../../src/testing/embedded/doors.ts'
import { Life } from '../../src/testing/embedded/life.ts'
import { MemoryMachine } from '../../src/testing/embedded/memory-disk.ts'
import { Links } from '../../src/testing/faults.ts'
import { clockContract } from '../contract/clock.ts'
import { diskContract } from '../contract/disk.ts'
import { kvContract } from '../contract/kv.ts'
import { netContract } from '../contract/net.ts'
import { codeOf, type Subject, turn } from '../contract/subject.ts'

/** One machine of an embedded cluster. */
class Machine {
  readonly memory: MemoryMachine
  readonly base: Env
  readonly #place: { id: number; links: Links; ports: Map<number, number> }
  life!: Life
  env!: Env
  closed!: () => Promise<void>

  constructor(id = 1, links = new Links(), ports = new Map<number, number>()) {
    const base = memoryEnv({ logger: silentLogger })
    this.memory = new MemoryMachine(base.clock)
    this.base = { ...base, disk: this.memory.disk, kv: this.memory.kv }
    this.#place = { id, links, ports }
    this.begin()
  }

  begin(): void {
    const { id, links, ports } = this.#place
    this.life = new Life(this.base.clock, () => {})
    const place = { id, links, internalPorts: ports, clock: this.base.clock, nodeCount: 1 }
    const { env, closed } = doorsOf(this.life, this.base, place)
    this.env = env
    this.closed = closed
  }

  async kill(power: boolean): Promise<void> {
    this.life.end()
    this.memory.processDied({ power })
    await this.closed()
  }
}

const embedded: Subject = {
  name: 'of an embedded node',
  async run(body) {
    const machine = new Machine()
    await machine.env.disk.makeDirectory('/data')
    await body(machine.env, '/data')
  },
}

clockContract(embedded)
netContract(embedded)
diskContract(embedded)
kvContract(embedded)

test('a power cut takes what was not synced: bytes, names and batches; a kill takes nothing', async () => {
  const machine = new Machine()
  const write = async (name: string, text: string, flush: boolean) => {
    const file = await machine.env.disk.open(`/data/${name}`, 'create')
    await new Promise<void>(resolve => file.write([Buffer.from(text)], 0, () => resolve()))
    if (flush) await new Promise<void>(resolve => file.flush(() => resolve()))
  }
  const batch = async (key: string, sync: boolean) => {
    await kv.batch([{ type: 'put', key: Buffer.from(key), value: Buffer.from('value') }], { sync })
  }
  let kv = await machine.env.kv.open('/data/store')
  await write('flushed', 'flushed', true)
  await write('written', 'written', false)
  await machine.env.disk.syncDirectory('/data')
  await write('unnamed', 'flushed', true)
  await batch('synced', true)
  await batch('not synced', false)
  const found = async () => {
    const { disk } = machine.env
    const names = (await disk.list('/data')).map(({ name }) => name)
    const texts = await Promise.all(
      names.filter(name => name !== 'store').map(async name => `${name}: ${await (await disk.open(`/data/${name}`, 'read')).read(0, 100)}`),
    )
    kv = await machine.env.kv.open('/data/store')
    const keys: string[] = []
    for await (const [key] of kv.entries({})) keys.push(key.toString())
    return [...texts, ...keys]
  }
  await machine.kill(false)
  machine.begin()
  expect(await found()).toEqual(['flushed: flushed', 'unnamed: flushed', 'written: written', 'not synced', 'synced'])
  await batch('late', false)
  await machine.kill(true)
  machine.begin()
  // Opening the store after the kill synced what was in it.
  expect(await found()).toEqual(['flushed: flushed', 'written: ', 'not synced', 'synced'])
})

test('of a life that is over nothing comes back, and nothing of it is carried out', async () => {
  const machine = new Machine()
  const { env } = machine
  const heard: string[] = []
  await env.disk.makeDirectory('/data')
  const file = await env.disk.open('/data/file', 'create')
  env.clock.setTimer(1, () => heard.push('timer'))
  env.clock.turn(() => heard.push('turn'))
  file.write([Buffer.from('before')], 0, () => heard.push('written'))
  await machine.kill(false)
  file.write([Buffer.from('AFTER!')], 0, () => heard.push('written after'))
  env.clock.turn(() => heard.push('turn after'))
  void env.disk.list('/data').then(() => heard.push('listed'))
  void env.net.listen({ host: '127.0.0.1', port: 0, onConnection: () => {} }).then(() => heard.push('listening'))
  await sleep(machine.base.clock, 10)
  expect(heard).toEqual([])
  machine.begin()
  expect(String(await (await machine.env.disk.open('/data/file', 'read')).read(0, 100))).toBe('before')
})

test('of a paused life everything waits, and comes in its order: timers first', async () => {
  const machine = new Machine()
  const { env, life, base } = machine
  const heard: string[] = []
  env.clock.setTimer(5, () => {
    heard.push('first timer')
    cancelled.cancel()
  })
  const cancelled = env.clock.setTimer(6, () => heard.push('cancelled timer'))
  env.clock.turn(() => heard.push('turn'))
  void env.disk.makeDirectory('/data').then(() => heard.push('disk'))
  life.pause()
  await sleep(base.clock, 20)
  expect(heard).toEqual([])
  life.resume()
  await sleep(base.clock, 5)
  expect(heard).toEqual(['first timer', 'turn', 'disk'])
})

/** Two machines with a connection between them. */
class Pair {
  readonly links = new Links()
  readonly ports = new Map<number, number>()
  readonly dialler = new Machine(1, this.links, this.ports)
  readonly acceptor = new Machine(2, this.links, this.ports)
  readonly heard: string[] = []
  near!: Socket
  far!: Socket
  listener!: NetListener

  async open(): Promise<this> {
    const accepted = new Promise<Socket>(resolve => {
      const onConnection = (socket: Socket) => {
        this.#listen(socket, 'far')
        resolve(socket)
      }
      void this.acceptor.env.net.listen({ host: '127.0.0.1', port: 0, onConnection }).then(async listener => {
        this.listener = listener
        this.ports.set(listener.port, 2)
        this.near = await this.connect()
        this.#listen(this.near, 'near')
      })
    })
    this.far = await accepted
    await this.until(() => this.near !== undefined)
    return this
  }

  connect(timeoutMs = 1000): Promise<Socket> {
    return this.dialler.env.net.connect({ host: '127.0.0.1', port: this.listener.port, timeoutMs })
  }

  async until(condition: () => boolean): Promise<void> {
    await expect.poll(condition, { interval: 2, timeout: 2000 }).toBe(true)
  }

  /** Long enough for anything to come over a loopback. */
  settle(): Promise<void> {
    return sleep(this.dialler.base.clock, 20)
  }

  #listen(socket: Socket, name: string): void {
    socket.handle({
      data: chunk => this.heard.push(`${name} ${chunk}`),
      close: error => this.heard.push(`${name} closed${error === undefined ? '' : ` ${error.code}`}`),
    })
  }

  async close(): Promise<void> {
    this.links.heal()
    await Promise.all([this.dialler.kill(false), this.acceptor.kill(false)])
  }
}

const bytes = (text: string) => [Buffer.from(text)]

test('a cut holds back both ways, heals in order, and the ends of processes behind it are not noticed before', async () => {
  const pair = await new Pair().open()
  const { links, heard, near, far } = pair
  links.cut({ from: [1], to: [2] })
  links.cut({ from: [2], to: [1] })
  near.write(bytes('a'))
  near.write(bytes('b'))
  far.write(bytes('c'))
  await pair.settle()
  expect(heard).toEqual([])
  links.heal()
  await pair.until(() => heard.length >= 2)
  expect(heard.map(line => line.replace('far a', 'far a|')).join()).toMatch(/far a\|?b?/)
  expect(heard).toContain('near c')

  heard.length = 0
  links.cut({ from: [1], to: [2] })
  links.cut({ from: [2], to: [1] })
  await pair.dialler.kill(false)
  await pair.settle()
  expect(heard).toEqual([])
  links.heal()
  await pair.until(() => heard.some(line => line.startsWith('far closed')))
  await pair.close()
})

test('a cut one way lets the other pass', async () => {
  const pair = await new Pair().open()
  const { links, heard, near, far } = pair
  links.cut({ from: [2], to: [1] })
  near.write(bytes('there'))
  far.write(bytes('back'))
  far.end()
  await pair.settle()
  expect(heard).toEqual(['far there'])
  links.heal()
  await pair.until(() => heard.includes('near back') && heard.includes('near closed'))
  expect(heard.indexOf('near back')).toBeLessThan(heard.indexOf('near closed'))
  await pair.close()
})

test('over a cut nobody connects: it waits until it is healed, or its time is over', async () => {
  const pair = await new Pair().open()
  pair.links.cut({ from: [2], to: [1] })
  expect(await codeOf(pair.connect(30))).toBe('ETIMEDOUT')
  const connecting = pair.connect(2000)
  await pair.settle()
  pair.links.heal()
  const socket = await connecting
  socket.handle({ data: () => {}, close: () => {} })
  await pair.close()
})

test('what is held back of a socket that is destroyed is given back to its writer', async () => {
  const pair = await new Pair().open()
  const { links, heard, near } = pair
  links.cut({ from: [1], to: [2] })
  expect(near.write([Buffer.alloc(2 * 1024 * 1024)], () => heard.push('done'))).toBe(false)
  expect(near.bufferedBytes).toBe(2 * 1024 * 1024)
  near.destroy()
  await pair.until(() => heard.includes('done') && heard.includes('near closed'))
  await turn(pair.dialler.env)
  expect(heard).not.toContain('far closed')
  await pair.close()
})

test('a paused node reads nothing, and notices an end when it goes on', async () => {
  const pair = await new Pair().open()
  const { heard, near, acceptor } = pair
  acceptor.life.pause()
  near.write(bytes('a'))
  near.end()
  await pair.settle()
  expect(heard).toEqual([])
  acceptor.life.resume()
  await pair.until(() => heard.includes('far closed'))
  expect(heard[0]).toBe('far a')
  await pair.close()
})
