// What fetches read into from segment files: memory that is used again once a socket has taken the answer. Without it every megabyte read is external
// memory, whose churn V8 answers with full collections: two thirds of a broker's time in catch-up reads.

import type { Env, Timer } from '../env/env.ts'
import { BufferPool, type Lease } from '../util/buffer-pool.ts'

/** Smaller ones are cheaper to allocate than to count. */
const POOLED_READ_BYTES = 16 * 1024
/** Two fetches of sixteen partitions by a client with default limits. */
const IDLE_READ_BYTES = 32 * 1024 * 1024
const SHRINK_MS = 5000

export class ReadMemory {
  readonly #env: Env
  readonly #pool: BufferPool
  #timer: Timer | undefined

  constructor(env: Env) {
    this.#env = env
    this.#pool = new BufferPool({
      smallestBytes: env.poisonsMemory ? 0 : POOLED_READ_BYTES,
      maxIdleBytes: IDLE_READ_BYTES,
      poisons: env.poisonsMemory,
    })
  }

  /** @returns undefined for what is not worth it */
  take(bytes: number): Lease | undefined {
    const lease = this.#pool.take(bytes)
    if (lease !== undefined) this.#timer ??= this.#env.clock.setTimer(SHRINK_MS, this.#shrink)
    return lease
  }

  readonly #shrink = (): void => {
    this.#timer = undefined
    this.#pool.shrink()
    if (this.#pool.idleBytes > 0) this.#timer = this.#env.clock.setTimer(SHRINK_MS, this.#shrink)
  }
}

/** The answer they were for is sent, or will not be. */
export function releaseAll(leases: readonly Lease[]): void {
  for (const lease of leases) lease.release()
}
