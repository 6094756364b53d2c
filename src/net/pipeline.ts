// The order of one connection. Pure.
//
// Facts: a client may send many requests before the first answer; answers leave strictly in request order (kafka.network.SocketServer mutes
// the connection until the answer is out). A request starts when all before it are answered. We differ from Kafka in one point:
// consecutive requests that may overlap (Produce and OffsetCommit, whose appends happen in call order and whose waiting is for the disk and
// replication only) run together, so that one connection keeps several acks=all batches, or commits, in flight.

import type { Lease } from '../util/buffer-pool.ts'

/** What became of a request: the chunks of its answer, nothing to send (acks=0), or the end of the connection with its reason. */
export type Outcome =
  | { readonly type: 'answer'; readonly chunks: readonly Uint8Array[]; readonly sent?: (() => void) | undefined }
  | { readonly type: 'nothing' }
  | { readonly type: 'close'; readonly reason: string }

export interface Exchange {
  /** Counted as in flight until the outcome is taken, or the frame is let go. */
  sizeBytes: number
  frame: Buffer
  /** Of the frame's memory; the exchange holds it until the handler releases it. */
  readonly lease: Lease | undefined
  readonly mayOverlap: boolean
  started: boolean
  outcome: Outcome | undefined
}

const NO_BYTES = Buffer.alloc(0)

export class Pipeline {
  /** Oldest first, from `#head` on; all that is not taken yet. */
  #exchanges: Exchange[] = []
  #head = 0
  /** Index of the first exchange that has not started. */
  #next = 0
  /** All that runs may overlap (also true when nothing runs). */
  #runningOverlaps = true
  #inFlightBytes = 0

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  get inFlightCount(): number {
    return this.#exchanges.length - this.#head
  }

  add(frame: Buffer, mayOverlap: boolean, lease?: Lease): void {
    this.#push({ frame, lease, sizeBytes: frame.length, mayOverlap, started: false, outcome: undefined })
  }

  /** The connection ends once everything accepted so far is answered. */
  addClose(reason: string): void {
    this.#push({
      frame: NO_BYTES,
      lease: undefined,
      sizeBytes: 0,
      mayOverlap: false,
      started: false,
      outcome: { type: 'close', reason },
    })
  }

  #push(exchange: Exchange): void {
    this.#exchanges.push(exchange)
    this.#inFlightBytes += exchange.sizeBytes
  }

  /** The frame is not needed any more, although the request is not answered yet. */
  letGo(exchange: Exchange): void {
    this.#inFlightBytes -= exchange.sizeBytes
    exchange.sizeBytes = 0
    exchange.frame = NO_BYTES
  }

  /** What `start` would hand out. */
  peek(): Exchange | undefined {
    const exchange = this.#exchanges[this.#next]
    if (exchange === undefined || exchange.outcome !== undefined) return undefined
    return this.#next > this.#head && !(exchange.mayOverlap && this.#runningOverlaps) ? undefined : exchange
  }

  /** The next request if it may start now; it counts as started then. */
  start(): Exchange | undefined {
    const exchange = this.peek()
    if (exchange === undefined) return undefined
    this.#runningOverlaps = exchange.mayOverlap
    exchange.started = true
    this.#next++
    return exchange
  }

  /** The outcome of the oldest request, once it has one. */
  take(): Outcome | undefined {
    const exchange = this.#exchanges[this.#head]
    if (exchange?.outcome === undefined) return undefined
    this.#head++
    this.#next = Math.max(this.#next, this.#head)
    this.#inFlightBytes -= exchange.sizeBytes
    if (this.#head === this.#exchanges.length) {
      this.#exchanges = []
      this.#head = this.#next = 0
    } else if (this.#head >= 64) {
      this.#exchanges.splice(0, this.#head)
      this.#next -= this.#head
      this.#head = 0
    }
    return exchange.outcome
  }

  /** Forgets everything: the connection is gone. What was not started nobody looks at. */
  clear(): void {
    for (let i = this.#next; i < this.#exchanges.length; i++) this.#exchanges[i]!.lease?.release()
    this.#exchanges = []
    this.#head = this.#next = this.#inFlightBytes = 0
  }
}
