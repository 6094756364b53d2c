// A connection that we dialled to another node: its handshake, then requests whose answers come in any order, and notices both ways.
import { type Env, EnvError, type Socket, type Timer } from '../env/env.ts'
import { KafkaError, ProtocolError, REQUEST_TIMED_OUT } from '../protocol/errors.ts'
import type { BufferPool, Lease } from '../util/buffer-pool.ts'
import type { RpcHandler, RpcIdentity, RpcSender } from './rpc.ts'
import { ACCEPTED, ERROR, HELLO, NOTICE, PONG, PROOF, REFUSAL, REQUEST, RESPONSE, type RpcFrame } from './rpc-frames.ts'
import { decodeHello, encodeHello, type Hellos, isProof, mismatch, newNonce, proofOf, WRONG_SECRET } from './rpc-handshake.ts'
import { RpcLink } from './rpc-link.ts'

/** Requests beyond this, in bytes that the socket has not taken, are refused at once. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024
const MAX_ID = 0xffffffff

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** undefined: whoever listens there. */
  readonly expectedNodeId?: number | undefined
  readonly self: () => RpcIdentity
  readonly secret: Uint8Array
  /** To connect and shake hands. */
  readonly timeoutMs: number
  readonly maxFrameBytes: number
  readonly handler: Pick<RpcHandler, 'notice'>
  /** Where the memory of long answers comes from. */
  readonly frames: BufferPool
}

/** An answer whose memory is used again when its lease is released. */
export interface LeasedAnswer {
  readonly payload: Buffer
  /** Undefined: the garbage collector's. */
  readonly lease: Lease | undefined
}

interface Pending {
  readonly method: number
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly resolve: (answer: LeasedAnswer) => void
  readonly reject: (error: Error) => void
}

export class DialledPeer implements RpcSender {
  readonly #env: Env
  readonly #options: DialOptions
  readonly #link: RpcLink
  readonly #ours: RpcIdentity
  readonly #hello: Buffer
  readonly #closeListeners = new Set<(reason: Error) => void>()
  readonly #pending = new Map<number, Pending>()
  readonly #pongListeners = new Map<number, () => void>()
  #lastPing = 0
  #state: 'greeting' | 'proving' | 'waiting' | 'open' = 'greeting'
  #closed: Error | undefined
  #theirs: RpcIdentity = { clusterId: '', nodeId: -1, directoryId: '', incarnationId: '' }
  #hellos: Hellos | undefined
  #settle: { readonly resolve: (peer: DialledPeer) => void; readonly reject: (error: Error) => void } | undefined
  #lastId = 0
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  /** @throws EnvError ECONNREFUSED, ETIMEDOUT, ENOTFOUND, ECONNRESET; EACCES when one side refused the other, with the reason */
  static async dial(env: Env, options: DialOptions): Promise<DialledPeer> {
    const startedAt = env.clock.now()
    const { host, port, timeoutMs } = options
    const socket = await env.net.connect({ host, port, timeoutMs })
    return new Promise((resolve, reject) => {
      const leftMs = Math.max(1, startedAt + timeoutMs - env.clock.now())
      new DialledPeer(env, socket, options).#shakeHands(leftMs, { resolve, reject })
    })
  }

  private constructor(env: Env, socket: Socket, options: DialOptions) {
    this.#env = env
    this.#options = options
    this.#ours = options.self()
    this.#hello = encodeHello(this.#ours, newNonce(env.random))
    this.#link = new RpcLink(env, socket, {
      dialled: true,
      frames: options.frames,
      onFrame: frame => this.#take(frame),
      onClose: reason => this.#ended(reason),
    })
  }

  get clusterId(): string {
    return this.#theirs.clusterId
  }
  get nodeId(): number {
    return this.#theirs.nodeId
  }
  get directoryId(): string {
    return this.#theirs.directoryId
  }
  get incarnationId(): string {
    return this.#theirs.incarnationId
  }
  get remoteHost(): string {
    return this.#link.remoteHost
  }
  get isClosed(): boolean {
    return this.#closed !== undefined || this.#link.isClosed
  }

  notice(method: number, payload: readonly Uint8Array[]): void {
    this.#link.notice(method, payload)
  }

  /** @throws KafkaError what it was answered with, or REQUEST_TIMED_OUT; EnvError when the connection ends before the answer */
  async request(method: number, payload: readonly Uint8Array[], options: { readonly timeoutMs: number }): Promise<Buffer> {
    const answer = await this.requestLeased(method, payload, options)
    answer.lease?.lend()
    return answer.payload
  }

  /** The same; whoever takes the answer releases it. */
  requestLeased(method: number, payload: readonly Uint8Array[], options: { readonly timeoutMs: number }): Promise<LeasedAnswer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw new EnvError('ENOTCONN', `the connection to ${this.#name()} is closed`)
      if (this.#link.unsentBytes > MAX_UNSENT_BYTES)
        throw new EnvError('ENOBUFS', `${this.#name()} takes nothing: ${this.#link.unsentBytes} bytes wait for it`)
      const id = this.#lastId === MAX_ID ? 1 : this.#lastId + 1
      this.#lastId = id
      const deadlineMs = this.#env.clock.now() + options.timeoutMs
      this.#pending.set(id, { method, timeoutMs: options.timeoutMs, deadlineMs, resolve, reject })
      this.#link.send(REQUEST, id, method, payload)
      this.#watch(deadlineMs)
    })
  }

  /** Calls back when the other side's loop has answered to this call. */
  ping(answered: () => void): void {
    this.#pongListeners.set(++this.#lastPing, answered)
    this.#link.ping(this.#lastPing)
  }

  onClose(listener: (reason: Error) => void): () => void {
    if (this.#closed !== undefined) listener(this.#closed)
    else this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  destroy(reason: Error): void {
    this.#link.destroy(reason)
  }

  end(reason: Error): Promise<void> {
    return this.#link.end(reason)
  }

  #shakeHands(leftMs: number, settle: { resolve: (peer: DialledPeer) => void; reject: (error: Error) => void }): void {
    this.#settle = settle
    this.#link.send(HELLO, 0, 0, [this.#hello])
    this.#timer = this.#env.clock.setTimer(leftMs, () =>
      this.#link.destroy(new EnvError('ETIMEDOUT', `no handshake with ${this.#name()} within ${this.#options.timeoutMs} ms`)),
    )
  }

  #take(frame: RpcFrame): void {
    if (this.#state === 'open') this.#receive(frame)
    else if (frame.kind === PONG) return
    else if (frame.kind === REFUSAL) this.#refused(`it refused this node: ${frame.payload.toString('utf8', 0, 512)}`)
    else if (this.#state === 'greeting' && frame.kind === HELLO) this.#hear(frame.payload)
    else if (this.#state === 'proving' && frame.kind === PROOF) this.#judge(frame.payload)
    else if (this.#state === 'waiting' && frame.kind === ACCEPTED) this.#opened()
    else throw new ProtocolError('not the handshake of an Ottla node')
  }

  #hear(bytes: Buffer): void {
    try {
      this.#theirs = decodeHello(bytes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#refuse(error.message)
      return
    }
    this.#hellos = { dialler: this.#hello, listener: bytes }
    this.#state = 'proving'
  }

  #judge(proof: Buffer): void {
    const { secret, expectedNodeId } = this.#options
    const knowsSecret = isProof(proof, secret, 'listener', this.#hellos!)
    const reason = knowsSecret ? mismatch(this.#ours, this.#theirs, expectedNodeId) : WRONG_SECRET
    if (reason !== undefined) {
      this.#refuse(reason)
      return
    }
    this.#link.send(PROOF, 0, 0, [proofOf(secret, 'dialler', this.#hellos!)])
    this.#state = 'waiting'
  }

  #refuse(reason: string): void {
    this.#link.send(REFUSAL, 0, 0, [Buffer.from(reason)])
    const error = new EnvError('EACCES', reason)
    this.#settle?.reject(error)
    this.#settle = undefined
    void this.#link.end(error)
  }

  #refused(reason: string): void {
    this.#link.destroy(new EnvError('EACCES', reason))
  }

  #opened(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#state = 'open'
    this.#link.trust(this.#options.maxFrameBytes)
    this.#settle?.resolve(this)
    this.#settle = undefined
  }

  #receive(frame: RpcFrame): void {
    const { payload, lease } = frame
    if (frame.kind === RESPONSE) {
      const pending = this.#takePending(frame)
      if (pending === undefined) lease?.release()
      else pending.resolve({ payload, lease })
    } else if (frame.kind === ERROR) this.#takePending(frame)?.reject(errorOf(payload))
    else if (frame.kind === NOTICE) this.#options.handler.notice(frame.method, payload, this)
    else if (frame.kind === PONG) {
      this.#pongListeners.get(frame.id)?.()
      this.#pongListeners.delete(frame.id)
    } else throw new ProtocolError(`a frame of kind ${frame.kind}, which no listener sends`)
  }

  /** Undefined: it was given up before the answer came. */
  #takePending({ id, method }: RpcFrame): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) {
      if (id > this.#lastId) throw new ProtocolError(`an answer to request ${id}, which was not sent`)
      return undefined
    }
    if (pending.method !== method) throw new ProtocolError(`an answer to method ${method}, asked was ${pending.method}`)
    this.#pending.delete(id)
    return pending
  }

  /** One timer for all requests: it is set for the earliest deadline and looks again when it fires. */
  #watch(deadlineMs: number): void {
    if (deadlineMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = deadlineMs
    this.#timer = this.#env.clock.setTimer(Math.max(0, deadlineMs - this.#env.clock.now()), () => this.#checkDeadlines())
  }

  #checkDeadlines(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = this.#env.clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const [id, { deadlineMs, method, timeoutMs, reject }] of this.#pending) {
      if (deadlineMs > now) {
        next = Math.min(next, deadlineMs)
        continue
      }
      this.#pending.delete(id)
      reject(new KafkaError(REQUEST_TIMED_OUT, `${this.#name()} did not answer method ${method} within ${timeoutMs} ms`))
    }
    if (next < Number.POSITIVE_INFINITY) this.#watch(next)
  }

  #ended(reason: Error): void {
    this.#closed = reason
    this.#timer?.cancel()
    this.#settle?.reject(reason)
    this.#settle = undefined
    this.#pongListeners.clear()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(reason)
    const listeners = [...this.#closeListeners]
    this.#closeListeners.clear()
    for (const listener of listeners) listener(reason)
  }

  #name(): string {
    return this.nodeId === -1 ? `${this.#options.host}:${this.#options.port}` : `node ${this.nodeId}`
  }
}

function errorOf(payload: Buffer): Error {
  if (payload.length < 2) throw new ProtocolError('an error without a code')
  return new KafkaError(payload.readInt16BE(0), payload.toString('utf8', 2))
}
