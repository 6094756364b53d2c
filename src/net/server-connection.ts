// One accepted connection: bytes in, requests up, answers out in order. The rules of order are in pipeline.ts, of framing in frames.ts;
// here is what needs the socket: backpressure, the ways to end, the idle clock.
//
// Backpressure. Reading stops while more than a mark of request bytes or requests is in flight, and no request is started while the socket
// holds back answers above its own mark: a client that pipelines large fetches and reads none of them costs one answer, not all of them.
// Both resume by event.
//
// Fairness. There is one thread: after requests that took long, a connection lets the others have theirs before its next.
//
// Ends. A frame that cannot be read and a handler's `close` take their place in the order of answers: what was accepted before is still
// answered. A client that ends its direction (or is killed: the two look alike) gets what is answered within a second. We read and drop what a
// client sends after the end was decided, since closing a socket with unread bytes would reset it and take the last answers with it.
import type { Env, EnvError, Socket, Timer } from '../env/env.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { BufferPool, Lease } from '../util/buffer-pool.ts'
import { FrameReader } from './frames.ts'
import { type Exchange, Pipeline } from './pipeline.ts'
import type { IncomingRequest, ServerConnection, ServerOptions } from './server.ts'

const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
const MAX_IN_FLIGHT_REQUESTS = 256
/** Requests handed up in one go; then the other connections' events come first. */
const TURN_MS = 10
/** For the peer to take our last bytes and close, and for answers to a client that ended its direction. */
const LINGER_MS = 1000

/** What the server gives a connection. */
interface Identity {
  readonly id: number
  readonly listenerName: string
  readonly unsent: UnsentBytes
  /** Where the memory of request frames comes from. */
  readonly frames: BufferPool
}

/** Of all connections whose clients are behind with taking them. */
export interface UnsentBytes {
  bytes: number
}

export class AcceptedConnection implements ServerConnection {
  readonly id: number
  readonly listenerName: string
  readonly clientHost: string
  readonly clientPort: number
  readonly data = new Map<symbol, unknown>()

  readonly #env: Env
  readonly #socket: Socket
  readonly #options: ServerOptions
  readonly #frames: FrameReader
  readonly #pipeline = new Pipeline()
  readonly #closeListeners = new Set<() => void>()
  /** open: reads and answers · draining: answers what was accepted, takes no more · ending: our direction is ended · closed */
  #state: 'open' | 'draining' | 'ending' | 'closed' = 'open'
  #reason = 'client closed'
  #paused = false
  #blocked = false
  #pumping = false
  /** Set while the other connections have their turn. */
  #rest: Timer | undefined
  readonly #unsent: UnsentBytes
  /** Our part of it. */
  #unsentBytes = 0
  #linger: Timer | undefined
  #idle: Timer | undefined
  #lastActivity: number

  constructor(env: Env, socket: Socket, options: ServerOptions, identity: Identity) {
    this.id = identity.id
    this.listenerName = identity.listenerName
    this.clientHost = socket.remoteHost
    this.clientPort = socket.remotePort
    this.#env = env
    this.#socket = socket
    this.#unsent = identity.unsent
    this.#options = options
    this.#frames = new FrameReader(options.maxRequestBytes, identity.frames)
    this.#lastActivity = env.clock.now()
    if (options.idleTimeoutMs !== undefined) this.#watchIdle(options.idleTimeoutMs)
    socket.handle({
      data: chunk => this.#read(chunk),
      drain: () => this.#unblock(),
      end: () => this.#peerEnded(),
      close: error => this.#closed(error),
    })
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  onClose(listener: () => void): () => void {
    if (this.#state === 'closed') listener()
    else this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  /** Answers what was accepted, takes no more, then ends. */
  drain(reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#reason = reason
    this.#pump()
  }

  /** Drops everything now. */
  destroy(reason: string): void {
    if (this.#state === 'closed') return
    if (this.#state !== 'ending') this.#reason = reason
    this.#state = 'ending'
    this.#pipeline.clear()
    this.#socket.destroy()
  }

  /** @internal an exchange of this connection got its outcome */
  settled(): void {
    if (this.#state === 'open' || this.#state === 'draining') this.#pump()
  }

  readonly #accept = (frame: Buffer, lease: Lease | undefined): void => {
    if (this.#state === 'open') this.#pipeline.add(frame, this.#options.mayOverlap(frame), lease)
  }

  #read(chunk: Buffer): void {
    this.#lastActivity = this.#env.clock.now()
    if (this.#state !== 'open') return
    try {
      this.#frames.push(chunk, this.#accept)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#pipeline.addClose(error.message)
      this.#state = 'draining'
    }
    this.#pump()
  }

  /** Hands out what may start, sends what is answered, and sets the reading accordingly. Never re-enters. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    const startedAt = this.#env.clock.now()
    while (this.#state === 'open' || this.#state === 'draining') {
      const outcome = this.#pipeline.take()
      if (outcome?.type === 'answer') {
        this.#lastActivity = this.#env.clock.now()
        // The door gathers what one event writes into one system call.
        if (!this.#socket.write(outcome.chunks, outcome.sent)) this.#block()
      } else if (outcome?.type === 'close') {
        this.#end(outcome.reason)
      } else if (outcome === undefined) {
        if (this.#blocked || this.#rest !== undefined) break
        const exchange = this.#pipeline.start()
        if (exchange === undefined) break
        this.#hand(exchange)
        if (this.#env.clock.now() - startedAt >= TURN_MS) this.#rest = this.#env.clock.setTimer(0, () => this.#resume())
      }
    }
    this.#pumping = false
    if (this.#state === 'draining' && this.#pipeline.inFlightCount === 0) this.#end(this.#reason)
    this.#steerReading()
  }

  #hand(exchange: Exchange): void {
    try {
      this.#options.onRequest(new Request(this, exchange))
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      exchange.outcome ??= { type: 'close', reason: error.message }
    }
  }

  #steerReading(): void {
    const { inFlightBytes, inFlightCount } = this.#pipeline
    const maxBytes = this.#options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES
    const maxCount = this.#options.maxInFlightRequests ?? MAX_IN_FLIGHT_REQUESTS
    const open = this.#state === 'open'
    if (open && !this.#paused && (this.#blocked || inFlightBytes >= maxBytes || inFlightCount >= maxCount)) {
      this.#paused = true
      this.#socket.pause()
    } else if (this.#paused && (!open || (!this.#blocked && inFlightBytes <= maxBytes / 2 && inFlightCount <= maxCount / 2))) {
      this.#paused = false
      this.#socket.resume()
    }
  }

  #resume(): void {
    this.#rest = undefined
    this.settled()
  }

  #block(): void {
    this.#blocked = true
    this.#countUnsent(this.#socket.bufferedBytes)
  }

  #countUnsent(bytes: number): void {
    this.#unsent.bytes += bytes - this.#unsentBytes
    this.#unsentBytes = bytes
  }

  #unblock(): void {
    this.#blocked = false
    this.#countUnsent(0)
    this.#lastActivity = this.#env.clock.now()
    this.settled()
  }

  #peerEnded(): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#linger = this.#env.clock.setTimer(LINGER_MS, () => this.destroy(this.#reason))
    this.#pump()
  }

  #end(reason: string): void {
    this.#state = 'ending'
    this.#reason = reason
    this.#pipeline.clear()
    this.#socket.end()
    this.#linger?.cancel()
    this.#linger = this.#env.clock.setTimer(LINGER_MS, () => this.#socket.destroy())
  }

  #closed(error: EnvError | undefined): void {
    if (error !== undefined && this.#state === 'open') this.#reason = error.message
    this.#state = 'closed'
    this.#countUnsent(0)
    this.#pipeline.clear()
    this.#linger?.cancel()
    this.#idle?.cancel()
    this.#rest?.cancel()
    this.#env.logger.log('debug', 'closed connection', {
      listener: this.listenerName,
      connection: this.id,
      client: `${this.clientHost}:${this.clientPort}`,
      reason: this.#reason,
    })
    const listeners = [...this.#closeListeners]
    this.#closeListeners.clear()
    for (const listener of listeners) listener()
  }

  #watchIdle(idleTimeoutMs: number): void {
    const left = this.#lastActivity + idleTimeoutMs - this.#env.clock.now()
    // Requests that wait because the client takes no answers do not make it a busy one.
    if (left <= 0 && (this.#blocked || this.#pipeline.inFlightCount === 0)) this.destroy(`idle for ${idleTimeoutMs} ms`)
    else this.#idle = this.#env.clock.setTimer(left > 0 ? left : idleTimeoutMs, () => this.#watchIdle(idleTimeoutMs))
  }
}

class Request implements IncomingRequest {
  readonly connection: AcceptedConnection
  readonly #exchange: Exchange

  constructor(connection: AcceptedConnection, exchange: Exchange) {
    this.connection = connection
    this.#exchange = exchange
  }

  get frame(): Buffer {
    return this.#exchange.frame
  }

  get lease(): Lease | undefined {
    return this.#exchange.lease
  }

  respond(chunks: readonly Uint8Array[], sent?: () => void): void {
    this.#settle({ type: 'answer', chunks, sent })
  }

  respondNothing(): void {
    this.#settle({ type: 'nothing' })
  }

  close(reason: string): void {
    this.#settle({ type: 'close', reason })
  }

  #settle(outcome: NonNullable<Exchange['outcome']>): void {
    const before = this.#exchange.outcome
    assert(before === undefined, `a request was settled twice: ${before?.type}, then ${outcome.type}`)
    this.#exchange.outcome = outcome
    this.connection.settled()
  }
}
