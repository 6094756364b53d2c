// Long lists are worked through in slices, between which the loop serves others: a request that names 100,000 things costs a tenth of a second
// in one piece. Whoever comes to the end of a slice waits in the one queue that all have who take long (src/net/turns.ts).
// Between two slices the world moves: the image, leaderships, the log. What must be seen or done as one is done within one.
import type { Clock } from '../env/env.ts'
import type { ServerConnection } from '../net/server.ts'
import { ProtocolError } from '../protocol/errors.ts'

const SLICE_MS = 2
/** Where time does not pass while somebody works (simulation) things are counted alone. */
const SLICE_THINGS = 2048
/** Between two looks at the clock. */
const LOOK_THINGS = 16

/** Of one request. */
export class Slices {
  readonly #clock: Clock
  readonly #connection: Pick<ServerConnection, 'rest'>
  /** A slice ends with the round of the loop, too: who waits for a disk does not work. */
  #isRunning = false
  #startedAt = 0
  #things = 0
  #nextLook = LOOK_THINGS
  #wasLong = false

  constructor(clock: Clock, connection: Pick<ServerConnection, 'rest'>) {
    this.#clock = clock
    this.#connection = connection
  }

  /** It took more than one slice so far. */
  get wasLong(): boolean {
    return this.#wasLong
  }

  /**
   * To be asked before each thing of a list: when it says so, `next` is due.
   * @param things  how many common ones this one is worth
   */
  isOver(things = 1): boolean {
    this.#things += things
    if (this.#things < this.#nextLook) return false
    this.#nextLook = this.#things + LOOK_THINGS
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#startedAt = this.#clock.now()
      this.#things = 0
      this.#nextLook = LOOK_THINGS
      this.#clock.turn(() => void (this.#isRunning = false))
      return false
    }
    return this.#things >= SLICE_THINGS || this.#clock.now() - this.#startedAt >= SLICE_MS
  }

  /**
   * Settles when others had their turn.
   * @throws ProtocolError nobody waits for the answer any more
   */
  async next(): Promise<void> {
    this.#wasLong = true
    if (!(await this.#connection.rest(this.#clock.now() - this.#startedAt))) throw new ProtocolError('client closed')
    this.#isRunning = false
    this.#things = LOOK_THINGS
    this.#nextLook = LOOK_THINGS
  }

  /** @throws ProtocolError as `next`, or what the steps throw */
  async run<T>(steps: Generator<undefined, T>, thingsPerStep: number): Promise<T> {
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      if (this.isOver(thingsPerStep)) await this.next()
    }
  }

  /** As `list.map`. */
  async map<T, R>(list: readonly T[], make: (item: T) => R): Promise<R[]> {
    const made: R[] = new Array(list.length)
    for (let i = 0; i < list.length; i++) {
      if (this.isOver()) await this.next()
      made[i] = make(list[i]!)
    }
    return made
  }
}
