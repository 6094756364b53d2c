// How many producers the logs of a node remember. Kafka bounds them by time alone (producer.id.expiration.ms), and a client that takes a new producer id
// for every batch fills its memory within minutes. Here a log beyond its share forgets the producer that was silent longest and has no transaction
// open: as if it had expired, so its next batch is taken whatever its sequence says (KIP-360), and only a retry older than that many other producers
// would be stored twice.

import type { ProducerBatch } from './producer-batch.ts'
import type { ProducerState } from './producer-state.ts'

/** About 400 bytes each. */
const NODE_LIMIT = 500_000
/** More would make a snapshot a matter of many milliseconds. */
const LOG_LIMIT = 100_000
/** Every log may keep so many, however many the others have. */
const LOG_SHARE = 1000

export class ProducerBudget {
  readonly #nodeLimit: number
  readonly #logLimit: number
  readonly #logShare: number
  /** As last noted. */
  readonly #counts = new WeakMap<ProducerState, number>()
  #total = 0

  constructor(o: { nodeLimit?: number; logLimit?: number; logShare?: number } = {}) {
    this.#nodeLimit = o.nodeLimit ?? NODE_LIMIT
    this.#logLimit = o.logLimit ?? LOG_LIMIT
    this.#logShare = o.logShare ?? LOG_SHARE
  }

  /** Of all logs. */
  get total(): number {
    return this.#total
  }

  /** The batch stands in the log, or is about to. */
  apply(state: ProducerState, it: ProducerBatch): void {
    state.apply(it)
    this.note(state)
  }

  /** To be called when the number of producers may have changed. */
  note(state: ProducerState): void {
    const before = this.#counts.get(state) ?? 0
    if (state.producers.size === before) return
    this.#total += state.producers.size - before
    const over = Math.max(
      state.producers.size - this.#logLimit,
      Math.min(this.#total - this.#nodeLimit, state.producers.size - this.#logShare),
    )
    if (over > 0) this.#total -= state.forgetSilent(over)
    this.#counts.set(state, state.producers.size)
  }

  /** The log is closed, or follows another state. */
  drop(state: ProducerState): void {
    this.#total -= this.#counts.get(state) ?? 0
    this.#counts.delete(state)
  }
}
