// One thing asked of the cluster, tried until it works, is refused, or its time is up. Shell around retry.ts.
import { type Clock, EnvError, sleep } from '../env/env.ts'
import { errorMessage, errorName, isRetriable, KafkaError, ProtocolError, REQUEST_TIMED_OUT } from '../protocol/errors.ts'
import type { Cluster } from './cluster.ts'
import { asksForMetadata, backoffMs } from './retry.ts'

/** A broker that answers at the end of the time given to it is still heard. */
export const ANSWER_MARGIN_MS = 1000

/** Keeps the process alive until the result is called. Timers do not, so without it a program that waits for a broker to come would just end. */
export type Hold = () => () => void

/** Holds the process while somebody waits for an outcome. */
export class Occupancy {
  readonly #hold: Hold
  #count = 0
  #release: (() => void) | undefined

  constructor(hold: Hold) {
    this.#hold = hold
  }

  enter(count = 1): void {
    if (this.#count === 0) this.#release = this.#hold()
    this.#count += count
  }

  leave(count = 1): void {
    this.#count -= count
    if (this.#count === 0) this.#release?.()
  }

  async during<T>(operation: () => Promise<T>): Promise<T> {
    this.enter()
    try {
      return await operation()
    } finally {
      this.leave()
    }
  }
}

/** Counts from the start of an operation. */
export class Deadline {
  readonly timeoutMs: number
  readonly #clock: Clock
  readonly #atMs: number

  constructor(clock: Clock, timeoutMs: number) {
    this.timeoutMs = timeoutMs
    this.#clock = clock
    this.#atMs = clock.now() + timeoutMs
  }

  /** At least 1, so that a last try can be made. */
  get leftMs(): number {
    return Math.max(1, this.#atMs - this.#clock.now())
  }

  get elapsedMs(): number {
    return this.#clock.now() - (this.#atMs - this.timeoutMs)
  }
}

/** The connection broke, the broker could not be reached, or it says that the same request may work later. Not after we closed. */
export function mayWorkLater(error: unknown): boolean {
  return (error instanceof EnvError && error.code !== 'ECANCELED') || (error instanceof KafkaError && isRetriable(error.code))
}

/**
 * @param attempt  is called again, after a backoff and with new metadata where that may help, while what it throws may work later
 * @throws what the last attempt threw
 */
export function retrying<T>(cluster: Cluster, deadline: Deadline, attempt: () => Promise<T>): Promise<T> {
  return cluster.occupancy.during(() => attemptUntil(cluster, deadline, attempt))
}

async function attemptUntil<T>(cluster: Cluster, deadline: Deadline, attempt: () => Promise<T>): Promise<T> {
  const { clock, random } = cluster.env
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt()
    } catch (error) {
      if (!mayWorkLater(error)) throw error
      const waitMs = backoffMs(cluster.options.backoff, attempts, random.fraction())
      if (waitMs >= deadline.leftMs) throw timedOut(deadline, error as Error)
      if (error instanceof EnvError || asksForMetadata((error as KafkaError).code)) cluster.stale()
      await sleep(clock, waitMs)
    }
  }
}

function timedOut(deadline: Deadline, last: Error): KafkaError {
  const code = last instanceof KafkaError ? last.code : REQUEST_TIMED_OUT
  return new KafkaError(code, `gave up after ${deadline.timeoutMs} ms: ${last.message}`, { cause: last })
}

/** A broker's refusal as an error. */
export function refusal(code: number, what: string, message: string | null): KafkaError {
  return new KafkaError(code, `${what}: ${errorName(code)}: ${message ?? errorMessage(code)}`)
}

/** What the peer or the world did wrong; anything else is a fault of our own and is thrown on. */
export function asFailure(error: unknown): KafkaError | EnvError | ProtocolError {
  if (error instanceof KafkaError || error instanceof EnvError || error instanceof ProtocolError) return error
  throw error
}
