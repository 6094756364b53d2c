// When the active controller gives leaderships back to preferred replicas (auto.leader.rebalance.enable): every
// leader.imbalance.check.interval.seconds as in Kafka, and shortly after one of them is in sync again, so that a small cluster does not serve from
// two of three brokers for minutes after a restart. Which ones: elections.ts.
import type { Env, Timer } from '../env/env.ts'
import { isUnbalanced } from './elections.ts'
import type { ImageChange, MetadataImage } from './image.ts'
import { isAvailable } from './partitions.ts'

/** Others come back into sync meanwhile, and move in one decision. */
const SETTLE_MS = 1500

export interface LeaderBalanceOptions {
  readonly intervalMs: number
  /** Decides; settles with whether there is more to do. Never rejects. */
  readonly balance: () => Promise<boolean>
}

/** From one activation of a controller to its end. */
export class LeaderBalance {
  readonly #env: Env
  readonly #o: LeaderBalanceOptions
  #timer: Timer | undefined
  #isSoon = false
  #closed = false

  /** @param image  as it is found */
  constructor(env: Env, options: LeaderBalanceOptions, image: MetadataImage) {
    this.#env = env
    this.#o = options
    const available = isAvailable(image)
    const found = [...image.topics.values()].some(({ partitions }) => partitions.some(partition => isUnbalanced(partition, available)))
    this.#arm(found)
  }

  applied(changes: readonly ImageChange[], image: MetadataImage): void {
    if (this.#isSoon) return
    const available = isAvailable(image)
    if (changes.some(change => change.type === 'partitionChanged' && isUnbalanced(change.partition, available))) this.#arm(true)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #arm(isSoon: boolean): void {
    if (this.#closed) return
    this.#timer?.cancel()
    this.#isSoon = isSoon
    this.#timer = this.#env.clock.setTimer(isSoon ? SETTLE_MS : this.#o.intervalMs, () => {
      this.#o.balance().then(isMore => this.#arm(isMore))
    })
  }
}
