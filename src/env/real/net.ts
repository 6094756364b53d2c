// TCP. All writes of one event leave in one writev; every socket error ends as that socket's `close(error)`.

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
/** A write of several pieces no larger than this is copied into one: cheaper than a stream entry for each. */
const JOIN_BYTES = 4096
const KEEP_ALIVE_MS = 30_000
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, allowHalfOpen: true }

export class RealNet implements Net {
  readonly #clock: Clock
  readonly #logger: Logger

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  listen(options: ListenOptions): Promise<NetListener> {
    const server = net.createServer(SOCKET_OPTIONS, socket => options.onConnection(new RealSocket(socket, this.#clock)))
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => reject(envError(error, `listen on ${options.host}:${options.port}`))
      server.once('error', refused)
      server.listen({ host: options.host, port: options.port, backlog: options.backlog ?? 511 }, () => {
        server.off('error', refused)
        // Accepting failed (EMFILE, ECONNABORTED): that connection is lost, the listener lives.
        server.on('error', error => this.#logger.log('warn', 'failed to accept a connection', { error: error.message }))
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

  connect(options: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<Socket> {
    const { host, port, timeoutMs } = options
    const doing = `connect to ${host}:${port}`
    return new Promise((resolve, reject) => {
      let socket: net.Socket
      try {
        socket = net.connect({ host, port, ...SOCKET_OPTIONS })
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
        const open = new RealSocket(socket, this.#clock)
        socket.off('error', refused)
        resolve(open)
      })
    })
  }
}

class RealSocket implements Socket {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localPort: number
  readonly #socket: net.Socket
  readonly #clock: Clock
  #events: SocketEvents | undefined
  #error: EnvError | undefined
  #closed = false
  #corked = false
  #full = false
  readonly #uncork = () => {
    this.#corked = false
    this.#socket.uncork()
  }

  constructor(socket: net.Socket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    this.remoteHost = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    socket.on('error', error => {
      this.#error ??= envError(error, `connection with ${this.remoteHost}:${this.remotePort}`)
    })
    socket.on('close', () => {
      this.#closed = true
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
    socket.on('data', chunk => events.data(chunk))
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (this.#closed || socket.destroyed || socket.writableEnded) return true
    if (!this.#corked) {
      // Node runs this after the current callback and its microtasks: all that one event wrote leaves together, and no later.
      this.#corked = true
      socket.cork()
      process.nextTick(this.#uncork)
    }
    if (chunks.length > 1 && sizeOf(chunks) <= JOIN_BYTES) socket.write(Buffer.concat(chunks))
    else for (const chunk of chunks) if (chunk.length > 0) socket.write(chunk)
    if (socket.writableLength <= HIGH_WATER_BYTES) return true
    this.#full = true
    return false
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
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

function sizeOf(chunks: readonly Uint8Array[]): number {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  return size
}
