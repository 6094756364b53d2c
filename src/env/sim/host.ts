// A machine of the simulated world, and the lives of the process that runs on it. The disk belongs to the machine, everything else to one life: when
// that ends, none of its timers, callbacks or promises ever come back.

import type { Clock, Env, Logger, LogLevel, Timer } from '../env.ts'
import { textLine } from '../real/logger.ts'
import { SimDisk } from './disk.ts'
import type { SimEvent } from './events.ts'
import { SimKvStore } from './kv.ts'
import { SimNet } from './net.ts'
import type { SeededRandom } from './random.ts'
import { SimStorage } from './storage.ts'
import { EPOCH_MS, type SimWorld } from './world.ts'

/** Log lines kept for the report of a failure. */
const KEPT_LINES = 400

export interface SimEnv extends Env {
  readonly random: SeededRandom
  readonly process: SimProcess
}

export class SimHost {
  readonly world: SimWorld
  readonly name: string
  readonly storage: SimStorage
  /** Events of this host wait until then, as if its process were stopped. */
  pausedUntil = 0
  /** How far its wall clock is off. */
  wallOffsetMs = 0
  /** Everything its disk does takes so many times as long. */
  diskSlowness = 1
  /** Its machine answers nothing, not even with a refusal. */
  silent = false
  readonly lines: string[] = []
  #process: SimProcess
  #env: SimEnv
  #lives = 0

  constructor(world: SimWorld, name: string, index: number) {
    this.world = world
    this.name = name
    this.storage = new SimStorage(world.stream(`storage ${name}`))
    this.#process = new SimProcess(this, index * 1_000_000 + 5_000_000)
    this.#env = this.#newEnv()
  }

  get env(): SimEnv {
    return this.#env
  }

  get process(): SimProcess {
    return this.#process
  }

  get running(): boolean {
    return this.#process.alive
  }

  /**
   * @param options.power  the machine loses its power, not only the process: unsynced writes, names and batches may be lost
   * @param options.silent  peers are not told: no FIN, no RST, and connecting gets no answer until the restart
   */
  crash(options: { readonly power: boolean; readonly silent?: boolean }): void {
    if (!this.#process.alive) return
    this.world.trace.word(options.power ? 'power loss' : 'kill')
    this.world.trace.word(this.name)
    this.world.trace.sink?.(`${this.world.now.toFixed(3)} ${this.name} ${options.power ? 'loses power' : 'is killed'}`)
    this.#process.alive = false
    this.world.network.processDied(this.#process, { silent: options.silent === true })
    this.storage.processDied({ power: options.power })
  }

  restart(): SimEnv {
    if (this.#process.alive) throw new Error(`${this.name} is running`)
    this.#process = new SimProcess(this, this.#process.monotonicStart + 1_000_000)
    this.pausedUntil = 0
    this.silent = false
    this.world.network.hostIsBack(this)
    this.#env = this.#newEnv()
    return this.#env
  }

  /** A log line, for the trace and for the report. */
  note(line: string): void {
    this.lines.push(line)
    if (this.lines.length > 2 * KEPT_LINES) this.lines.splice(0, KEPT_LINES)
    this.world.trace.sink?.(`${this.world.now.toFixed(3)} ${this.name} log ${line.trimEnd()}`)
  }

  #newEnv(): SimEnv {
    const life = ++this.#lives
    const process = this.#process
    const stream = (purpose: string) => this.world.stream(`${purpose} ${this.name} ${life}`)
    return {
      process,
      clock: new SimClock(process, stream('clock')),
      random: stream('random'),
      net: new SimNet(process),
      disk: new SimDisk(process, this.storage, stream('disk')),
      kv: new SimKvStore(process, this.storage, stream('kv')),
      logger: new SimLogger(process),
      poisonsMemory: true,
    }
  }
}

/** One life of the process on a host. */
export class SimProcess {
  readonly host: SimHost
  readonly world: SimWorld
  /** Its monotonic clock started here: clocks of two lives or hosts have nothing in common. */
  readonly monotonicStart: number
  alive = true
  /** How many events it has lived through. */
  eventCount = 0

  constructor(host: SimHost, monotonicStart: number) {
    this.host = host
    this.world = host.world
    this.monotonicStart = monotonicStart
  }

  /** An event of this life; when it is over, nothing happens. */
  later(delayMs: number, kind: string, run: () => void): SimEvent | undefined {
    return this.alive ? this.world.schedule(delayMs, kind, run, this) : undefined
  }

  at(time: number, kind: string, run: () => void): SimEvent | undefined {
    return this.alive ? this.world.scheduleAt(time, kind, run, this) : undefined
  }
}

class SimClock implements Clock {
  readonly #process: SimProcess
  readonly #random: SeededRandom

  constructor(process: SimProcess, random: SeededRandom) {
    this.#process = process
    this.#random = random
  }

  wallTime(): number {
    return Math.floor(EPOCH_MS + this.#process.world.now + this.#process.host.wallOffsetMs)
  }

  now(): number {
    return this.#process.world.now + this.#process.monotonicStart
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const late = this.#random.fraction() * this.#process.world.options.timerLateMs
    // A hair more than asked: sums of fractions may round down.
    const event = this.#process.later(delayMs + late + 1e-6, 'timer', callback)
    return {
      cancel: () => {
        if (event !== undefined) event.run = undefined
      },
    }
  }

  turn(callback: () => void): void {
    if (this.#process.alive) this.#process.world.turn(this.#process, callback)
  }
}

class SimLogger implements Logger {
  readonly #process: SimProcess

  constructor(process: SimProcess) {
    this.#process = process
  }

  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void {
    const { world, host, alive } = this.#process
    if (!alive) return
    world.trace.text(event)
    host.note(textLine(EPOCH_MS + world.now, level, event, fields))
  }
}
