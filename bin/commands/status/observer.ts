// Looks at a cluster again and again. Each kind of fact has its own rhythm and its own deadline, so that a paused broker makes its own numbers old
// and holds nothing else up. Shell around status.ts, changes.ts and rates.ts.
import type { Admin } from '../../../src/index.ts'
import { changesBetween } from './changes.ts'
import { askFacts, askLoad, askSettings, type Facts, type Load, NO_SETTINGS, type Settings } from './facts.ts'
import type { Seen } from './frame.ts'
import { RateMeter } from './rates.ts'
import { type ClusterStatus, statusOf } from './status.ts'
import type { Rates } from './text.ts'

export interface ObserverOptions {
  readonly intervalMs: number
  /** Called after each look, also a failed one, with what happened since the last good one. */
  readonly onLook: (seen: readonly Seen[]) => void
}

const LOOK_TIMEOUT_MS = 2500
const LOAD_TIMEOUT_MS = 1500
const LOAD_EVERY_MS = 2000
/** A busy broker may miss one. */
const FAILURES_OF_SILENCE = 2
const SETTINGS_EVERY_MS = 10_000
/** Asking the end of each log is cheap, but not of every log of a large cluster. */
const MOST_COUNTED = 2000

export class Observer {
  status: ClusterStatus | undefined
  /** Why the last look failed; undefined: it did not. */
  failure: Error | undefined
  readonly #admin: Admin
  readonly #options: ObserverOptions
  readonly #meter = new RateMeter()
  readonly #loads = new Map<number, Load | null>()
  /** Brokers that are being asked for their load, or for the ends of their logs. */
  readonly #asking = new Set<string>()
  readonly #loadedAtMs = new Map<number, number>()
  /** In a row, of asking for the load. */
  readonly #failures = new Map<number, number>()
  #facts: Facts | undefined
  #settings: Settings = NO_SETTINGS
  #settingsAtMs = Number.NEGATIVE_INFINITY
  #closed = false
  #wake: (() => void) | undefined

  constructor(admin: Admin, options: ObserverOptions) {
    this.#admin = admin
    this.#options = options
  }

  get rates(): Rates {
    return this.#meter.rates(Date.now())
  }

  /** Looks until it is closed. */
  async run(): Promise<void> {
    while (!this.#closed) {
      const startedAt = Date.now()
      await this.#look()
      if (this.#closed) return
      const waitMs = Math.max(50, startedAt + this.#options.intervalMs - Date.now())
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, waitMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#closed = true
    this.#wake?.()
  }

  async #look(): Promise<void> {
    let seen: Seen[] = []
    try {
      const facts = notOlder(this.#facts, await askFacts(this.#admin, { timeoutMs: LOOK_TIMEOUT_MS }))
      if (this.#closed) return
      this.#facts = facts
      this.failure = undefined
      this.#askMore(facts)
      const before = this.status
      this.status = statusOf(facts, this.#settings, this.#loads)
      if (before !== undefined) seen = changesBetween(before, this.status).map(change => ({ atMs: facts.atMs, change }))
    } catch (error) {
      this.failure = error as Error
    }
    if (!this.#closed) this.#options.onLook(seen)
  }

  #askMore(facts: Facts): void {
    if (facts.atMs - this.#settingsAtMs > SETTINGS_EVERY_MS) {
      this.#once('settings', async () => {
        this.#settings = await askSettings(this.#admin, facts, { timeoutMs: LOOK_TIMEOUT_MS })
        this.#settingsAtMs = Date.now()
      })
    }
    for (const { nodeId, isFenced } of facts.brokers) {
      if (isFenced) {
        this.#loads.delete(nodeId)
        this.#failures.delete(nodeId)
        continue
      }
      if (facts.atMs - (this.#loadedAtMs.get(nodeId) ?? 0) > LOAD_EVERY_MS) {
        this.#once(`load ${nodeId}`, async () => {
          this.#loadedAtMs.set(nodeId, Date.now())
          const load = await askLoad(this.#admin, nodeId, { timeoutMs: LOAD_TIMEOUT_MS }).catch(() => null)
          const failures = load === null ? (this.#failures.get(nodeId) ?? 0) + 1 : 0
          this.#failures.set(nodeId, failures)
          if (load !== null || failures >= FAILURES_OF_SILENCE) this.#loads.set(nodeId, load)
        })
      }
      this.#once(`ends ${nodeId}`, () => this.#askEnds(facts, nodeId))
    }
  }

  async #askEnds(facts: Facts, leader: number): Promise<void> {
    const total = facts.topics.reduce((count, { partitions }) => count + partitions.length, 0)
    if (total > MOST_COUNTED) return
    const led = facts.topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ leaderId }) => leaderId === leader)
        .map(({ partition }) => ({ topic: name, partition, spec: 'latest' as const })),
    )
    if (led.length === 0) return
    const ends = await this.#admin.listOffsets(led, { timeoutMs: LOAD_TIMEOUT_MS })
    const atMs = Date.now()
    this.#meter.add(ends.map(({ topic, partition, offset }) => ({ topic, partition, leader, offset, atMs })))
  }

  /** What a broker does not tell now it is asked again; what it told becomes old. */
  #once(what: string, ask: () => Promise<void>): void {
    if (this.#asking.has(what)) return
    this.#asking.add(what)
    ask()
      .catch(() => {})
      .finally(() => this.#asking.delete(what))
  }
}

/** Brokers answer from their own view, which may lie behind that of the one asked before: leaders do not go back. */
export function notOlder(before: Facts | undefined, facts: Facts): Facts {
  if (before === undefined) return facts
  const known = new Map(before.topics.map(topic => [topic.topicId, topic]))
  const topics = facts.topics.map(topic => {
    const old = new Map(known.get(topic.topicId)?.partitions.map(each => [each.partition, each]))
    const partitions = topic.partitions.map(heard => {
      const ours = old.get(heard.partition)
      return ours !== undefined && heard.leaderEpoch >= 0 && heard.leaderEpoch < ours.leaderEpoch ? ours : heard
    })
    return { ...topic, partitions }
  })
  return { ...facts, topics }
}
