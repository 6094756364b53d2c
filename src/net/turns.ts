// Whose turn it is on the one thread. A connection whose requests took long steps back into one queue for the whole node; between two turns of
// that queue the loop is left to everybody else for as long as the last turn took. So requests that burn time have half of it at most, together,
// whatever the number of connections they come by, and whoever asks for little waits for one of them at most. A connection that is alone loses nothing.
// Heavy requests (many names: what they decode to takes many times their bytes) are also handled one after another, because several of them
// at once would take memory without end; one that waits for something does not keep the others back for longer than HEAVY_MS.
import type { Clock, Timer } from '../env/env.ts'
import { unpacked } from '../protocol/compression.ts'

/** Handled in one go; then others have their turn. */
export const TURN_MS = 10
/** Others count as present this long after their last request. */
const PRESENT_MS = 1000
const HEAVY_MS = 1000
/** Unpacked bytes are freed between events only. */
const UNPACKED_PER_ROUND_BYTES = 32 * 1024 * 1024

export interface TurnTaker {
  /** The turn has come. */
  goOn(): void
}

export class Turns {
  readonly #clock: Clock
  /** In order of coming. */
  readonly #resting = new Set<TurnTaker>()
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

  /** So much was unpacked since the loop went round that nothing more should be before it does. */
  get isExhausted(): boolean {
    return unpacked.sinceRoundBytes >= UNPACKED_PER_ROUND_BYTES
  }

  isResting(taker: TurnTaker): boolean {
    return this.#resting.has(taker) || this.#heavyWaiting.has(taker)
  }

  /** Its last turn took so long; `goOn` comes when it is its turn again. */
  rest(taker: TurnTaker, tookMs: number): void {
    this.#resting.add(taker)
    const alone = this.#resting.size === 1 && this.#clock.now() - this.#changedAtMs > PRESENT_MS
    this.#timer ??= this.#clock.setTimer(alone ? 0 : tookMs, () => this.#next())
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
  }

  #next(): void {
    this.#timer = undefined
    unpacked.sinceRoundBytes = 0
    for (const taker of this.#resting) {
      this.#resting.delete(taker)
      taker.goOn()
      break
    }
    if (this.#resting.size > 0) this.#timer ??= this.#clock.setTimer(0, () => this.#next())
  }
}
