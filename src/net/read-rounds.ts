// How much is read before the loop goes round. A socket that has much to give is read from up to 8 MiB at a time, which takes milliseconds, and some
// of those one after another make everybody wait. So those within a large frame are left alone for the rest of a round that brought enough.
import type { Clock } from '../env/env.ts'

const ROUND_BYTES = 1024 * 1024

export class ReadRounds {
  readonly #clock: Clock
  #bytes = 0
  #isArmed = false
  #waiting: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** So much was read. @returns whether it is enough for this round */
  isOver(bytes: number): boolean {
    if (!this.#isArmed) {
      this.#isArmed = true
      this.#clock.turn(this.#wentRound)
    }
    this.#bytes += bytes
    return this.#bytes >= ROUND_BYTES
  }

  /** `goOn` is called when the loop went round. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn)
  }

  readonly #wentRound = (): void => {
    this.#isArmed = false
    this.#bytes = 0
    const waiting = this.#waiting
    this.#waiting = []
    for (const goOn of waiting) goOn()
  }
}
