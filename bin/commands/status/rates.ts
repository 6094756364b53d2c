// Records a second, from the ends of the logs at two times. Pure.
import type { Rates } from './text.ts'

export interface End {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly offset: number
  readonly atMs: number
}

/** A partition that did not tell for so long has no rate. */
const FRESH_MS = 3000

export class RateMeter {
  readonly #ends = new Map<string, { latest: End; perSecond: number | undefined }>()

  /** The newest ends. Where a log became shorter (made anew, an unclean election) counting starts again. */
  add(ends: readonly End[]): void {
    for (const end of ends) {
      const key = `${end.topic}-${end.partition}`
      const before = this.#ends.get(key)?.latest
      const elapsedMs = before === undefined ? 0 : end.atMs - before.atMs
      const known = before !== undefined && elapsedMs > 0 && elapsedMs < FRESH_MS && end.offset >= before.offset
      this.#ends.set(key, { latest: end, perSecond: known ? ((end.offset - before.offset) * 1000) / elapsedMs : undefined })
    }
  }

  /** Sums of what is fresh; a broker or topic nobody told of is left out. */
  rates(nowMs: number): Rates {
    const brokers = new Map<number, number>()
    const topics = new Map<string, number>()
    for (const { latest, perSecond } of this.#ends.values()) {
      if (perSecond === undefined || nowMs - latest.atMs > FRESH_MS) continue
      brokers.set(latest.leader, (brokers.get(latest.leader) ?? 0) + perSecond)
      topics.set(latest.topic, (topics.get(latest.topic) ?? 0) + perSecond)
    }
    return { brokers, topics }
  }
}
