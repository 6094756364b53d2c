// Whose turn it is on the one thread. A connection whose requests took long steps back into one queue for the whole node; between two turns of
// that queue the loop is left to everybody else for as long as the last turn took. So requests that burn time have half of it at most, together,
// whatever the number of connections they come by, and whoever asks for little waits for one of them at most. What took longer than its length
// explains (a few bytes that unpack to many) has a quarter of the time: between two of those there is room for all of somebody else's request, its
// way to the disk included. In the queue those come first who burned
// least of late: a pause of the process makes a guilty one of anybody. A connection that is alone loses nothing.
// A round of the loop has an end, too: what many connections sent in it is begun until ROUND_MS are spent; the rest comes after the loop went round and
// everybody was heard, in the same order, and one that waited longest whatever it burned. Those whom nobody knows yet come after those who are
// known for short requests. So a hundred connections with a costly first request each do not make one long turn of them.
// Heavy requests (many names: what they decode to takes many times their bytes) are also handled one after another, because several of them
// at once would take memory without end; one that waits for something does not keep the others back for longer than HEAVY_MS.
import type { Clock, Timer } from '../env/env.ts'
import { unpacked } from '../protocol/compression.ts'

/** Handled in one go; then others have their turn. */
export const TURN_MS = 10
/** So much sooner when it is not the length of the requests that explains it. */
export const TOO_LONG_MS = 2
/** Then others have the loop for so many times as long. */
export const UNEXPLAINED_PAUSE = 3
const EXPLAINED_MS = 0.25
const EXPLAINED_BYTES_PER_MS = 64 * 1024
/** Of what many send at once; then the loop goes round. */
const ROUND_MS = 5
const MAX_PAUSE_MS = 100
/** Others count as present this long after their last request. */
const PRESENT_MS = 1000
const HEAVY_MS = 1000
/** What was burned counts half after this long. */
const HALF_LIFE_MS = 1000
/** What a stranger is thought to have burned. */
const STRANGER_MS = 1
/** Unpacked bytes are freed between events only. */
const UNPACKED_PER_ROUND_BYTES = 8 * 1024 * 1024

/** What somebody's requests took of late. */
export interface Burned {
  ms: number
  atMs: number
}

/** What a request of this length may take: a megabyte of batches that have to be unpacked some 15 ms. */
export function explainedMs(requestBytes: number): number {
  return EXPLAINED_MS + requestBytes / EXPLAINED_BYTES_PER_MS
}

export function strangerBurned(nowMs: number): Burned {
  return { ms: STRANGER_MS, atMs: nowMs }
}

export interface TurnTaker {
  /** Kept here for Turns. */
  readonly burned: Burned
  /** The turn has come. */
  goOn(): void
}

export class Turns {
  readonly #clock: Clock
  readonly #resting = new Set<TurnTaker>()
  /** They wait for the round to end. */
  readonly #deferred = new Set<TurnTaker>()
  /** In order of coming. */
  readonly #heavyWaiting = new Set<TurnTaker>()
  #heavy: { readonly owner: TurnTaker; readonly timer: Timer } | undefined
  #timer: Timer | undefined
  /** The loop is left to others until then. */
  #pauseUntilMs = Number.NEGATIVE_INFINITY
  #last: TurnTaker | undefined
  #changedAtMs = Number.NEGATIVE_INFINITY
  /** Since the loop went round. */
  #roundMs = 0
  /** `unpacked.bytes` when it did. */
  #unpackedBefore = unpacked.bytes
  /** Who was deferred is called when the loop goes round next. */
  #isRoundArmed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `taker` hands up requests now. */
  begins(taker: TurnTaker, nowMs: number): void {
    if (taker === this.#last) return
    this.#last = taker
    this.#changedAtMs = nowMs
  }

  /** A request took so long, or a part of one. */
  spent(tookMs: number): void {
    if (this.#roundMs === 0) this.#clock.turn(this.#wentRound)
    this.#roundMs += tookMs
  }

  readonly #wentRound = (): void => {
    this.#roundMs = 0
    this.#unpackedBefore = unpacked.bytes
  }

  isResting(taker: TurnTaker): boolean {
    return this.#resting.has(taker) || this.#deferred.has(taker) || this.#heavyWaiting.has(taker)
  }

  /** Nothing more is begun until the loop went round: see `defer`. */
  mustWait(taker: TurnTaker): boolean {
    return this.#roundMs >= ROUND_MS || (unpacked.bytes - this.#unpackedBefore >= UNPACKED_PER_ROUND_BYTES && taker.burned.ms > 0)
  }

  /** It did work for so long in this round; `goOn` comes when the loop went round. */
  defer(taker: TurnTaker, tookMs: number): void {
    burn(taker, tookMs, this.#clock.now())
    this.#deferred.add(taker)
    this.#armRound()
  }

  /**
   * Its last turn took so long; `goOn` comes when it is its turn again.
   * @param pauseMs  that the loop is left to others before the next turn of anybody who rests
   */
  rest(taker: TurnTaker, tookMs: number, pauseMs = tookMs): void {
    const now = this.#clock.now()
    burn(taker, tookMs, now)
    this.#resting.add(taker)
    const alone = this.#resting.size === 1 && now - this.#changedAtMs > PRESENT_MS
    if (!alone) this.#pauseUntilMs = Math.max(this.#pauseUntilMs, now + Math.min(pauseMs, MAX_PAUSE_MS))
    this.#arm(now)
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
    this.#deferred.delete(taker)
    this.#heavyWaiting.delete(taker)
    if (this.#last === taker) this.#last = undefined
    this.heavyDone(taker)
    // It may have been called before.
    if (this.#heavy === undefined) this.#callHeavy()
  }

  #arm(nowMs: number): void {
    if (this.#resting.size > 0) this.#timer ??= this.#clock.setTimer(Math.max(0, this.#pauseUntilMs - nowMs), this.#next)
  }

  readonly #next = (): void => {
    this.#timer = undefined
    const now = this.#clock.now()
    if (now >= this.#pauseUntilMs) {
      this.#wentRound()
      let next: TurnTaker | undefined
      for (const taker of this.#resting) if (next === undefined || burnedAt(taker, now) < burnedAt(next, now)) next = taker
      if (next !== undefined) {
        this.#resting.delete(next)
        next.goOn()
      }
    }
    this.#arm(this.#clock.now())
  }

  /** A turn that is asked for in a turn comes after the loop went round. */
  #armRound(): void {
    if (this.#isRoundArmed) return
    this.#isRoundArmed = true
    this.#clock.turn(() => this.#clock.turn(this.#nextRound))
  }

  readonly #nextRound = (): void => {
    this.#isRoundArmed = false
    this.#wentRound()
    const now = this.#clock.now()
    const [oldest, ...others] = this.#deferred
    if (oldest === undefined) return
    others.sort((a, b) => burnedAt(a, now) - burnedAt(b, now))
    for (const taker of [...others, oldest]) {
      if (this.#roundMs >= ROUND_MS && taker !== oldest) continue
      // Another's turn may have ended this one's connection.
      if (this.#deferred.delete(taker)) taker.goOn()
    }
    if (this.#deferred.size > 0) this.#armRound()
  }
}

function burn(taker: TurnTaker, tookMs: number, nowMs: number): void {
  taker.burned.ms = burnedAt(taker, nowMs) + tookMs
  taker.burned.atMs = nowMs
}

function burnedAt({ burned: { ms, atMs } }: TurnTaker, nowMs: number): number {
  return ms * 0.5 ** ((nowMs - atMs) / HALF_LIFE_MS)
}
