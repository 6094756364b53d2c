// The doors of one life of an embedded node: those it is given, with every answer made an event of that life. What a life that ended left open is closed
// behind it, as the kernel does for a process.
import type {
  Clock,
  Disk,
  DiskFile,
  Env,
  EnvError,
  Kv,
  KvOpenOptions,
  KvOperation,
  KvRange,
  KvStore,
  Logger,
  Timer,
} from '../../env/env.ts'
import type { Life } from './life.ts'
import { NodeNet, type NodePlace } from './net.ts'

export interface LifeDoors {
  readonly env: Env
  /** Settles when nothing of the life is open any more; it must be over. */
  closed(): Promise<void>
}

export function doorsOf(life: Life, base: Env, place: NodePlace): LifeDoors {
  const left = new LeftOpen(life)
  const net = new NodeNet(base.net, life, place)
  const env: Env = {
    clock: new LifeClock(base.clock, life),
    random: base.random,
    net,
    disk: new LifeDisk(base.disk, life, left),
    kv: new LifeKvStore(base.kv, life, left),
    logger: lifeLogger(base.logger, life),
    poisonsMemory: base.poisonsMemory,
  }
  return { env, closed: async () => void (await Promise.all([left.closed(), net.closed()])) }
}

/** A process that is gone says nothing more. */
function lifeLogger(base: Logger, life: Life): Logger {
  return {
    log(level, event, fields) {
      if (!life.isOver) base.log(level, event, fields)
    },
  }
}

class LifeClock implements Clock {
  readonly #base: Clock
  readonly #life: Life
  readonly #timers = new Set<Timer>()

  constructor(base: Clock, life: Life) {
    this.#base = base
    this.#life = life
    life.listen({
      changed: () => {},
      over: () => {
        for (const timer of this.#timers) timer.cancel()
        this.#timers.clear()
      },
    })
  }

  wallTime(): number {
    return this.#base.wallTime()
  }

  now(): number {
    return this.#base.now()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (this.#life.isOver) return { cancel: () => {} }
    let isCancelled = false
    const timer = this.#base.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      // A paused node may cancel it yet, when it goes on: by an earlier timer.
      this.#life.timerFired(() => {
        if (!isCancelled) callback()
      })
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        isCancelled = true
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  turn(callback: () => void): void {
    if (!this.#life.isOver) this.#base.turn(() => this.#life.arrived(callback))
  }
}

interface Closable {
  close(): Promise<void>
}

/** What is open, and what is under way: the disk carries it out, whoever asked for it. */
class LeftOpen {
  readonly #life: Life
  readonly #open = new Set<Closable>()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(life: Life) {
    this.#life = life
  }

  opens<B extends Closable, T>(opening: Promise<B>, wrap: (opened: B) => T): Promise<T> {
    const wrapped = opening.then(opened => {
      this.#open.add(opened)
      return wrap(opened)
    })
    return this.awaits(wrapped)
  }

  closes(opened: Closable): Promise<void> {
    this.#open.delete(opened)
    return this.awaits(opened.close())
  }

  awaits<T>(outcome: Promise<T>): Promise<T> {
    const settled: Promise<unknown> = outcome.then(
      () => this.#underWay.delete(settled),
      () => this.#underWay.delete(settled),
    )
    this.#underWay.add(settled)
    return this.#life.settles(outcome)
  }

  async closed(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    await Promise.all([...this.#open].map(each => each.close().catch(() => {})))
  }
}

const never = <T>(): Promise<T> => new Promise(() => {})

class LifeDisk implements Disk {
  readonly #base: Disk
  readonly #life: Life
  readonly #left: LeftOpen

  constructor(base: Disk, life: Life, left: LeftOpen) {
    this.#base = base
    this.#life = life
    this.#left = left
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile> {
    if (this.#life.isOver) return never()
    return this.#left.opens(this.#base.open(path, mode), file => new LifeFile(file, this.#life, this.#left))
  }

  size(path: string): Promise<number> {
    return this.#do(disk => disk.size(path))
  }

  list(path: string): ReturnType<Disk['list']> {
    return this.#do(disk => disk.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#do(disk => disk.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do(disk => disk.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#do(disk => disk.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#do(disk => disk.syncDirectory(path))
  }

  space(path: string): ReturnType<Disk['space']> {
    return this.#do(disk => disk.space(path))
  }

  #do<T>(operation: (disk: Disk) => Promise<T>): Promise<T> {
    return this.#life.isOver ? never() : this.#left.awaits(operation(this.#base))
  }
}

class LifeFile implements DiskFile {
  readonly #base: DiskFile
  readonly #life: Life
  readonly #left: LeftOpen

  constructor(base: DiskFile, life: Life, left: LeftOpen) {
    this.#base = base
    this.#life = life
    this.#left = left
  }

  get size(): number {
    return this.#base.size
  }

  write(chunks: readonly Uint8Array[], position: number, done: (error?: EnvError) => void): void {
    if (!this.#life.isOver) this.#base.write(chunks, position, error => this.#life.arrived(() => done(error)))
  }

  flush(done: (error?: EnvError) => void): void {
    if (!this.#life.isOver) this.#base.flush(error => this.#life.arrived(() => done(error)))
  }

  read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    return this.#life.isOver ? never() : this.#life.settles(this.#base.read(position, length, into))
  }

  truncate(size: number): Promise<void> {
    return this.#life.isOver ? never() : this.#life.settles(this.#base.truncate(size))
  }

  close(): Promise<void> {
    return this.#life.isOver ? never() : this.#left.closes(this.#base)
  }
}

class LifeKvStore implements KvStore {
  readonly #base: KvStore
  readonly #life: Life
  readonly #left: LeftOpen

  constructor(base: KvStore, life: Life, left: LeftOpen) {
    this.#base = base
    this.#life = life
    this.#left = left
  }

  open(path: string, options?: KvOpenOptions): Promise<Kv> {
    if (this.#life.isOver) return never()
    return this.#left.opens(this.#base.open(path, options), kv => new LifeKv(kv, this.#life, this.#left))
  }
}

class LifeKv implements Kv {
  readonly #base: Kv
  readonly #life: Life
  readonly #left: LeftOpen

  constructor(base: Kv, life: Life, left: LeftOpen) {
    this.#base = base
    this.#life = life
    this.#left = left
  }

  get(key: Uint8Array): Promise<Buffer | undefined> {
    return this.#do(kv => kv.get(key))
  }

  batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    return this.#do(kv => kv.batch(operations, options))
  }

  clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    return this.#do(kv => kv.clear(range))
  }

  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]> {
    const entries = this.#life.isOver ? undefined : this.#base.entries(range)
    return { [Symbol.asyncIterator]: () => this.#iterator(entries?.[Symbol.asyncIterator]()) }
  }

  close(): Promise<void> {
    return this.#life.isOver ? never() : this.#left.closes(this.#base)
  }

  #iterator<T>(base: AsyncIterator<T> | undefined): AsyncIterator<T> {
    return {
      next: () => (base === undefined || this.#life.isOver ? never() : this.#life.settles(base.next())),
      return: () => (base?.return === undefined || this.#life.isOver ? Promise.resolve({ done: true, value: undefined }) : base.return()),
    }
  }

  #do<T>(operation: (kv: Kv) => Promise<T>): Promise<T> {
    return this.#life.isOver ? never() : this.#life.settles(operation(this.#base))
  }
}
