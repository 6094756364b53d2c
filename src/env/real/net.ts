// TCP. All writes of one event leave in one writev; every socket error ends as that socket's `close(error)`.
// Reading: all sockets read into one buffer (net's `onread`), and the receiver copies what it keeps. A fresh 64 KiB chunk per read, which is what
// 'data' events cost, is external memory whose churn V8 answers with full collections: a quarter of a busy broker's CPU. `onread` is offered
// for outgoing sockets only, so an accepted connection's handle is moved to a socket made with it. Where Node has no such handle to move
// (`_handle` is not documented), 'data' events do the same, dearer.

import { readFileSync } from 'node:fs'
import * as net from 'node:net'
import {
  type Clock,
  EnvError,
  type ListenOptions,
  type Logger,
  type Net,
  type NetListener,
  type Socket,
  type SocketEvents,
} from '../env.ts'
import { envError } from './errors.ts'

/** A socket with more than this waiting to be sent asks its writer to stop. */
export const HIGH_WATER_BYTES = 1024 * 1024
/** One that we accepted: there may be thousands of them, and nobody writes a second answer before the first is on its way. */
const ACCEPTED_HIGH_WATER_BYTES = 64 * 1024
/** A write of several pieces no larger than this is copied into one: cheaper than a stream entry for each. */
const JOIN_BYTES = 4096
const KEEP_ALIVE_MS = 30_000
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, allowHalfOpen: true }

/** Failures to accept are told once in so long: a process without descriptors meets thousands a second. */
const TOLD_EVERY_MS = 10_000

export class RealNet implements Net {
  readonly #clock: Clock
  readonly #logger: Logger
  #maxFiles: number | undefined
  #acceptFailures = 0
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  listen(options: ListenOptions): Promise<NetListener> {
    const server = net.createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, accepted => {
      const reader = new SharedReader()
      options.onConnection(new RealSocket(withSharedReader(accepted, reader), reader, this.#clock, ACCEPTED_HIGH_WATER_BYTES))
    })
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => reject(envError(error, `listen on ${options.host}:${options.port}`))
      server.once('error', refused)
      server.listen({ host: options.host, port: options.port, backlog: options.backlog ?? 511 }, () => {
        server.off('error', refused)
        // Accepting failed (EMFILE, ECONNABORTED): that connection is lost, the listener lives.
        server.on('error', error => this.#acceptFailed(error))
        const address = server.address() as net.AddressInfo
        resolve({
          host: options.host,
          port: address.port,
          close: () => {
            // Node's own callback waits for the open sockets; the port is free at once.
            if (server.listening) server.close()
            return new Promise(closed => this.#clock.turn(closed))
          },
        })
      })
    })
  }

  get maxFiles(): number | undefined {
    return (this.#maxFiles ??= openFileLimit())
  }

  #acceptFailed(error: Error): void {
    this.#acceptFailures++
    const now = this.#clock.now()
    if (now < this.#toldAtMs + TOLD_EVERY_MS) return
    this.#logger.log('warn', 'failed to accept connections', { error: error.message, count: this.#acceptFailures })
    this.#toldAtMs = now
    this.#acceptFailures = 0
  }

  connect(options: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<Socket> {
    const { host, port, timeoutMs } = options
    const doing = `connect to ${host}:${port}`
    const reader = new SharedReader()
    return new Promise((resolve, reject) => {
      let socket: net.Socket
      try {
        socket = net.connect({ host, port, ...SOCKET_OPTIONS, onread: reader.onread })
      } catch (error) {
        // A port or host that is none at all.
        return this.#clock.turn(() => reject(envError(error, doing)))
      }
      const timer = setTimeout(() => {
        socket.destroy()
        reject(new EnvError('ETIMEDOUT', `${doing}: no answer within ${timeoutMs} ms`))
      }, timeoutMs)
      const refused = (error: Error) => {
        clearTimeout(timer)
        socket.destroy()
        reject(envError(error, doing))
      }
      socket.once('error', refused)
      socket.once('connect', () => {
        clearTimeout(timer)
        const open = new RealSocket(socket, reader, this.#clock, HIGH_WATER_BYTES)
        socket.off('error', refused)
        resolve(open)
      })
    })
  }
}

/** Linux says; elsewhere it is not known. */
function openFileLimit(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}

/** What all sockets read into: a read is handed on before the next one starts. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)
/** What a socket reads at first, and again after a short read: so much of a large message is seen before more is asked for. */
const FIRST_READ_BUFFER = READ_BUFFER.subarray(0, 16 * 1024)

/** Hands what one socket reads to whoever handles it. */
class SharedReader {
  events: SocketEvents | undefined
  #next = FIRST_READ_BUFFER
  readonly onread = {
    buffer: (): Buffer => this.#next,
    callback: (byteCount: number, buffer: Uint8Array): boolean => {
      this.#next = byteCount < FIRST_READ_BUFFER.length ? FIRST_READ_BUFFER : READ_BUFFER
      this.events?.data((buffer as Buffer).subarray(0, byteCount))
      return true
    },
  }
}

function withSharedReader(accepted: net.Socket, reader: SharedReader): net.Socket {
  const from = accepted as unknown as { _handle: object | null }
  const handle = from._handle
  if (handle === null || typeof handle !== 'object') return accepted
  from._handle = null
  const options = { handle, allowHalfOpen: true, readable: true, writable: true, pauseOnCreate: true, onread: reader.onread }
  return new net.Socket(options as net.SocketConstructorOpts)
}

class RealSocket implements Socket {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localPort: number
  readonly #socket: net.Socket
  readonly #reader: SharedReader
  readonly #clock: Clock
  readonly #highWaterBytes: number
  #events: SocketEvents | undefined
  #error: EnvError | undefined
  #closed = false
  #corked = false
  #full = false
  /** What writers wait for: their bytes are not looked at any more. */
  readonly #undone = new Set<() => void>()
  readonly #uncork = () => {
    this.#corked = false
    this.#socket.uncork()
  }

  constructor(socket: net.Socket, reader: SharedReader, clock: Clock, highWaterBytes: number) {
    this.#socket = socket
    this.#highWaterBytes = highWaterBytes
    this.#reader = reader
    this.#clock = clock
    this.remoteHost = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    socket.on('error', error => {
      this.#error ??= envError(error, `connection with ${this.remoteHost}:${this.remotePort}`)
    })
    socket.on('close', () => {
      this.#closed = true
      for (const done of this.#undone) this.#finish(done)
      this.#events?.close(this.#error)
    })
  }

  handle(events: SocketEvents): void {
    this.#events = events
    if (this.#closed) {
      this.#clock.turn(() => events.close(this.#error))
      return
    }
    const socket = this.#socket
    socket.on('end', () => {
      if (events.end !== undefined) events.end()
      else this.end()
    })
    socket.on('drain', () => {
      if (!this.#full) return
      this.#full = false
      events.drain?.()
    })
    this.#reader.events = events
    // Without `onread` these are the bytes, with it nothing comes this way; in both cases the socket starts to flow.
    socket.on('data', chunk => events.data(chunk))
    socket.resume()
  }

  write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    const socket = this.#socket
    if (this.#closed || socket.destroyed || socket.writableEnded) {
      if (done !== undefined) this.#clock.turn(done)
      return true
    }
    if (!this.#corked) {
      // Node runs this after the current callback and its microtasks: all that one event wrote leaves together, and no later.
      this.#corked = true
      socket.cork()
      process.nextTick(this.#uncork)
    }
    if (chunks.length > 1 && sizeOf(chunks) <= JOIN_BYTES) socket.write(Buffer.concat(chunks))
    else for (const chunk of chunks) if (chunk.length > 0) socket.write(chunk)
    if (done !== undefined) this.#whenDone(done)
    if (socket.writableLength <= this.#highWaterBytes) return true
    this.#full = true
    return false
  }

  /** An empty write comes back when those before it have left. With an error it comes when the handle is closed, as does all else at the close. */
  #whenDone(done: () => void): void {
    this.#undone.add(done)
    this.#socket.write(NO_BYTES, () => this.#finish(done))
  }

  #finish(done: () => void): void {
    if (this.#undone.delete(done)) done()
  }

  get bufferedBytes(): number {
    const { writableLength } = this.#socket
    if (writableLength === 0) return 0
    // A large write counts as a whole until its last byte left; the handle knows how much of it has.
    const handle = (this.#socket as unknown as { _handle: { writeQueueSize?: number } | null })._handle
    const queued = handle?.writeQueueSize ?? 0
    return queued > 0 && queued < writableLength && this.#socket.writableCorked === 0 ? queued : writableLength
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

const NO_BYTES = Buffer.alloc(0)

function sizeOf(chunks: readonly Uint8Array[]): number {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  return size
}
