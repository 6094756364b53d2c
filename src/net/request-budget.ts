// One budget for the bytes of requests that a node holds, whole or not: queued.max.request.bytes. Pure but for one timer.
//
// Frames that are not small are let in as a whole. Whose frame finds no room is not read from, has 16 KiB and what one read brought in memory, and
// is let in when it is his turn: writers wait for each other, and none of them is closed for the others' sake. Who was let in and sends too little for
// a second while others wait counts with what he sent, and asks again when he sends more: a stalled frame holds no room but its own. One frame is
// always let in. A frame above a quarter of the budget counts apart, and there is one such at a time; so a node holds the budget and one
// such frame at most. One of those that stands still for five seconds while others wait for its place is cut off.
//
// Of what is small, whoever holds much is stopped first, so that others go on: from three quarters of the budget on those are not read from who
// hold 64 KiB, from the whole of it those who hold 4 KiB. They are read from again when a third of that is given back. Reading stops before
// the next connection's bytes are taken, so a mark is exceeded by one read at most. Thousands of connections with a little each can still get
// further: at twice the budget those that wait longest within a frame are cut off.
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
/** A frame above this part of the budget counts apart. */
const HUGE_FROM = 0.25
/** Half of what frames hold that are not whole is room for more, which nothing was written to. */
const CUT_OFF_AT = 2
const CUT_OFF_TO = 1.875
const TICK_MS = 250
/** What the preferred one must send in a tick. */
const LEAST_PER_TICK_BYTES = 16 * 1024
/** How often those who were let in are looked at while others wait, and what they must have sent since. */
const LOOK_TICKS = 4
const LEAST_PER_LOOK_BYTES = 16 * 1024
/** So often in a row a huge one may have sent too little. */
const PATIENT_LOOKS = 5
/** Looked at in a tick. */
const PROBES = 16

export interface BudgetUser {
  /** Bytes of its requests in memory, whole and partial; of a frame that was let in all. */
  readonly heldBytes: number
  /** A frame has begun and is not whole. */
  readonly isMidFrame: boolean
  /** false also when it has limits of its own to wait for: it goes on when its own requests are answered. */
  readonly isReadFrom: boolean
  /** Its requests are not gone on with, because it takes no answers. */
  readonly isDeaf: boolean
  /** Of all times. */
  readonly receivedBytes: number
  stopReading(): void
  readOn(): void
  /** The frame that it asked for may be held. */
  letIn(): void
  /** That is taken back, until it asks again. */
  suspend(): void
  cutOff(reason: string): void
}

interface Seen {
  /** At the last look. */
  receivedBytes: number
  stalledLooks: number
}

export class RequestBudget {
  readonly #limitBytes: number
  readonly #clock: Clock
  readonly #everybody: Iterable<BudgetUser>
  /** Not read from, with the tier that stopped them; the longest waiting first. */
  readonly #waiting = new Map<BudgetUser, Tier>()
  /** Whose mark was reached. */
  readonly #reached = new Set<Tier>()
  /** With the bytes of the frame that each wants to be let in; the longest waiting first. */
  readonly #asking = new Map<BudgetUser, number>()
  readonly #askingHuge = new Map<BudgetUser, number>()
  /** Let in, and not whole. */
  readonly #letIn = new Map<BudgetUser, Seen>()
  /** The one huge frame, until its bytes are given back. */
  #huge: { readonly user: BudgetUser; readonly frameBytes: number; isWhole: boolean } | undefined
  #usedBytes = 0
  /** Bytes that were read, of all times and connections. */
  takenBytes = 0
  #preferred: { readonly user: BudgetUser; receivedBytes: number } | undefined
  #gaveBack = false
  #ticks = 0
  #timer: Timer | undefined

  constructor(clock: Clock, o: { limitBytes: number; everybody: Iterable<BudgetUser> }) {
    this.#clock = clock
    this.#limitBytes = o.limitBytes
    this.#everybody = o.everybody
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Until the budget is used up. */
  get leftBytes(): number {
    return Math.max(0, this.#limitBytes - this.#usedBytes)
  }

  get waitingCount(): number {
    return this.#waiting.size + this.#asking.size + this.#askingHuge.size
  }

  /**
   * A frame of `user` has begun: may all of it be held? It counts as held from then on.
   * @returns false when `letIn` comes later
   */
  mayHold(user: BudgetUser, frameBytes: number): boolean {
    if (this.#asking.has(user) || this.#askingHuge.has(user)) return false
    const isHuge = frameBytes > this.#limitBytes * HUGE_FROM
    const asking = isHuge ? this.#askingHuge : this.#asking
    const hasRoom = isHuge ? this.#huge === undefined : this.#hasRoomFor(frameBytes)
    if (asking.size === 0 && hasRoom) {
      this.#admit(user, frameBytes, isHuge)
      return true
    }
    asking.set(user, frameBytes)
    // Its turn comes in the one queue or the other.
    this.#waiting.delete(user)
    this.#arm()
    return false
  }

  #hasRoomFor(frameBytes: number): boolean {
    return this.#letIn.size === 0 || this.#countedBytes + frameBytes <= this.#limitBytes
  }

  #admit(user: BudgetUser, frameBytes: number, isHuge: boolean): void {
    this.#letIn.set(user, { receivedBytes: Number.NEGATIVE_INFINITY, stalledLooks: 0 })
    if (isHuge) this.#huge = { user, frameBytes, isWhole: false }
  }

  /** The frame that was let in has come. */
  isWhole(user: BudgetUser): void {
    this.#letIn.delete(user)
    if (this.#huge?.user === user) this.#huge.isWhole = true
  }

  /** What `user` holds has changed by so much. */
  changed(user: BudgetUser, byBytes: number): void {
    this.#usedBytes += byBytes
    if (byBytes < 0) {
      this.#gaveBack = true
      // Until what it was let in with is settled: it is counted apart.
      if (this.#preferred?.user === user && !user.isMidFrame && user.heldBytes < TIERS[0]!.heldBytes) this.#preferred = undefined
      if (this.#huge?.user === user && this.#huge.isWhole && user.heldBytes < this.#huge.frameBytes) this.#huge = undefined
      this.#letWaitingIn()
      if (this.#reached.size > 0) this.#open()
    } else if (this.#usedBytes >= this.#limitBytes * TIERS[0]!.stopAt) {
      this.#shut(user)
      if (this.#countedBytes >= this.#limitBytes * CUT_OFF_AT) this.#cutOff()
    }
  }

  /** @param heldBytes  what it held to the last */
  gone(user: BudgetUser, heldBytes: number): void {
    this.#waiting.delete(user)
    this.#asking.delete(user)
    this.#askingHuge.delete(user)
    this.#letIn.delete(user)
    if (this.#preferred?.user === user) this.#preferred = undefined
    if (this.#huge?.user === user) this.#huge = undefined
    if (heldBytes !== 0) this.changed(user, -heldBytes)
    else this.#letWaitingIn()
  }

  #letWaitingIn(): void {
    for (const [user, frameBytes] of this.#asking) {
      if (!this.#hasRoomFor(frameBytes)) break
      this.#asking.delete(user)
      this.#admit(user, frameBytes, false)
      user.letIn()
    }
    for (const [user, frameBytes] of this.#askingHuge) {
      if (this.#huge !== undefined) break
      this.#askingHuge.delete(user)
      this.#admit(user, frameBytes, true)
      user.letIn()
    }
  }

  /** What the preferred one and the huge one hold is not held against the others. */
  get #countedBytes(): number {
    const preferred = this.#preferred?.user
    const huge = this.#huge?.user
    return this.#usedBytes - (preferred?.heldBytes ?? 0) - (huge === preferred ? 0 : (huge?.heldBytes ?? 0))
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
    for (const user of [...this.#waiting.keys(), ...this.#asking.keys(), ...this.#askingHuge.keys()]) {
      if (this.#countedBytes <= this.#limitBytes * CUT_OFF_TO) break
      if (user.isMidFrame) user.cutOff('others needed the memory of a request that was not whole')
    }
  }

  /** Who was let in is read from; who asks waits for that. */
  #stop(user: BudgetUser, tier: Tier): void {
    if (this.#waiting.has(user) || this.#preferred?.user === user || this.#letIn.has(user)) return
    if (this.#asking.has(user) || this.#askingHuge.has(user)) return
    this.#waiting.set(user, tier)
    user.stopReading()
    this.#arm()
  }

  #arm(): void {
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
    this.#letWaitingIn()
    if (++this.#ticks % LOOK_TICKS === 0 && this.#asking.size + this.#askingHuge.size > 0) this.#look()
    if (this.waitingCount === 0) return
    if (!this.#gaveBack && this.#preferred === undefined && this.#letIn.size === 0) this.#prefer()
    this.#gaveBack = false
    this.#probe()
    this.#arm()
  }

  /** Room that is held for nothing is taken from those who hold it. */
  #look(): void {
    for (const [user, seen] of [...this.#letIn]) {
      if (!this.#letIn.has(user)) continue
      const isStalled = user.receivedBytes - seen.receivedBytes < LEAST_PER_LOOK_BYTES && (user.isReadFrom || user.isDeaf)
      seen.receivedBytes = user.receivedBytes
      seen.stalledLooks = isStalled ? seen.stalledLooks + 1 : 0
      if (!isStalled) continue
      if (this.#huge?.user !== user) {
        this.#letIn.delete(user)
        user.suspend()
      } else if (seen.stalledLooks === PATIENT_LOOKS) user.cutOff('it sent too little of a request while others waited')
    }
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
