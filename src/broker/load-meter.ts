// How busy this node is, for the others' status pages: counters that only grow, turned into rates.
import type { Env } from '../env/env.ts'
import type { Load } from '../gossip/hints.ts'

/** Of the whole process, since it began. */
export interface ProcessUsage {
  readonly cpuMs: number
  readonly residentBytes: number
}

/** With clients, since the node began. */
export interface ClientTraffic {
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly connections: number
}

export interface LoadMeterOptions {
  readonly usage: () => ProcessUsage
  /** Undefined while the node is no broker. */
  readonly traffic: () => ClientTraffic | undefined
  readonly partitionsLed: () => number
  readonly directory: string
}

interface Reading {
  readonly at: number
  readonly cpuMs: number
  readonly traffic: ClientTraffic | undefined
}

const DISK_EVERY_MS = 10_000

export class LoadMeter {
  readonly #env: Env
  readonly #o: LoadMeterOptions
  #before: Reading
  #diskFreeBytes: number | undefined
  #diskAskedAt = Number.NEGATIVE_INFINITY

  constructor(env: Env, options: LoadMeterOptions) {
    this.#env = env
    this.#o = options
    this.#before = this.#read()
  }

  /** Since the last time. */
  take(): Load {
    const [before, now] = [this.#before, this.#read()]
    this.#before = now
    this.#askDisk(now.at)
    const seconds = Math.max(0.001, (now.at - before.at) / 1000)
    const perSecond = (key: 'receivedBytes' | 'sentBytes') =>
      now.traffic && before.traffic && Math.round((now.traffic[key] - before.traffic[key]) / seconds)
    return {
      receivedBytesPerSecond: perSecond('receivedBytes'),
      sentBytesPerSecond: perSecond('sentBytes'),
      partitionsLed: now.traffic && this.#o.partitionsLed(),
      connections: now.traffic?.connections,
      cpuShare: Math.max(0, now.cpuMs - before.cpuMs) / (1000 * seconds),
      residentBytes: this.#o.usage().residentBytes,
      diskFreeBytes: this.#diskFreeBytes,
    }
  }

  #read(): Reading {
    return { at: this.#env.clock.now(), cpuMs: this.#o.usage().cpuMs, traffic: this.#o.traffic() }
  }

  #askDisk(now: number): void {
    if (now < this.#diskAskedAt + DISK_EVERY_MS) return
    this.#diskAskedAt = now
    this.#env.disk.space(this.#o.directory).then(
      ({ freeBytes }) => (this.#diskFreeBytes = freeBytes),
      () => (this.#diskFreeBytes = undefined),
    )
  }
}
