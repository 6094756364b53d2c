// One connection of the internal listener, either end: frames out and in, and whether the other side still lives.
// A link that dials says something every half second; one that hears nothing for long is given up, since TCP alone takes minutes to notice that
// a machine or a cable is gone, and as long to try again after it came back.
import { type Env, EnvError, type Socket, type Timer } from '../env/env.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { BufferPool } from '../util/buffer-pool.ts'
import { frameHead, NOTICE, PING, PONG, type RpcFrame, RpcFrameReader } from './rpc-frames.ts'

/** What may be announced before the other side has proven itself. */
export const MAX_UNPROVEN_BYTES = 8 * 1024
/** A notice that finds more waiting to be sent is dropped. */
export const MAX_UNSENT_NOTICES_BYTES = 8 * 1024 * 1024
const TICK_MS = 500
/** A tick that comes so much later than asked says that we were not running, and nothing about the other side. */
const LATE_MS = 250
const SILENT_DIALLED_MS = 2000
const SILENT_ACCEPTED_MS = 10_000
/** Of a link that is full, for which it takes nothing at all. */
const STALLED_MS = 10_000
/** For the other side to take our last bytes. */
const LINGER_MS = 300
const NO_CHUNKS: readonly Uint8Array[] = []

export interface LinkOptions {
  readonly dialled: boolean
  /** Where the memory of long answers comes from. */
  readonly frames?: BufferPool
  readonly onFrame: (frame: RpcFrame) => void
  /** Once. Never inside a call to the link. */
  readonly onClose: (reason: Error) => void
  readonly onDrain?: () => void
}

export class RpcLink {
  readonly remoteHost: string
  readonly #env: Env
  readonly #socket: Socket
  readonly #options: LinkOptions
  readonly #reader: RpcFrameReader
  #closed: Error | undefined
  #closeTold = false
  #full = false
  #paused = false
  #heardAt: number
  /** Of `#full`: when something was taken last, and how much waited then. */
  #takenAt = 0
  #unsentAtTick = 0
  #tickDueAt = 0
  #tick: Timer | undefined
  #linger: Timer | undefined
  #socketClosed: (() => void) | undefined

  constructor(env: Env, socket: Socket, options: LinkOptions) {
    this.#env = env
    this.#socket = socket
    this.#options = options
    this.#reader = new RpcFrameReader(MAX_UNPROVEN_BYTES, options.frames)
    this.remoteHost = socket.remoteHost
    this.#heardAt = env.clock.now()
    socket.handle({
      data: chunk => this.#read(chunk),
      drain: () => this.#drained(),
      end: () => this.#gone(this.#closedByPeer()),
      close: error => {
        this.#gone(error ?? this.#closedByPeer())
        this.#linger?.cancel()
        this.#socketClosed?.()
        this.#socketClosed = undefined
        this.#tellClose()
      },
    })
    this.#armTick()
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }
  /** The socket asked for a pause, until `onDrain`. */
  get isFull(): boolean {
    return this.#full
  }
  get unsentBytes(): number {
    return this.#socket.bufferedBytes
  }
  get heardAt(): number {
    return this.#heardAt
  }

  /** The other side is one of ours: it may send long frames. */
  trust(maxPayloadBytes: number): void {
    this.#reader.maxPayloadBytes = maxPayloadBytes
  }

  /** Payload by reference. @param sent  once nobody looks at it any more, also when it was never sent */
  send(kind: number, id: number, method: number, payload: readonly Uint8Array[] = NO_CHUNKS, sent?: () => void): void {
    let bytes = 0
    for (const chunk of payload) bytes += chunk.length
    const wasFull = this.#full
    if (!this.#socket.write([frameHead({ kind, id, method }, bytes), ...payload], sent)) this.#full = true
    if (wasFull || !this.#full) return
    this.#takenAt = this.#env.clock.now()
    this.#unsentAtTick = this.unsentBytes
  }

  /** Dropped when too much waits already. */
  notice(method: number, payload: readonly Uint8Array[]): void {
    if (!this.isClosed && this.unsentBytes <= MAX_UNSENT_NOTICES_BYTES) this.send(NOTICE, 0, method, payload)
  }

  /** @param id  comes back with the answer; 0: nobody asks */
  ping(id: number): void {
    this.send(PING, id, 0)
  }

  pause(): void {
    if (this.isClosed || this.#paused) return
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    if (this.isClosed || !this.#paused) return
    this.#paused = false
    this.#heardAt = this.#env.clock.now()
    this.#socket.resume()
  }

  /** Drops what is queued. */
  destroy(reason: Error): void {
    this.#gone(reason)
  }

  /** Sends what is queued, then ends. Settles when the connection is gone. */
  end(reason: Error): Promise<void> {
    if (this.#closeTold) return Promise.resolve()
    const settled = new Promise<void>(resolve => (this.#socketClosed = resolve))
    if (this.#closed === undefined) {
      this.#closed = reason
      this.#tick?.cancel()
      this.#socket.end()
      this.#linger = this.#env.clock.setTimer(LINGER_MS, () => this.#socket.destroy())
    }
    return settled
  }

  #read(chunk: Buffer): void {
    if (this.isClosed) return
    this.#heardAt = this.#env.clock.now()
    try {
      this.#reader.push(chunk, frame => {
        if (frame.kind === PING) this.send(PONG, frame.id, 0)
        else this.#options.onFrame(frame)
        return !this.isClosed
      })
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#gone(error)
    }
  }

  #drained(): void {
    this.#full = false
    this.#options.onDrain?.()
  }

  #gone(reason: Error): void {
    if (this.#closed === undefined) {
      this.#closed = reason
      this.#tick?.cancel()
    }
    // `close` follows, from the socket's own event, and tells the owner.
    this.#socket.destroy()
  }

  #tellClose(): void {
    if (this.#closeTold) return
    this.#closeTold = true
    this.#reader.drop()
    this.#options.onClose(this.#closed!)
  }

  #closedByPeer(): EnvError {
    return new EnvError('ECONNRESET', `the connection with ${this.remoteHost} was closed by the other side`)
  }

  #armTick(): void {
    this.#tickDueAt = this.#env.clock.now() + TICK_MS
    this.#tick = this.#env.clock.setTimer(TICK_MS, () => this.#look())
  }

  #look(): void {
    const now = this.#env.clock.now()
    if (now > this.#tickDueAt + LATE_MS) {
      this.#heardAt = now
      this.#takenAt = now
    }
    const silentMs = this.#paused ? 0 : now - this.#heardAt
    const { dialled } = this.#options
    if (silentMs >= (dialled ? SILENT_DIALLED_MS : SILENT_ACCEPTED_MS)) {
      this.#gone(new EnvError('ETIMEDOUT', `nothing was heard from ${this.remoteHost} for ${Math.round(silentMs)} ms`))
      return
    }
    if (this.#full) {
      if (this.unsentBytes < this.#unsentAtTick) this.#takenAt = now
      this.#unsentAtTick = this.unsentBytes
      if (now - this.#takenAt >= STALLED_MS) {
        this.#gone(new EnvError('ETIMEDOUT', `${this.remoteHost} took nothing of ${this.unsentBytes} bytes for ${STALLED_MS} ms`))
        return
      }
    }
    if (dialled && silentMs >= TICK_MS / 2) this.ping(0)
    this.#armTick()
  }
}
