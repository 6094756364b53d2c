// One budget for the bytes of requests that a node holds, whole or not: queued.max.request.bytes. Pure but for one timer.
//
// Above three quarters of it whoever holds much (SMALL_BYTES or more) is not read from, so that small requests of others go on; at the whole
// of it nobody is. Both end at half. Reading stops before the next connection's bytes are taken, so the budget is exceeded by one read at most.
// One request always progresses: when nothing was given back for a while, the one that waits longest is read to the end of its frame,
// over the budget if need be; one that is so preferred and sends too little is cut off, so that a stalled frame holds the budget not for ever.
// Facts: kafka.network.SocketServer's memory pool mutes channels likewise; it counts a frame from its first byte by the length it announces.
import type { Clock, Timer } from '../env/env.ts'

/** Who holds less is read from until the budget is used up. */
const SMALL_BYTES = 64 * 1024
const TICK_MS = 500
/** What the preferred one must send in a tick. */
const LEAST_PER_TICK_BYTES = 16 * 1024

export interface BudgetUser {
  /** Bytes of its requests in memory, whole and partial. */
  readonly heldBytes: number
  /** A frame has begun and is not whole. */
  readonly isMidFrame: boolean
  /** Of all times. */
  readonly receivedBytes: number
  stopReading(): void
  readOn(): void
  cutOff(reason: string): void
}

export class RequestBudget {
  readonly limitBytes: number
  readonly #clock: Clock
  readonly #everybody: Iterable<BudgetUser>
  /** Not read from; the longest waiting first. */
  readonly #waiting = new Set<BudgetUser>()
  #usedBytes = 0
  #preferred: { readonly user: BudgetUser; receivedBytes: number } | undefined
  #gaveBack = false
  #timer: Timer | undefined

  constructor(clock: Clock, o: { limitBytes: number; everybody: Iterable<BudgetUser> }) {
    this.#clock = clock
    this.limitBytes = o.limitBytes
    this.#everybody = o.everybody
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** What `user` holds has changed by so much. */
  changed(user: BudgetUser, byBytes: number): void {
    this.#usedBytes += byBytes
    if (byBytes < 0) {
      this.#gaveBack = true
      if (this.#preferred?.user === user && !user.isMidFrame) this.#preferred = undefined
      if (this.#usedBytes <= this.limitBytes / 2) this.#releaseAll()
    } else if (this.#usedBytes >= this.limitBytes) {
      for (const each of this.#everybody) this.#stop(each)
    } else if (this.#usedBytes >= this.limitBytes * 0.75) {
      if (user.heldBytes >= SMALL_BYTES) this.#stop(user)
    }
  }

  /** @param heldBytes  what it held to the last */
  gone(user: BudgetUser, heldBytes: number): void {
    this.#waiting.delete(user)
    if (this.#preferred?.user === user) this.#preferred = undefined
    this.changed(user, -heldBytes)
  }

  #stop(user: BudgetUser): void {
    if (this.#waiting.has(user)) return
    if (this.#preferred?.user === user) {
      if (user.isMidFrame) return
      this.#preferred = undefined
    }
    this.#waiting.add(user)
    user.stopReading()
    this.#timer ??= this.#clock.setTimer(TICK_MS, () => this.#tick())
  }

  #releaseAll(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const user of waiting) user.readOn()
  }

  #tick(): void {
    this.#timer = undefined
    const { user, receivedBytes } = this.#preferred ?? {}
    if (user !== undefined) {
      if (user.receivedBytes - receivedBytes! < LEAST_PER_TICK_BYTES) user.cutOff('it sent too little of a request while others waited')
      else this.#preferred = { user, receivedBytes: user.receivedBytes }
    }
    if (this.#waiting.size === 0) return
    if (!this.#gaveBack && this.#preferred === undefined) this.#prefer()
    this.#gaveBack = false
    this.#timer ??= this.#clock.setTimer(TICK_MS, () => this.#tick())
  }

  /** A frame that has begun comes first: only its end gives anything back. */
  #prefer(): void {
    let next: BudgetUser | undefined
    for (const user of this.#waiting) {
      next ??= user
      if (user.isMidFrame) {
        next = user
        break
      }
    }
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#preferred = { user: next, receivedBytes: next.receivedBytes }
    next.readOn()
  }
}
