// The simulated world: hosts on one virtual clock, one queue of events, one seed. An event runs, the microtasks it started run, the turn it asked for
// runs; only then comes the next one. Nothing here or above reads real time, so a seed always tells the same story (`trace.hash` says whether).

import { drainMicrotasks } from '../real/clock.ts'
import { EventQueue, type SimEvent } from './events.ts'
import { type SimEnv, SimHost, type SimProcess } from './host.ts'
import { SimNetwork } from './net.ts'
import { SeededRandom } from './random.ts'
import { Trace } from './trace.ts'

/** What the virtual clock shows at the start: 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000

/** More turns than this after one event are a livelock. */
const MAX_TURNS = 10_000

export interface WorldOptions {
  /** One way between two hosts, and to oneself; milliseconds. */
  readonly latencyMs: readonly [least: number, most: number]
  readonly writeMs: readonly [least: number, most: number]
  readonly flushMs: readonly [least: number, most: number]
  readonly readMs: readonly [least: number, most: number]
  /** How much later than asked a timer may fire. */
  readonly timerLateMs: number
}

export const DEFAULT_WORLD: WorldOptions = {
  latencyMs: [0.05, 0.5],
  writeMs: [0.01, 0.3],
  flushMs: [0.2, 3],
  readMs: [0.05, 1],
  timerLateMs: 1,
}

export class SimWorld {
  readonly seed: number
  readonly options: WorldOptions
  readonly trace = new Trace()
  readonly network: SimNetwork
  /** What a process threw out of an event: in the real world it would have died. */
  readonly failures: { readonly host: string; readonly error: unknown }[] = []
  /** Called between two events, when all that followed from the first has run: the place to look at everything, and to crash something. @param process  whose event it was */
  afterEvent: ((process: SimProcess | undefined) => void) | undefined
  readonly #hosts = new Map<string, SimHost>()
  readonly #queue = new EventQueue()
  #turns: { readonly process: SimProcess; readonly callback: () => void }[] = []
  #now = 0
  #sequence = 0
  #eventCount = 0
  #running = false

  constructor(seed: number, options: Partial<WorldOptions> = {}) {
    this.seed = seed
    this.options = { ...DEFAULT_WORLD, ...options }
    this.network = new SimNetwork(this)
  }

  /** Virtual milliseconds since the start. */
  get now(): number {
    return this.#now
  }

  get eventCount(): number {
    return this.#eventCount
  }

  /** A stream of randomness of its own. */
  stream(label: string): SeededRandom {
    return new SeededRandom(this.seed, label)
  }

  /** Made, and running, when first named. */
  host(name: string): SimHost {
    let host = this.#hosts.get(name)
    if (host === undefined) this.#hosts.set(name, (host = new SimHost(this, name, this.#hosts.size)))
    return host
  }

  findHost(name: string): SimHost | undefined {
    return this.#hosts.get(name)
  }

  /** The doors of the host's present life. */
  env(name: string): SimEnv {
    return this.host(name).env
  }

  /** The process dies between two events; with `power`, what its machine had not yet made durable is at risk. @see SimHost.crash */
  crash(name: string, options: { readonly power: boolean; readonly silent?: boolean }): void {
    this.host(name).crash(options)
  }

  /** A new life on what the disk kept. */
  restart(name: string): SimEnv {
    return this.host(name).restart()
  }

  /** @param process  whose event it is; undefined: the world's own */
  schedule(delayMs: number, kind: string, run: () => void, process?: SimProcess): SimEvent {
    return this.scheduleAt(this.#now + delayMs, kind, run, process)
  }

  /** Events of one time happen in the order of these calls. */
  scheduleAt(time: number, kind: string, run: () => void, process?: SimProcess): SimEvent {
    const at = Math.max(this.#now, time)
    const event: SimEvent = { time: at, due: at, sequence: this.#sequence++, kind, process, run }
    this.#queue.push(event)
    return event
  }

  turn(process: SimProcess, callback: () => void): void {
    this.#turns.push({ process, callback })
  }

  /** Moves time until the body settles. @throws Error when nothing is left to happen, or `maxMs` of virtual time have passed */
  async run<T>(body: () => Promise<T>, options: { readonly maxMs?: number } = {}): Promise<T> {
    const until = this.#now + (options.maxMs ?? Number.POSITIVE_INFINITY)
    let settled = false
    const result = body().finally(() => (settled = true))
    result.catch(() => {}) // Awaited below; until then it must not count as unhandled.
    await this.#settle()
    while (!settled) {
      if (!(await this.step())) throw new Error(`stalled at ${this.#now} ms: nothing is left to happen, and what was awaited has not`)
      if (this.#now > until) throw new Error(`not done after ${options.maxMs} ms of virtual time`)
    }
    return result
  }

  /** Lets this much virtual time pass. */
  async runFor(ms: number): Promise<void> {
    const until = this.#now + ms
    await this.#settle()
    while (await this.step(until));
    this.#now = until
  }

  /** The next event, with all that follows from it at once. @returns false when there is none until then */
  async step(until = Number.POSITIVE_INFINITY): Promise<boolean> {
    if (this.#running) throw new Error('one loop at a time may move the world')
    const event = this.#next(until)
    if (event?.run === undefined) return false
    this.#running = true
    this.#now = event.time
    this.#eventCount++
    const process = event.process
    if (process !== undefined) process.eventCount++
    this.trace.number(event.time)
    this.trace.word(event.kind)
    if (process !== undefined) this.trace.word(process.host.name)
    this.trace.sink?.(`${event.time.toFixed(3)} ${process?.host.name ?? 'world'} ${event.kind}`)
    this.#guard(process, event.run)
    await this.#settle()
    this.#running = false
    this.afterEvent?.(process)
    return true
  }

  /** Takes the next event that will really happen. */
  #next(until: number): SimEvent | undefined {
    for (;;) {
      const event = this.#queue.peek()
      if (event === undefined || event.time > until) return undefined
      this.#queue.pop()
      if (event.run === undefined || event.process?.alive === false) continue
      const host = event.process?.host
      if (host === undefined || host.pausedUntil <= event.time) return event
      event.time = host.pausedUntil
      this.#queue.push(event)
    }
  }

  /** Microtasks, then the turn, until neither is left. */
  async #settle(): Promise<void> {
    await drainMicrotasks()
    for (let count = 0; this.#turns.length > 0; count++) {
      if (count > MAX_TURNS) throw new Error('a turn asks for another turn without end')
      const turns = this.#turns
      this.#turns = []
      for (const { process, callback } of turns) if (process.alive) this.#guard(process, callback)
      await drainMicrotasks()
    }
  }

  #guard(process: SimProcess | undefined, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.failures.push({ host: process?.host.name ?? 'world', error })
    }
  }
}
