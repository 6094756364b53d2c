// Whose turn it is on the one thread. A connection whose requests took long steps back into one queue for the whole node; between two turns of
// that queue the loop is left to everybody else for as long as the last turn took. So requests that burn time have half of it at most, together,
// whatever the number of connections they come by, and whoever asks for little waits for one of them at most. In the queue those come first who burned
// least of late: a pause of the process makes a guilty one of anybody. A connection that is alone loses nothing.
// Heavy requests (many names: what they decode to takes many times their bytes) are also handled one after another, because several of them
// at once would take memory without end; one that waits for something does not keep the others back for longer than HEAVY_MS.
import type { Clock, Timer } from '../env/env.ts'
import { unpacked } from '../protocol/compression.ts'

/** Handled in one go; then others have their turn. */
export const TURN_MS = 10
const MAX_PAUSE_MS = 50
/** Others count as present this long after their last request. */
const PRESENT_MS = 1000
const HEAVY_MS = 1000
/** What was burned counts half after this long. */
const HALF_LIFE_MS = 1000
/** Unpacked bytes are freed between events only. */
const UNPACKED_PER_ROUND_BYTES = 16 * 1024 * 1024

export interface TurnTaker {
  /** Its requests took so long, of late; kept here for Turns. */
  readonly burned: { ms: number; atMs: number }
  /** The turn has come. */
  goOn(): void
}

export class Turns {
  readonly #clock: Clock
  readonly #resting = new Set<TurnTaker>()
  /** In order of coming. */
  readonly #heavyWaiting = new Set<TurnTaker>()
  #heavy: { readonly owner: TurnTaker; readonly timer: Timer } | undefined
  #timer: Timer | undefined
  #last: TurnTaker | undefined
  #changedAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `taker` hands up requests now. */
  begins(taker: TurnTaker, nowMs: number): void {
    if (taker === this.#last) return
    this.#last = taker
    this.#changedAtMs = nowMs
  }

  isResting(taker: TurnTaker): boolean {
    return this.#resting.has(taker) || this.#heavyWaiting.has(taker)
  }

  /** So much was unpacked since the loop went round that a connection that takes its part in it had better wait until it does. */
  mustWait(taker: TurnTaker): boolean {
    return unpacked.sinceRoundBytes >= UNPACKED_PER_ROUND_BYTES && taker.burned.ms > 0
  }

  /** Its last turn took so long; `goOn` comes when it is its turn again. */
  rest(taker: TurnTaker, tookMs: number): void {
    const now = this.#clock.now()
    const { burned } = taker
    burned.ms = burned.ms * 0.5 ** ((now - burned.atMs) / HALF_LIFE_MS) + tookMs
    burned.atMs = now
    this.#resting.add(taker)
    const alone = this.#resting.size === 1 && now - this.#changedAtMs > PRESENT_MS
    this.#timer ??= this.#clock.setTimer(alone ? 0 : Math.min(tookMs, MAX_PAUSE_MS), () => this.#next())
  }

  /** @returns false when another heavy request runs; `goOn` comes when the place is free */
  takeHeavy(taker: TurnTaker): boolean {
    if (this.#heavy !== undefined) {
      this.#heavyWaiting.add(taker)
      return false
    }
    this.#heavy = { owner: taker, timer: this.#clock.setTimer(HEAVY_MS, () => this.heavyDone(taker)) }
    return true
  }

  /** Its heavy request, if it has one, is settled. */
  heavyDone(taker: TurnTaker): void {
    if (this.#heavy?.owner !== taker) return
    this.#heavy.timer.cancel()
    this.#heavy = undefined
    this.#callHeavy()
  }

  /** The place is free. Whoever is called takes it in his turn, if he is still there then. */
  #callHeavy(): void {
    for (const next of this.#heavyWaiting) {
      this.#heavyWaiting.delete(next)
      // Not in the time of the one before.
      this.rest(next, TURN_MS)
      break
    }
  }

  gone(taker: TurnTaker): void {
    this.#resting.delete(taker)
    this.#heavyWaiting.delete(taker)
    if (this.#last === taker) this.#last = undefined
    this.heavyDone(taker)
    // It may have been called before.
    if (this.#heavy === undefined) this.#callHeavy()
  }

  #next(): void {
    this.#timer = undefined
    unpacked.sinceRoundBytes = 0
    let next: TurnTaker | undefined
    for (const taker of this.#resting) if (next === undefined || taker.burned.ms < next.burned.ms) next = taker
    if (next !== undefined) {
      this.#resting.delete(next)
      next.goOn()
    }
    if (this.#resting.size > 0) this.#timer ??= this.#clock.setTimer(0, () => this.#next())
  }
}
