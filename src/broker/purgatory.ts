// Requests that wait for a partition, woken by its events alone: nothing here polls, and the only timers are the deadlines clients asked for.
// Facts: org.apache.kafka.server.purgatory.{DelayedProduce,DelayedFetch}. We differ from Kafka: a parked fetch counts the bytes that became
// visible (replica.visibleBytes) and reads once, when it is answered.

import type { Clock, Timer } from '../env/env.ts'

// ------------------------------------------------------------------------------------------------------------------------------ produce

/** Who waits for an offset. Told once per wait: 0 when it is reached, else why it never will be. */
export interface OffsetWaiter {
  settle(slot: number, errorCode: number): void
}

/** Waits of one partition for one moving offset (the high watermark, or the leader's own ackable offset). */
export class OffsetWaits {
  /** In ascending order of the offsets. */
  #waits: { requiredOffset: number; pending: OffsetWaiter; slot: number }[] = []
  #first = 0

  add(requiredOffset: number, pending: OffsetWaiter, slot: number): void {
    // Offsets are assigned in ascending order; only the duplicate of an earlier batch waits for an earlier one.
    let i = this.#waits.length
    while (i > this.#first && this.#waits[i - 1]!.requiredOffset > requiredOffset) i--
    if (i === this.#waits.length) this.#waits.push({ requiredOffset, pending, slot })
    else this.#waits.splice(i, 0, { requiredOffset, pending, slot })
  }

  reached(offset: number): void {
    while (this.#first < this.#waits.length && this.#waits[this.#first]!.requiredOffset <= offset) {
      const { pending, slot } = this.#waits[this.#first++]!
      pending.settle(slot, 0)
    }
    if (this.#first > 64 && this.#first * 2 > this.#waits.length) {
      this.#waits = this.#waits.slice(this.#first)
      this.#first = 0
    }
  }

  /** The partition is no longer led here: everybody still waiting is told so. */
  failAll(errorCode: number): void {
    this.failBeyond(-1, errorCode)
  }

  /** What lies beyond this offset will never be reached. */
  failBeyond(offset: number, errorCode: number): void {
    const left = this.#waits.slice(this.#first)
    this.#waits = left.filter(({ requiredOffset }) => requiredOffset <= offset)
    this.#first = 0
    for (const { pending, slot, requiredOffset } of left) if (requiredOffset > offset) pending.settle(slot, errorCode)
  }

  get size(): number {
    return this.#waits.length - this.#first
  }
}

/** One produce request whose partitions are appended and not yet acknowledged. Slots are numbered by the caller. */
export class PendingProduce implements OffsetWaiter {
  readonly #open: boolean[] = []
  #openCount = 0
  readonly #settled: (slot: number, errorCode: number) => void
  readonly #done: () => void
  #finished = false

  /** `settled` is called once per slot, `done` once after the last of them (or when the request is abandoned). */
  constructor(settled: (slot: number, errorCode: number) => void, done: () => void) {
    this.#settled = settled
    this.#done = done
  }

  add(slot: number): void {
    this.#open[slot] = true
    this.#openCount++
  }

  settle(slot: number, errorCode: number): void {
    if (this.#finished || this.#open[slot] !== true) return
    this.#open[slot] = false
    this.#openCount--
    this.#settled(slot, errorCode)
    if (this.#openCount === 0) this.#finish()
  }

  isOpen(slot: number): boolean {
    return !this.#finished && this.#open[slot] === true
  }

  abandon(): void {
    if (!this.#finished) this.#finish()
  }

  #finish(): void {
    this.#finished = true
    this.#done()
  }
}

// -------------------------------------------------------------------------------------------------------------------------------- fetch

/** What a parked fetch watches: a partition that counts the bytes becoming visible. */
export interface FetchSource {
  readonly visibleBytes: number
  readonly fetchWaits: FetchWaits
}

export interface FetchWatch {
  readonly source: FetchSource
  /** `source.visibleBytes` when this partition was read. */
  readonly visibleBytesAtRead: number
  /** What that read gave. */
  readonly readBytes: number
  /** No partition counts for more than the client would take of it. */
  readonly maxBytes: number
}

/** The parked fetches of one partition. */
export class FetchWaits {
  readonly #parked = new Map<ParkedFetch, number>()

  /** @param watch  the number of this partition among those of the fetch */
  add(parked: ParkedFetch, watch: number): void {
    this.#parked.set(parked, watch)
  }

  remove(parked: ParkedFetch): void {
    this.#parked.delete(parked)
  }

  /** More became visible. */
  progressed(): void {
    for (const [parked, watch] of [...this.#parked]) parked.progressed(watch)
  }

  /** Leadership, epoch or existence of the partition changed: whoever waits must be answered now. */
  disturbed(): void {
    for (const parked of [...this.#parked.keys()]) parked.answer()
  }

  get size(): number {
    return this.#parked.size
  }
}

/** One fetch that found too little. `answer` runs once: enough bytes, a disturbance, the deadline, or the end of the connection. */
export class ParkedFetch {
  readonly #watches: readonly FetchWatch[]
  readonly #counted: number[] = []
  readonly #minBytes: number
  readonly #answer: () => void
  #bytes = 0
  #timer: Timer | undefined
  #answered = false

  constructor(o: { watches: readonly FetchWatch[]; minBytes: number; answer: () => void }) {
    this.#watches = o.watches
    this.#minBytes = o.minBytes
    this.#answer = o.answer
  }

  /** Answers at once when the bytes came while the request was still reading. */
  park(clock: Clock, maxWaitMs: number): void {
    for (let i = 0; i < this.#watches.length; i++) this.#count(i)
    if (this.#bytes >= this.#minBytes) {
      this.answer()
      return
    }
    for (let i = 0; i < this.#watches.length; i++) this.#watches[i]!.source.fetchWaits.add(this, i)
    this.#timer = clock.setTimer(maxWaitMs, () => this.answer())
  }

  progressed(watch: number): void {
    this.#count(watch)
    if (this.#bytes >= this.#minBytes) this.answer()
  }

  answer(): void {
    if (this.#answered) return
    this.#answered = true
    this.#timer?.cancel()
    for (const watch of this.#watches) watch.source.fetchWaits.remove(this)
    this.#answer()
  }

  #count(i: number): void {
    const { source, visibleBytesAtRead, readBytes, maxBytes } = this.#watches[i]!
    const bytes = Math.min(readBytes + source.visibleBytes - visibleBytesAtRead, Math.max(maxBytes, readBytes))
    this.#bytes += bytes - (this.#counted[i] ?? 0)
    this.#counted[i] = bytes
  }
}
