// One accepted connection: bytes in, requests up, answers out in order. The rules of order are in pipeline.ts, of framing in frames.ts;
// here is what needs the socket: backpressure, the ways to end, the idle clock.
//
// Backpressure. Reading stops while more than a mark of request bytes or requests is in flight, and no request is started while the socket
// holds back answers above its own mark: a client that pipelines large fetches and reads none of them costs one answer, not all of them.
// Both resume by event.
//
// What all connections share is budgeted for the node: bytes of requests (request-budget.ts) and time (turns.ts).
//
// A frame that has begun must go on, or its connection ends: a peer that drips bytes holds memory. An answer that leaves, however slowly, keeps its
// connection from being idle.
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
import type { ReadRounds } from './read-rounds.ts'
import type { BudgetUser, RequestBudget } from './request-budget.ts'
import type { IncomingRequest, ServerConnection, ServerOptions } from './server.ts'
import { type Burned, explainedMs, strangerBurned, TOO_LONG_MS, TURN_MS, type Turns, type TurnTaker, UNEXPLAINED_PAUSE } from './turns.ts'

const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
const MAX_IN_FLIGHT_REQUESTS = 256
/** A frame that is not whole must have brought this much, or its end, between two looks at it. */
const LEAST_PROGRESS_BYTES = 4096
const HARDLY_BEGUN_BYTES = 4096
/** The handling of smaller ones takes no time worth measuring. */
const MEASURED_FRAME_BYTES = 8192
/** For the peer to take our last bytes and close, and for answers to a client that ended its direction. */
const LINGER_MS = 1000

/** What the server gives a connection. */
interface Identity {
  readonly id: number
  readonly listenerName: string
  readonly unsent: UnsentBytes
  /** Where the memory of request frames comes from. */
  readonly frames: BufferPool
  readonly budget: RequestBudget
  readonly turns: Turns
  readonly rounds: ReadRounds
}

export interface UnsentBytes {
  /** Of all connections whose clients are behind with taking them. */
  bytes: number
  /** Of all times and connections: what was given to the sockets. */
  answeredBytes: number
}

export class AcceptedConnection implements ServerConnection, BudgetUser, TurnTaker {
  readonly id: number
  readonly listenerName: string
  readonly clientHost: string
  readonly clientPort: number
  readonly data = new Map<symbol, unknown>()
  readonly burned: Burned

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
  readonly #budget: RequestBudget
  /** Our part of it. */
  #budgeted = 0
  #isWithinBudget = true
  /** A frame has begun that is not let in yet. */
  #asksForRoom = false
  /** One was, and is not whole. */
  #isLetIn = false
  readonly #rounds: ReadRounds
  /** The loop must go round first. */
  #hasReadEnough = false
  #isOver = false
  readonly #turns: Turns
  #heavy: Exchange | undefined
  #receivedBytes = 0
  #frameCount = 0
  /** At the last look. */
  #seen = { receivedBytes: -1, frameCount: -1 }
  readonly #unsent: UnsentBytes
  /** Our part of it. */
  #unsentBytes = 0
  #bufferedAtLook = 0
  /** At the last look; -1: it was not behind. */
  #unsentSeen = -1
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
    this.#budget = identity.budget
    this.#turns = identity.turns
    this.#rounds = identity.rounds
    this.#options = options
    this.#frames = new FrameReader(options.maxRequestBytes, identity.frames, frameBytes => this.#mayHold(frameBytes))
    this.#lastActivity = env.clock.now()
    this.burned = strangerBurned(this.#lastActivity)
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
    this.#letBudgetGo()
    this.#socket.destroy()
  }

  /** It takes no part any more in what the node shares. */
  #letBudgetGo(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isWithinBudget = true
    const held = this.#budgeted
    this.#budgeted = 0
    this.#frames.drop()
    this.#turns.gone(this)
    this.#budget.gone(this, held)
  }

  // ------------------------------------------------------------------------------------------------------------------ what the node shares

  get heldBytes(): number {
    return this.#budgeted
  }

  get isMidFrame(): boolean {
    return this.#frames.filledBytes > 0
  }

  get isReadFrom(): boolean {
    return !this.#paused || this.#hasReadEnough
  }

  get isDeaf(): boolean {
    return this.#blocked
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  #mayHold(frameBytes: number): boolean {
    const may = this.#budget.mayHold(this, frameBytes)
    this.#isLetIn = may
    this.#asksForRoom = !may
    return may
  }

  letIn(): void {
    if (this.#isOver) return
    this.#isLetIn = true
    this.#asksForRoom = false
    this.#frames.grant()
    this.#charge()
    this.readOn()
  }

  stopReading(): void {
    if (this.#isOver) return
    this.#isWithinBudget = false
    this.#steerReading()
  }

  readOn(): void {
    this.#isWithinBudget = true
    // What it sent meanwhile we kept waiting; the clocks start anew.
    this.#lastActivity = this.#env.clock.now()
    this.#seen = { receivedBytes: -1, frameCount: -1 }
    this.#steerReading()
  }

  suspend(): void {
    this.#isLetIn = false
    this.#frames.revoke()
    this.#charge()
  }

  cutOff(reason: string): void {
    this.destroy(reason)
  }

  /** Its turn has come. */
  goOn(): void {
    this.#pumpIfLive()
  }

  rest(tookMs: number): Promise<boolean> {
    return new Promise(resolve => {
      // A taker of its own: other requests of this connection may wait beside it.
      this.#turns.rest({ burned: this.burned, goOn: () => resolve(!this.#isOver) }, tookMs)
    })
  }

  /**
   * Called now and then: a frame that has begun and does not go on ends the connection.
   * @param isFull  so does an answer of which nothing leaves: its memory is needed
   */
  checkProgress(isFull: boolean): void {
    const unsent = this.#blocked ? this.#socket.bufferedBytes : -1
    if (isFull && unsent !== -1 && unsent === this.#unsentSeen) this.destroy('it took nothing of an answer while others needed the memory')
    this.#unsentSeen = unsent
    if (!this.isMidFrame || this.#paused || this.#state !== 'open') return
    const { receivedBytes, frameCount } = this.#seen
    const stalled = frameCount === this.#frameCount && this.#receivedBytes - receivedBytes < LEAST_PROGRESS_BYTES
    this.#seen = { receivedBytes: this.#receivedBytes, frameCount: this.#frameCount }
    if (stalled) this.destroy('a request began and did not go on')
  }

  /** What its requests hold has changed, perhaps. */
  #charge(): void {
    const { filledBytes, heldBytes } = this.#frames
    // Memory that nothing was written to takes no room: of a frame that has hardly begun what has come counts.
    const partial = filledBytes < HARDLY_BEGUN_BYTES ? filledBytes : heldBytes
    const held = this.#isOver ? 0 : partial + this.#pipeline.inFlightBytes
    const change = held - this.#budgeted
    if (change === 0) return
    this.#budgeted = held
    this.#budget.changed(this, change)
  }

  // -------------------------------------------------------------------------------------------------------------------------------- the flow

  /** @internal the handler of this exchange needs its frame no more */
  letGo(exchange: Exchange): void {
    if (exchange.outcome !== undefined) return
    this.#pipeline.letGo(exchange)
    this.#charge()
    this.#steerReading()
  }

  /** @internal an exchange of this connection got its outcome */
  settled(exchange: Exchange): void {
    if (exchange === this.#heavy) {
      this.#heavy = undefined
      this.#turns.heavyDone(this)
    }
    this.#pumpIfLive()
  }

  #pumpIfLive(): void {
    if (this.#state === 'open' || this.#state === 'draining') this.#pump()
  }

  readonly #accept = (frame: Buffer, lease: Lease | undefined): void => {
    this.#frameCount++
    if (this.#isLetIn) {
      this.#isLetIn = false
      this.#budget.isWhole(this)
    }
    if (this.#state === 'open') this.#pipeline.add(frame, this.#options.mayOverlap(frame), lease)
  }

  #read(chunk: Buffer): void {
    this.#lastActivity = this.#env.clock.now()
    this.#receivedBytes += chunk.length
    this.#budget.takenBytes += chunk.length
    if (this.#state !== 'open') return
    try {
      this.#frames.push(chunk, this.#accept)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#pipeline.addClose(error.message)
      this.#state = 'draining'
    }
    if (this.#rounds.isOver(chunk.length) && this.#isLetIn && !this.#hasReadEnough) {
      this.#hasReadEnough = true
      this.#rounds.wait(this.#nextRound)
    }
    this.#pump()
  }

  readonly #nextRound = (): void => {
    this.#hasReadEnough = false
    if (!this.#isOver) this.#steerReading()
  }

  /** Hands out what may start, sends what is answered, and sets the reading accordingly. Never re-enters. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    const startedAt = this.#env.clock.now()
    let handedAt = startedAt
    let excessMs = 0
    while (this.#state === 'open' || this.#state === 'draining') {
      const outcome = this.#pipeline.take()
      if (outcome?.type === 'answer') {
        this.#lastActivity = this.#env.clock.now()
        for (const { length } of outcome.chunks) this.#unsent.answeredBytes += length
        // The door gathers what one event writes into one system call.
        if (!this.#socket.write(outcome.chunks, outcome.sent)) this.#block()
      } else if (outcome?.type === 'close') {
        this.#end(outcome.reason)
      } else if (outcome === undefined) {
        const exchange = this.#pipeline.peek()
        if (exchange === undefined || this.#blocked || !this.#mayStart(exchange, handedAt - startedAt)) break
        this.#turns.begins(this, startedAt)
        this.#pipeline.start()
        const { length } = exchange.frame
        this.#hand(exchange)
        const now = this.#env.clock.now()
        if (now > handedAt) {
          this.#turns.spent(now - handedAt)
          excessMs += Math.max(0, now - handedAt - explainedMs(length))
          handedAt = now
          const tookMs = now - startedAt
          if (excessMs >= TOO_LONG_MS) this.#turns.rest(this, tookMs, tookMs * UNEXPLAINED_PAUSE)
          else if (tookMs >= TURN_MS) this.#turns.rest(this, tookMs)
        }
      }
    }
    this.#pumping = false
    this.#charge()
    if (this.#state === 'draining' && this.#pipeline.inFlightCount === 0) this.#end(this.#reason)
    this.#steerReading()
  }

  /** @param workedMs  so far in this pump */
  #mayStart(exchange: Exchange, workedMs: number): boolean {
    if (this.#turns.isResting(this)) return false
    if (this.#turns.mustWait(this)) {
      this.#turns.defer(this, workedMs)
      return false
    }
    if (this.#options.isHeavy?.(exchange.frame) !== true) return true
    if (!this.#turns.takeHeavy(this)) return false
    this.#heavy = exchange
    return true
  }

  #hand(exchange: Exchange): void {
    if (!exchange.mayOverlap && exchange.frame.length >= MEASURED_FRAME_BYTES) this.#measure()
    try {
      this.#options.onRequest(new Request(this, exchange))
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      exchange.outcome ??= { type: 'close', reason: error.message }
    }
    if (exchange === this.#heavy && exchange.outcome !== undefined) {
      this.#heavy = undefined
      this.#turns.heavyDone(this)
    }
  }

  /** Handlers that promise their answer do most of their work, and the encoding, after they returned. */
  #measure(): void {
    const startedAt = this.#env.clock.now()
    this.#env.clock.turn(() => {
      const tookMs = this.#env.clock.now() - startedAt
      if (tookMs >= TURN_MS && this.#state !== 'closed') this.#turns.rest(this, tookMs)
    })
  }

  #steerReading(): void {
    const { inFlightBytes, inFlightCount } = this.#pipeline
    const maxBytes = this.#options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES
    const maxCount = this.#options.maxInFlightRequests ?? MAX_IN_FLIGHT_REQUESTS
    const open = this.#state === 'open'
    const held = this.#blocked || !this.#isWithinBudget || this.#asksForRoom || this.#hasReadEnough
    if (open && !this.#paused && (held || inFlightBytes >= maxBytes || inFlightCount >= maxCount)) {
      this.#paused = true
      this.#socket.pause()
    } else if (this.#paused && (!open || (!held && inFlightBytes <= maxBytes / 2 && inFlightCount <= maxCount / 2))) {
      this.#paused = false
      this.#socket.resume()
    }
  }

  #block(): void {
    this.#blocked = true
    this.#bufferedAtLook = this.#socket.bufferedBytes
    this.#countUnsent(this.#bufferedAtLook)
  }

  #countUnsent(bytes: number): void {
    this.#unsent.bytes += bytes - this.#unsentBytes
    this.#unsentBytes = bytes
  }

  #unblock(): void {
    this.#blocked = false
    this.#countUnsent(0)
    this.#lastActivity = this.#env.clock.now()
    this.#pumpIfLive()
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
    this.#letBudgetGo()
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
    // An answer on its way out, however slowly: who takes some of it is there.
    const { bufferedBytes } = this.#socket
    if (bufferedBytes > 0 && (bufferedBytes < this.#bufferedAtLook || this.#bufferedAtLook === 0))
      this.#lastActivity = this.#env.clock.now()
    this.#bufferedAtLook = bufferedBytes
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

  letGo(): void {
    this.connection.letGo(this.#exchange)
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
    this.connection.settled(this.#exchange)
  }
}
