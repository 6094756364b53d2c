// Every log.retention.check.interval.ms the logs, of leaders and followers, are asked to drop what their topic's retention no longer covers. Never beyond
// the high watermark that the replica knows.

import type { Env, Timer } from '../env/env.ts'
import { DamagedLogError } from '../log/walk.ts'
import type { LocalReplica } from './local-replica.ts'

export class RetentionTask {
  readonly #env: Env
  readonly #replicas: () => Iterable<LocalReplica>
  readonly #intervalMs: number
  readonly #fail: (error: Error) => void
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(env: Env, o: { intervalMs: number; replicas: () => Iterable<LocalReplica>; fail: (error: Error) => void }) {
    this.#env = env
    this.#intervalMs = o.intervalMs
    this.#replicas = o.replicas
    this.#fail = o.fail
    this.#wait()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#running
  }

  #wait(): void {
    this.#timer = this.#env.clock.setTimer(this.#intervalMs, () => {
      this.#running = this.#run().then(
        () => {
          if (!this.#closed) this.#wait()
        },
        error => this.#fail(error instanceof Error ? error : new Error(String(error))),
      )
    })
  }

  async #run(): Promise<void> {
    for (const replica of [...this.#replicas()]) {
      if (this.#closed) return
      try {
        await replica.log.deleteExpiredSegments(replica.highWatermark, this.#env.clock.wallTime())
      } catch (error) {
        // Found damaged by a read meanwhile: it is set aside, and its partition alone stops (seed 837).
        if (!(error instanceof DamagedLogError)) throw error
      }
    }
  }
}
