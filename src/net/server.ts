// Listens, accepts, frames, and hands requests up; owns every connection it accepted. Knows nothing of what a request means.
// Facts: socket.request.max.bytes 100 MiB, connections.max.idle.ms 10 min (kafka.network.SocketServer).
import type { Env, NetListener, Socket, Timer } from '../env/env.ts'
import { BufferPool, type Lease } from '../util/buffer-pool.ts'
import { collectAll, freeNow } from '../util/native-memory.ts'
import { ConnectionCounts, type ConnectionLimits, NO_LIMITS } from './connection-limits.ts'
import { ReadRounds } from './read-rounds.ts'
import { RequestBudget } from './request-budget.ts'
import { AcceptedConnection, type UnsentBytes } from './server-connection.ts'
import { Turns } from './turns.ts'

/** How often frames that have begun are looked at for progress. */
const PROGRESS_CHECK_MS = 15_000

/** Smaller frames are left to the garbage collector, which handles them well. */
const POOLED_FRAME_BYTES = 4096
/** Memory of frames that may lie unused between two requests, and for how long. */
const IDLE_FRAMES_BYTES = 16 * 1024 * 1024
const SHRINK_FRAMES_MS = 5000
/** What a time must have brought to have left much behind, and the most of what follows to be idle. */
const BUSY_BYTES = 16 * 1024 * 1024
const IDLE_BYTES = 64 * 1024

/** With so much in unread answers, who takes nothing between two looks is cut off. */
const DEAF_TOLERATED_BYTES = 16 * 1024 * 1024

export interface ServerOptions {
  /** Port 0 takes any free port; `Server.listeners` says which. */
  readonly listeners: readonly ListenerAddress[]
  /** A frame announced longer than this closes its connection. */
  readonly maxRequestBytes: number
  /**
   * Called once per request when its turn has come; must lead to exactly one of `respond`, `respondNothing`, `close`, now or later. A
   * ProtocolError thrown here closes the connection; anything else is our own fault and is not caught.
   */
  readonly onRequest: (request: IncomingRequest) => void
  /** Whether this request may run together with the ones of its kind directly before it (Produce). */
  readonly mayOverlap: (frame: Buffer) => boolean
  /** Whether what this request decodes to may take many times its bytes: such requests run one after another. Default: none. */
  readonly isHeavy?: (frame: Buffer) => boolean
  /** Connections beyond these are closed on arrival. Asked for each of them, so limits may change. Default: none. */
  readonly limits?: () => ConnectionLimits
  /** Bytes of requests in memory, of all connections together (src/net/request-budget.ts). Default: no limit. */
  readonly maxQueuedBytes?: number
  /** A connection without traffic and without a request in flight is closed after this. Default: never. */
  readonly idleTimeoutMs?: number
  /** Per connection: reading stops above, resumes below half. Default 8 MiB and 256. One request may be larger. */
  readonly maxInFlightBytes?: number
  readonly maxInFlightRequests?: number
}

export interface ListenerAddress {
  readonly name: string
  readonly host: string
  readonly port: number
}

export interface IncomingRequest {
  readonly connection: ServerConnection
  /** The bytes after the length. The handler's to keep and to change, until it releases the lease. */
  readonly frame: Buffer
  /** The frame is not needed any more: it counts no longer as in flight. */
  letGo(): void
  /** Of the frame's memory, when it can be used again. A handler that keeps nothing of the frame releases it; that is never a duty. */
  readonly lease: Lease | undefined
  /**
   * The whole answer with its length prefix, by reference. A no-op when the client is gone.
   * @param sent  once the socket looks at the chunks no more; never when they did not come to be written
   */
  respond(chunks: readonly Uint8Array[], sent?: () => void): void
  /** The request is done and has no answer (acks=0). */
  respondNothing(): void
  /** Ends the connection after the answers before this request. The reason is logged. */
  close(reason: string): void
}

export interface ServerConnection {
  readonly id: number
  readonly listenerName: string
  readonly clientHost: string
  readonly clientPort: number
  /** What handlers keep for the life of the connection. */
  readonly data: Map<symbol, unknown>
  readonly closed: boolean
  /**
   * For work that would take too long in one go: settles when it is this connection's turn again, after it worked for so long.
   * @returns false when the connection is gone meanwhile
   */
  rest(tookMs: number): Promise<boolean>
  /** Calls back once when the connection is gone (at once if it is). The result takes the listener off again. */
  onClose(listener: () => void): () => void
}

export class Server {
  readonly listeners: readonly ListenerAddress[]
  readonly #env: Env
  readonly #options: ServerOptions
  readonly #bound: NetListener[] = []
  readonly #connections = new Set<AcceptedConnection>()
  readonly #counts = new ConnectionCounts()
  readonly #budget: RequestBudget
  readonly #turns: Turns
  readonly #rounds: ReadRounds
  readonly #unsent: UnsentBytes = { bytes: 0, answeredBytes: 0 }
  #progressTimer: Timer | undefined
  readonly #frames: BufferPool
  #framesTimer: Timer | undefined
  /** Bytes of requests of all times, at the last look and at the last collection. */
  #takenAtLook = 0
  #takenAtCollection = 0
  #lastId = 0
  #closing: Promise<void> | undefined
  #onEmpty: (() => void) | undefined

  /**
   * Binds every listener, or none.
   * @throws EnvError EADDRINUSE, EACCES, EADDRNOTAVAIL
   */
  static async open(env: Env, options: ServerOptions): Promise<Server> {
    const server = new Server(env, options)
    try {
      for (const { name, host, port } of options.listeners) {
        server.#bound.push(await env.net.listen({ host, port, onConnection: socket => server.#accept(name, socket) }))
      }
    } catch (error) {
      await server.close({ graceMs: 0 })
      throw error
    }
    const addresses = server.#bound.map(({ host, port }, i) => ({ name: options.listeners[i]!.name, host, port }))
    ;(server as { listeners: readonly ListenerAddress[] }).listeners = addresses
    for (const { name, host, port } of addresses) env.logger.log('info', 'started listening', { listener: name, host, port })
    return server
  }

  private constructor(env: Env, options: ServerOptions) {
    this.#env = env
    this.#options = options
    this.#frames = new BufferPool({
      smallestBytes: env.poisonsMemory ? 0 : POOLED_FRAME_BYTES,
      maxIdleBytes: () => Math.min(IDLE_FRAMES_BYTES, this.#budget.leftBytes),
      poisons: env.poisonsMemory,
      free: freeNow,
    })
    this.#budget = new RequestBudget(env.clock, {
      limitBytes: options.maxQueuedBytes ?? Number.POSITIVE_INFINITY,
      everybody: this.#connections,
    })
    this.#turns = new Turns(env.clock)
    this.#rounds = new ReadRounds(env.clock)
    this.listeners = []
  }

  /** Answers in memory that clients are behind with taking: of the connections that hold more than the door's mark. */
  get unsentBytes(): number {
    return this.#unsent.bytes
  }

  /** With clients, of all times. */
  get traffic(): { readonly receivedBytes: number; readonly sentBytes: number; readonly connections: number } {
    return { receivedBytes: this.#budget.takenBytes, sentBytes: this.#unsent.answeredBytes, connections: this.#connections.size }
  }

  /** Bytes of requests in memory, whole and partial. */
  get queuedBytes(): number {
    return this.#budget.usedBytes
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Stops accepting, answers what was accepted within `graceMs`, closes what is left. Idempotent. */
  close(options: { readonly graceMs: number }): Promise<void> {
    this.#closing ??= this.#close(options.graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#framesTimer?.cancel()
    this.#progressTimer?.cancel()
    const unbound = this.#bound.map(listener => listener.close())
    for (const connection of this.#connections) connection.drain('server closed')
    if (this.#connections.size > 0) {
      const timer = this.#env.clock.setTimer(graceMs, () => this.#destroyAll())
      await new Promise<void>(resolve => (this.#onEmpty = resolve))
      timer.cancel()
    }
    await Promise.all(unbound)
  }

  #destroyAll(): void {
    for (const connection of this.#connections) connection.destroy('server closed before the request was answered')
  }

  #accept(listenerName: string, socket: Socket): void {
    const address = socket.remoteHost
    const refusal = this.#refusal(listenerName, address)
    if (refusal !== undefined) {
      socket.handle({ data: () => undefined, close: () => undefined })
      socket.destroy()
      this.#env.logger.log('debug', 'refused connection', {
        listener: listenerName,
        client: `${socket.remoteHost}:${socket.remotePort}`,
        reason: refusal,
      })
      return
    }
    const connection = new AcceptedConnection(this.#env, socket, this.#options, {
      id: ++this.#lastId,
      listenerName,
      unsent: this.#unsent,
      frames: this.#frames,
      budget: this.#budget,
      turns: this.#turns,
      rounds: this.#rounds,
    })
    this.#connections.add(connection)
    this.#counts.opened(listenerName, address)
    this.#progressTimer ??= this.#env.clock.setTimer(PROGRESS_CHECK_MS, this.#checkProgress)
    this.#framesTimer ??= this.#env.clock.setTimer(SHRINK_FRAMES_MS, this.#shrinkFrames)
    connection.onClose(() => {
      this.#connections.delete(connection)
      this.#counts.closed(listenerName, address)
      if (this.#connections.size === 0) this.#onEmpty?.()
    })
  }

  readonly #shrinkFrames = (): void => {
    this.#framesTimer = undefined
    this.#frames.shrink()
    this.#collectWhenIdle()
    if (this.#closing === undefined && (this.#connections.size > 0 || this.#frames.idleBytes > 0)) {
      this.#framesTimer = this.#env.clock.setTimer(SHRINK_FRAMES_MS, this.#shrinkFrames)
    }
  }

  /** A busy time leaves memory behind, and nothing in an idle one makes V8 look for it. */
  #collectWhenIdle(): void {
    const { takenBytes } = this.#budget
    const isIdle = takenBytes - this.#takenAtLook < IDLE_BYTES
    this.#takenAtLook = takenBytes
    if (!isIdle || takenBytes - this.#takenAtCollection < BUSY_BYTES) return
    this.#takenAtCollection = takenBytes
    collectAll()
  }

  readonly #checkProgress = (): void => {
    this.#progressTimer = undefined
    const isFull = this.#unsent.bytes >= DEAF_TOLERATED_BYTES
    for (const connection of this.#connections) connection.checkProgress(isFull)
    if (this.#closing === undefined && this.#connections.size > 0) {
      this.#progressTimer = this.#env.clock.setTimer(PROGRESS_CHECK_MS, this.#checkProgress)
    }
  }

  #refusal(listenerName: string, address: string): string | undefined {
    if (this.#closing !== undefined) return 'server closed'
    return this.#counts.refusal(listenerName, address, this.#options.limits?.() ?? NO_LIMITS)
  }
}
