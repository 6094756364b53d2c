// A connection we opened: many requests under way at once, their answers matched in order.
// Facts: a broker answers one connection strictly in request order, so the next frame belongs to the oldest request; its correlation id
// must say so too, or nothing after it can be believed. A request that gets no answer in time therefore ends the connection: those
// behind it would wait as well, and a new connection is the one way to learn whether the peer is there at all.
import { type Env, EnvError, type Socket, type Timer } from '../env/env.ts'
import { ApiVersions } from '../protocol/api/18-api-versions.ts'
import { KafkaError, ProtocolError, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import { decodeResponse, encodeRequest } from '../protocol/message.ts'
import type { Api, RequestIn, ResponseOut } from '../protocol/schema.ts'
import { type ApiVersionTable, CLIENT_SOFTWARE, FIRST_ASKED, highestCommon, readApiVersions } from './api-versions.ts'
import { FrameReader } from './frames.ts'

const MAX_RESPONSE_BYTES = 256 * 1024 * 1024
const MAX_CORRELATION_ID = 0x7fffffff
/** For the peer to take our last bytes after `close`. */
const LINGER_MS = 1000

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string | null
  /** To connect and learn the broker's versions. */
  readonly timeoutMs: number
  /** A longer answer ends the connection. Default 256 MiB. */
  readonly maxResponseBytes?: number
}

interface Pending {
  readonly correlationId: number
  readonly name: string
  readonly timeoutMs: number
  readonly deadlineMs: number
  /** @throws ProtocolError */
  readonly accept: (frame: Buffer) => void
  readonly reject: (error: Error) => void
}

export class Connection {
  readonly host: string
  readonly port: number
  readonly #env: Env
  readonly #socket: Socket
  readonly #clientId: string | null
  readonly #frames: FrameReader
  readonly #closeListeners = new Set<(error: Error) => void>()
  #drainListeners: (() => void)[] = []
  #versions: ApiVersionTable = new Map()
  /** Oldest first. */
  #pending: Pending[] = []
  #lastCorrelationId = 0
  #deadlineTimer: Timer | undefined
  #deadlineTimerAtMs = Number.POSITIVE_INFINITY
  #full = false
  #closed: Error | undefined

  /**
   * Connects and asks for the broker's versions.
   * @throws EnvError when the broker cannot be reached or hangs up, KafkaError REQUEST_TIMED_OUT, ProtocolError when it speaks no Kafka
   */
  static async open(env: Env, options: ConnectionOptions): Promise<Connection> {
    const startedAt = env.clock.now()
    const socket = await env.net.connect({ host: options.host, port: options.port, timeoutMs: options.timeoutMs })
    const connection = new Connection(env, socket, options)
    try {
      await connection.#negotiate(Math.max(1, startedAt + options.timeoutMs - env.clock.now()))
    } catch (error) {
      connection.#break(error as Error)
      throw error
    }
    return connection
  }

  private constructor(env: Env, socket: Socket, options: ConnectionOptions) {
    this.host = options.host
    this.port = options.port
    this.#env = env
    this.#socket = socket
    this.#clientId = options.clientId
    this.#frames = new FrameReader(options.maxResponseBytes ?? MAX_RESPONSE_BYTES)
    socket.handle({
      data: chunk => this.#read(chunk),
      drain: () => this.#drained(),
      close: error => this.#gone(error ?? new EnvError('ECONNRESET', `${this.#name()} was closed by the broker`)),
    })
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Requests without an answer so far. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /** The highest version of the API that both sides speak; undefined: none. */
  versionOf(api: Api): number | undefined {
    return highestCommon(this.#versions, api)
  }

  /**
   * @param options.timeoutMs  when it passes the connection ends
   * @param options.version  at most this one; it must be spoken by both sides
   * @throws KafkaError UNSUPPORTED_VERSION (nothing was sent), REQUEST_TIMED_OUT
   * @throws EnvError ENOTCONN when the connection was closed before and nothing was sent, else what ended it
   * @throws ProtocolError when the broker sent what is no answer
   */
  request<A extends Api>(
    api: A,
    body: RequestIn<A>,
    options: { readonly timeoutMs: number; readonly version?: number },
  ): Promise<ResponseOut<A>> {
    return new Promise((resolve, reject) => {
      const version = this.#versionFor(api, options.version)
      const correlationId = this.#write(api, version, body)
      this.#expect(
        api.name,
        correlationId,
        options.timeoutMs,
        frame => {
          const answer = decodeResponse(api, version, frame)
          resolve(answer.body)
        },
        reject,
      )
    })
  }

  /**
   * Sends a request that has no answer (Produce with acks=0).
   * @throws KafkaError UNSUPPORTED_VERSION, EnvError ENOTCONN
   */
  send<A extends Api>(api: A, body: RequestIn<A>, options: { readonly version?: number } = {}): void {
    this.#write(api, this.#versionFor(api, options.version), body)
  }

  /** Settles when the socket takes more, or is gone. */
  drained(): Promise<void> {
    if (!this.#full || this.closed) return Promise.resolve()
    return new Promise(resolve => void this.#drainListeners.push(resolve))
  }

  /** How long the oldest request without an answer has been waiting for it; 0: there is none. */
  get silentMs(): number {
    const oldest = this.#pending[0]
    return oldest === undefined ? 0 : this.#env.clock.now() - (oldest.deadlineMs - oldest.timeoutMs)
  }

  /** Calls back once when the connection is gone (at once if it is). The result takes the listener off again. */
  onClose(listener: (error: Error) => void): () => void {
    if (this.#closed !== undefined) listener(this.#closed)
    else this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  /** Sends what is queued and ends. Requests without an answer are rejected. Idempotent. */
  close(): void {
    if (this.closed) return
    this.#socket.end()
    this.#env.clock.setTimer(LINGER_MS, () => this.#socket.destroy())
    this.#gone(new EnvError('ECANCELED', `${this.#name()} was closed by us`))
  }

  async #negotiate(timeoutMs: number): Promise<void> {
    let version = FIRST_ASKED
    for (;;) {
      const frame = await new Promise<Buffer>((resolve, reject) => {
        const correlationId = this.#write(ApiVersions, version, CLIENT_SOFTWARE)
        this.#expect(ApiVersions.name, correlationId, timeoutMs, resolve, reject)
      })
      const answer = readApiVersions(frame, version)
      if ('table' in answer) {
        this.#versions = answer.table
        return
      }
      version = answer.askAgain
    }
  }

  #versionFor(api: Api, atMost: number | undefined): number {
    const version = highestCommon(this.#versions, api, atMost)
    if (version !== undefined) return version
    const theirs = this.#versions.get(api.key)
    const spoken = theirs === undefined ? 'not at all' : `in versions ${theirs.minVersion} to ${theirs.maxVersion}`
    const wanted = `${api.minVersion} to ${atMost ?? api.maxVersion}`
    throw new KafkaError(UNSUPPORTED_VERSION, `${this.host}:${this.port} speaks ${api.name} ${spoken}; this client needs one of ${wanted}`)
  }

  #write<A extends Api>(api: A, version: number, body: RequestIn<A>): number {
    if (this.#closed !== undefined) {
      throw new EnvError('ENOTCONN', `${this.#name()} is closed: ${this.#closed.message}`, { cause: this.#closed })
    }
    const correlationId = this.#lastCorrelationId === MAX_CORRELATION_ID ? 0 : this.#lastCorrelationId + 1
    const chunks = encodeRequest(api, version, correlationId, this.#clientId, body)
    this.#lastCorrelationId = correlationId
    if (!this.#socket.write(chunks)) this.#full = true
    return correlationId
  }

  #expect(name: string, correlationId: number, timeoutMs: number, accept: (frame: Buffer) => void, reject: (error: Error) => void): void {
    const deadlineMs = this.#env.clock.now() + timeoutMs
    this.#pending.push({ correlationId, name, timeoutMs, deadlineMs, accept, reject })
    this.#watch(deadlineMs)
  }

  #read(chunk: Buffer): void {
    if (this.closed) return
    try {
      this.#frames.push(chunk, frame => this.#answer(frame))
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#break(new ProtocolError(`${this.#name()}: ${error.message}`, { cause: error }))
    }
  }

  #answer(frame: Buffer): void {
    if (this.closed) return
    const oldest = this.#pending[0]
    if (oldest === undefined) throw new ProtocolError(`an answer of ${frame.length} bytes to no request`)
    if (frame.length < 4 || frame.readInt32BE(0) !== oldest.correlationId) {
      throw new ProtocolError(`no answer to ${oldest.name}: it has not the correlation id ${oldest.correlationId}`)
    }
    oldest.accept(frame)
    this.#pending.shift()
  }

  /** One timer for all requests: it is set for the earliest deadline and looks again when it fires. */
  #watch(deadlineMs: number): void {
    if (deadlineMs >= this.#deadlineTimerAtMs) return
    this.#deadlineTimer?.cancel()
    this.#deadlineTimerAtMs = deadlineMs
    this.#deadlineTimer = this.#env.clock.setTimer(Math.max(0, deadlineMs - this.#env.clock.now()), () => this.#checkDeadlines())
  }

  #checkDeadlines(): void {
    this.#deadlineTimerAtMs = Number.POSITIVE_INFINITY
    const now = this.#env.clock.now()
    const late = this.#pending.find(pending => pending.deadlineMs <= now)
    if (late !== undefined) {
      const message = `${this.host}:${this.port} did not answer ${late.name} within ${late.timeoutMs} ms`
      this.#break(new KafkaError(REQUEST_TIMED_OUT, message))
    } else if (this.#pending.length > 0) {
      this.#watch(this.#pending.reduce((earliest, { deadlineMs }) => Math.min(earliest, deadlineMs), Number.POSITIVE_INFINITY))
    }
  }

  #drained(): void {
    this.#full = false
    const listeners = this.#drainListeners
    this.#drainListeners = []
    for (const listener of listeners) listener()
  }

  #break(error: Error): void {
    this.#socket.destroy()
    this.#gone(error)
  }

  #gone(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    this.#deadlineTimer?.cancel()
    const pending = this.#pending
    this.#pending = []
    for (const { reject } of pending) reject(error)
    this.#drained()
    const listeners = [...this.#closeListeners]
    this.#closeListeners.clear()
    for (const listener of listeners) listener(error)
    this.#env.logger.log('debug', 'closed connection', {
      broker: `${this.host}:${this.port}`,
      unanswered: pending.length,
      reason: error.message,
    })
  }

  #name(): string {
    return `connection to ${this.host}:${this.port}`
  }
}
