// One lane to one node: a connection when there is something to say, and what waits while it is dialled.
import { type Env, EnvError, type Timer } from '../env/env.ts'
import { KafkaError, REQUEST_TIMED_OUT } from '../protocol/errors.ts'
import type { DialledPeer } from './rpc-dialled.ts'

/** Between the beginnings of two tries. */
const DIAL_SPACING_MS = 20
const MAX_WAITING = 1000
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** What was to be said before the connection was there. */
interface Waiting {
  readonly bytes: number
  readonly send: (peer: DialledPeer) => void
  readonly drop: (error: Error) => void
}

export interface LaneOptions {
  readonly dial: () => Promise<DialledPeer>
  readonly opened: (peer: DialledPeer) => void
  /** A connection that was open has ended, and not by us. */
  readonly closed: (reason: Error) => void
  readonly failed: (error: Error) => void
}

export class PeerLane {
  readonly #env: Env
  readonly #options: LaneOptions
  #peer: DialledPeer | undefined
  #isDialling = false
  #dialTimer: Timer | undefined
  #dialledAt = Number.NEGATIVE_INFINITY
  #waiting: Waiting[] = []
  #waitingBytes = 0
  /** Counts changes of the address: what was dialled before is of no use. */
  #generation = 0
  #isClosed = false

  constructor(env: Env, options: LaneOptions) {
    this.#env = env
    this.#options = options
  }

  get peer(): DialledPeer | undefined {
    return this.#peer?.isClosed === false ? this.#peer : undefined
  }

  notice(method: number, payload: readonly Uint8Array[]): void {
    const { peer } = this
    if (peer !== undefined) peer.notice(method, payload)
    else this.#wait({ bytes: sizeOf(payload), send: opened => opened.notice(method, payload), drop: () => {} })
  }

  /** @param ask  called when there is a connection, with what is left of the time */
  request<T>(
    bytes: number,
    options: { readonly timeoutMs: number },
    ask: (peer: DialledPeer, timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const { peer } = this
    if (peer !== undefined) return ask(peer, options.timeoutMs)
    const startedAt = this.#env.clock.now()
    return new Promise((resolve, reject) => {
      let isOver = false
      const timer = this.#env.clock.setTimer(options.timeoutMs, () => {
        isOver = true
        reject(new KafkaError(REQUEST_TIMED_OUT, `no connection within ${options.timeoutMs} ms`))
      })
      this.#wait({
        bytes,
        send: opened => {
          timer.cancel()
          if (isOver) return
          resolve(ask(opened, Math.max(1, options.timeoutMs - (this.#env.clock.now() - startedAt))))
        },
        drop: error => {
          timer.cancel()
          if (!isOver) reject(error)
        },
      })
    })
  }

  /** The open connection, or the outcome of the try that is under way or starts now. */
  connected(): Promise<DialledPeer> {
    const { peer } = this
    if (peer !== undefined) return Promise.resolve(peer)
    return new Promise((resolve, reject) => this.#wait({ bytes: 0, send: resolve, drop: reject }))
  }

  /** Dials unless there is a connection, or a try under way. */
  ensure(): void {
    if (this.peer !== undefined || this.#isDialling || this.#dialTimer !== undefined || this.#isClosed) return
    const waitMs = this.#dialledAt + DIAL_SPACING_MS - this.#env.clock.now()
    if (waitMs <= 0) {
      this.#dial()
      return
    }
    this.#dialTimer = this.#env.clock.setTimer(waitMs, () => {
      this.#dialTimer = undefined
      this.#dial()
    })
  }

  /** The node is reached elsewhere from now on. */
  reset(reason: Error): void {
    this.#generation++
    this.#isDialling = false
    this.#dialledAt = Number.NEGATIVE_INFINITY
    const peer = this.#peer
    this.#peer = undefined
    peer?.destroy(reason)
    if (this.#waiting.length > 0) this.ensure()
  }

  async close(reason: Error): Promise<void> {
    this.#isClosed = true
    this.#generation++
    this.#dialTimer?.cancel()
    const peer = this.#peer
    this.#peer = undefined
    this.#dropWaiting(reason)
    await peer?.end(reason)
  }

  #dial(): void {
    const generation = this.#generation
    this.#isDialling = true
    this.#dialledAt = this.#env.clock.now()
    this.#options.dial().then(
      peer => {
        if (generation !== this.#generation) peer.destroy(new EnvError('ECANCELED', 'not needed any more'))
        else this.#opened(peer)
      },
      error => {
        if (generation === this.#generation) this.#failed(error as Error)
      },
    )
  }

  #opened(peer: DialledPeer): void {
    this.#isDialling = false
    this.#peer = peer
    peer.onClose(reason => {
      if (this.#peer !== peer) return
      this.#peer = undefined
      this.#options.closed(reason)
    })
    this.#options.opened(peer)
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const { send } of waiting) send(peer)
  }

  #failed(error: Error): void {
    this.#isDialling = false
    this.#dropWaiting(error)
    this.#options.failed(error)
  }

  #wait(waiting: Waiting): void {
    if (this.#isClosed) waiting.drop(new EnvError('ECANCELED', 'this node is stopping'))
    else if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes + waiting.bytes > MAX_WAITING_BYTES)
      waiting.drop(new EnvError('ENOBUFS', `${this.#waiting.length} messages wait for a connection`))
    else {
      this.#waiting.push(waiting)
      this.#waitingBytes += waiting.bytes
      this.ensure()
    }
  }

  #dropWaiting(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const { drop } of waiting) drop(error)
  }
}

export function sizeOf(chunks: readonly Uint8Array[]): number {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  return size
}
