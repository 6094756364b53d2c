// A connection that another node dialled: its handshake, then its requests and notices up and the answers out, in any order.
// Backpressure: reading stops while too much is being handled, and while the other side takes no answers.
import { type Env, EnvError, type Socket, type Timer } from '../env/env.ts'
import { KafkaError, ProtocolError } from '../protocol/errors.ts'
import type { RpcAnswer, RpcHandler, RpcIdentity, RpcSender } from './rpc.ts'
import { ACCEPTED, ERROR, HELLO, NOTICE, PONG, PROOF, REFUSAL, REQUEST, RESPONSE, type RpcFrame } from './rpc-frames.ts'
import { decodeHello, encodeHello, type Hellos, isProof, mismatch, newNonce, proofOf, WRONG_SECRET } from './rpc-handshake.ts'
import { RpcLink } from './rpc-link.ts'

const HANDSHAKE_MS = 5000
const MAX_IN_FLIGHT_REQUESTS = 1024
const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024

export interface AcceptedPeerOptions {
  readonly self: () => RpcIdentity
  readonly secret: Uint8Array
  readonly handler: RpcHandler
  readonly maxFrameBytes: number
  /** It has proven itself: why it may not stay; undefined: it may. */
  readonly admit: (peer: AcceptedPeer) => string | undefined
  readonly refused: (who: string, reason: string) => void
  readonly closed: (peer: AcceptedPeer) => void
}

export class AcceptedPeer implements RpcSender {
  readonly #env: Env
  readonly #options: AcceptedPeerOptions
  readonly #link: RpcLink
  readonly #closeListeners = new Set<() => void>()
  #state: 'greeting' | 'proving' | 'open' | 'closed' = 'greeting'
  #deadline: Timer | undefined
  #ours: RpcIdentity
  #theirs: RpcIdentity = { clusterId: '', nodeId: -1, directoryId: '', incarnationId: '' }
  #hellos: Hellos | undefined
  #inFlightRequests = 0
  #inFlightBytes = 0

  constructor(env: Env, socket: Socket, options: AcceptedPeerOptions) {
    this.#env = env
    this.#options = options
    this.#ours = options.self()
    this.#link = new RpcLink(env, socket, {
      dialled: false,
      onFrame: frame => this.#take(frame),
      onDrain: () => this.#pauseOrResume(),
      onClose: reason => this.#ended(reason),
    })
    this.#deadline = env.clock.setTimer(HANDSHAKE_MS, () =>
      this.#link.destroy(new EnvError('ETIMEDOUT', `no handshake within ${HANDSHAKE_MS} ms`)),
    )
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
  get isProven(): boolean {
    return this.#state === 'open'
  }
  get heardAt(): number {
    return this.#link.heardAt
  }

  notice(method: number, payload: readonly Uint8Array[]): void {
    if (this.#state === 'open') this.#link.notice(method, payload)
  }

  onClose(listener: () => void): () => void {
    if (this.#state === 'closed' || this.#link.isClosed) listener()
    else this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  destroy(reason: Error): void {
    this.#link.destroy(reason)
  }

  end(reason: Error): Promise<void> {
    return this.#link.end(reason)
  }

  #take(frame: RpcFrame): void {
    if (frame.kind === PONG) return
    if (this.#state === 'open') this.#serve(frame)
    else if (frame.kind === REFUSAL) this.#refusedByPeer(frame.payload)
    else if (this.#state === 'greeting' && frame.kind === HELLO) this.#answerHello(frame.payload)
    else if (this.#state === 'proving' && frame.kind === PROOF) this.#judge(frame.payload)
    else throw new ProtocolError('not the handshake of an Ottla node')
  }

  #serve(frame: RpcFrame): void {
    if (frame.kind === NOTICE) this.#options.handler.notice(frame.method, frame.payload, this)
    else if (frame.kind === REQUEST) this.#handle(frame)
    else throw new ProtocolError(`a frame of kind ${frame.kind}, which no dialler sends`)
  }

  #answerHello(bytes: Buffer): void {
    try {
      this.#theirs = decodeHello(bytes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#refuse(error.message)
      return
    }
    this.#ours = this.#options.self()
    const hello = encodeHello(this.#ours, newNonce(this.#env.random))
    this.#hellos = { dialler: bytes, listener: hello }
    this.#link.send(HELLO, 0, 0, [hello])
    this.#link.send(PROOF, 0, 0, [proofOf(this.#options.secret, 'listener', this.#hellos)])
    this.#state = 'proving'
  }

  #judge(proof: Buffer): void {
    const knowsSecret = isProof(proof, this.#options.secret, 'dialler', this.#hellos!)
    const reason = knowsSecret ? (mismatch(this.#ours, this.#theirs) ?? this.#options.admit(this)) : WRONG_SECRET
    if (reason !== undefined) {
      this.#refuse(reason)
      return
    }
    this.#deadline?.cancel()
    this.#state = 'open'
    this.#link.trust(this.#options.maxFrameBytes)
    this.#link.send(ACCEPTED, 0, 0)
  }

  #refuse(reason: string): void {
    this.#options.refused(this.#who(), reason)
    this.#link.send(REFUSAL, 0, 0, [Buffer.from(reason)])
    void this.#link.end(new EnvError('EACCES', reason))
  }

  #refusedByPeer(payload: Buffer): void {
    this.#options.refused(this.#who(), `it refused this node: ${payload.toString('utf8', 0, 512)}`)
    this.#link.destroy(new EnvError('EACCES', 'refused by the other side'))
  }

  #who(): string {
    return this.nodeId === -1 ? this.remoteHost : `node ${this.nodeId} at ${this.remoteHost}`
  }

  #handle(frame: RpcFrame): void {
    const bytes = frame.payload.length
    this.#inFlightRequests++
    this.#inFlightBytes += bytes
    this.#pauseOrResume()
    this.#options.handler
      .request(frame.method, frame.payload, this)
      .then(
        answer => this.#answer(frame, answer),
        error => this.#fail(frame, error as Error),
      )
      .finally(() => {
        this.#inFlightRequests--
        this.#inFlightBytes -= bytes
        this.#pauseOrResume()
      })
  }

  #answer({ id, method }: RpcFrame, answer: RpcAnswer): void {
    const { chunks, sent } = 'chunks' in answer ? answer : { chunks: answer, sent: undefined }
    this.#link.send(RESPONSE, id, method, chunks, sent)
  }

  #fail({ id, method }: RpcFrame, error: Error): void {
    if (error instanceof KafkaError) {
      const code = Buffer.alloc(2)
      code.writeInt16BE(error.code)
      this.#link.send(ERROR, id, method, [code, Buffer.from(error.message)])
      return
    }
    const level = error instanceof ProtocolError ? 'warn' : 'error'
    this.#env.logger.log(level, 'failed to answer another node', { peer: this.#who(), method, error: error.message })
    this.#link.destroy(error)
  }

  #pauseOrResume(): void {
    const isBusy = this.#inFlightRequests >= MAX_IN_FLIGHT_REQUESTS || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES
    if (isBusy || this.#link.isFull) this.#link.pause()
    else this.#link.resume()
  }

  #ended(reason: Error): void {
    this.#deadline?.cancel()
    const wasOpen = this.#state === 'open'
    this.#state = 'closed'
    if (wasOpen) this.#env.logger.log('debug', 'closed connection of a node', { peer: this.#who(), reason: reason.message })
    this.#options.closed(this)
    const listeners = [...this.#closeListeners]
    this.#closeListeners.clear()
    for (const listener of listeners) listener()
  }
}
