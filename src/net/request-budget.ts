// One budget for the bytes of requests that a node holds, whole or not: queued.max.request.bytes. Pure but for one timer.
//
// Whoever holds much is stopped first, so that small requests of others go on: from three quarters of the budget on those are not read from who
// hold 64 KiB, from the whole of it those who hold 4 KiB. They are read from again when a third of that is given back. Reading stops before
// the next connection's bytes are taken, so a mark is exceeded by one read at most. Thousands of connections with a little each can still get
// further: at four times the budget those that wait longest within a frame are cut off.
// One request always progresses: when nothing was given back for a while, the one that waits longest within a frame is read to the end of it, over
// the budget if need be; one that is so preferred and sends too little is cut off, so that a stalled frame holds the budget not for ever. And some of
// those who wait are read from now and then all the same: that a peer is gone is seen by reading only.
// Facts: kafka.network.SocketServer's memory pool mutes channels likewise; it counts a frame from its first byte by the length it announces.
import type { Clock, Timer } from '../env/env.ts'

interface Tier {
  /** Of those who hold so much. */
  readonly heldBytes: number
  /** As parts of the budget. */
  readonly stopAt: number
  readonly goOnAt: number
}

const TIERS: readonly Tier[] = [
  { heldBytes: 64 * 1024, stopAt: 0.75, goOnAt: 0.5 },
  { heldBytes: 4096, stopAt: 1, goOnAt: 0.67 },
]
/** Half of what frames hold that are not whole is room for more, which nothing was written to. */
const CUT_OFF_AT = 4
const CUT_OFF_TO = 3.75
const TICK_MS = 250
/** What the preferred one must send in a tick. */
const LEAST_PER_TICK_BYTES = 16 * 1024
/** Looked at in a tick. */
const PROBES = 16

export interface BudgetUser {
  /** Bytes of its requests in memory, whole and partial. */
  readonly heldBytes: number
  /** A frame has begun and is not whole. */
  readonly isMidFrame: boolean
  /** false also when it has limits of its own to wait for: it goes on when its own requests are answered. */
  readonly isReadFrom: boolean
  /** Of all times. */
  readonly receivedBytes: number
  stopReading(): void
  readOn(): void
  cutOff(reason: string): void
}

export class RequestBudget {
  readonly #limitBytes: number
  readonly #clock: Clock
  readonly #everybody: Iterable<BudgetUser>
  /** Not read from, with the tier that stopped them; the longest waiting first. */
  readonly #waiting = new Map<BudgetUser, Tier>()
  /** Whose mark was reached. */
  readonly #reached = new Set<Tier>()
  #usedBytes = 0
  /** Bytes that were read, of all times and connections. */
  takenBytes = 0
  #preferred: { readonly user: BudgetUser; receivedBytes: number } | undefined
  #gaveBack = false
  #timer: Timer | undefined

  constructor(clock: Clock, o: { limitBytes: number; everybody: Iterable<BudgetUser> }) {
    this.#clock = clock
    this.#limitBytes = o.limitBytes
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
      // Until what it was let in with is settled: it is counted apart.
      if (this.#preferred?.user === user && !user.isMidFrame && user.heldBytes < TIERS[0]!.heldBytes) this.#preferred = undefined
      if (this.#reached.size > 0) this.#open()
    } else if (this.#usedBytes >= this.#limitBytes * TIERS[0]!.stopAt) {
      this.#shut(user)
      if (this.#countedBytes >= this.#limitBytes * CUT_OFF_AT) this.#cutOff()
    }
  }

  /** @param heldBytes  what it held to the last */
  gone(user: BudgetUser, heldBytes: number): void {
    this.#waiting.delete(user)
    if (this.#preferred?.user === user) this.#preferred = undefined
    if (heldBytes !== 0) this.changed(user, -heldBytes)
  }

  /** What the preferred one holds is not held against the others. */
  get #countedBytes(): number {
    return this.#usedBytes - (this.#preferred?.user.heldBytes ?? 0)
  }

  #shut(user: BudgetUser): void {
    for (const tier of TIERS) {
      if (this.#reached.has(tier)) {
        if (user.heldBytes >= tier.heldBytes) this.#stop(user, tier)
      } else if (this.#countedBytes >= this.#limitBytes * tier.stopAt) {
        this.#reached.add(tier)
        for (const each of this.#everybody) if (each.heldBytes >= tier.heldBytes) this.#stop(each, tier)
      }
    }
  }

  #open(): void {
    const open = TIERS.filter(tier => this.#reached.has(tier) && this.#countedBytes <= this.#limitBytes * tier.goOnAt)
    if (open.length === 0) return
    for (const tier of open) this.#reached.delete(tier)
    for (const [user, tier] of [...this.#waiting]) {
      if (!open.includes(tier)) continue
      this.#waiting.delete(user)
      user.readOn()
    }
  }

  #cutOff(): void {
    for (const user of [...this.#waiting.keys()]) {
      if (this.#countedBytes <= this.#limitBytes * CUT_OFF_TO) break
      if (user.isMidFrame) user.cutOff('others needed the memory of a request that was not whole')
    }
  }

  #stop(user: BudgetUser, tier: Tier): void {
    if (this.#waiting.has(user) || this.#preferred?.user === user) return
    this.#waiting.set(user, tier)
    user.stopReading()
    this.#timer ??= this.#clock.setTimer(TICK_MS, () => this.#tick())
  }

  #tick(): void {
    this.#timer = undefined
    if (this.#preferred?.user.isReadFrom === false) this.#preferred = undefined
    const { user, receivedBytes } = this.#preferred ?? {}
    if (user?.isMidFrame === true) {
      if (user.receivedBytes - receivedBytes! < LEAST_PER_TICK_BYTES) user.cutOff('it sent too little of a request while others waited')
      else this.#preferred = { user, receivedBytes: user.receivedBytes }
    }
    if (this.#reached.size > 0) this.#open()
    if (this.#waiting.size === 0) return
    if (!this.#gaveBack && this.#preferred === undefined) this.#prefer()
    this.#gaveBack = false
    this.#probe()
    this.#timer ??= this.#clock.setTimer(TICK_MS, () => this.#tick())
  }

  /** Who is still there sends, and waits again, behind the others. */
  #probe(): void {
    let left = PROBES
    for (const user of [...this.#waiting.keys()]) {
      if (left-- === 0) break
      this.#waiting.delete(user)
      user.readOn()
    }
  }

  /** A frame that has begun comes first: only its end gives anything back. */
  #prefer(): void {
    const waiting = [...this.#waiting.keys()]
    for (const next of [...waiting.filter(user => user.isMidFrame), ...waiting.filter(user => !user.isMidFrame)]) {
      this.#waiting.delete(next)
      next.readOn()
      if (!next.isReadFrom) continue
      this.#preferred = { user: next, receivedBytes: next.receivedBytes }
      return
    }
  }
}
