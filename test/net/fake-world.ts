// The smallest world a connection needs: a clock turned by hand and sockets whose other end is the test.
import { type Clock, type Env, EnvError, type ListenOptions, type Logger, type Socket, type SocketEvents } from '../../src/env/env.ts'

export class HandClock implements Clock {
  #now = 0
  #timers: { at: number; callback: () => void }[] = []
  #turns: (() => void)[] = []

  wallTime(): number {
    return 1_700_000_000_000 + this.#now
  }

  now(): number {
    return this.#now
  }

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(t => t !== timer)) }
  }

  turn(callback: () => void): void {
    this.#turns.push(callback)
  }

  runTurns(): void {
    const turns = this.#turns
    this.#turns = []
    for (const callback of turns) callback()
  }

  /** The loop goes round: what a turn asks for comes in the next. */
  goRound(): void {
    this.runTurns()
    this.runTurns()
  }

  /** Runs every timer due within `ms`, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#timers.filter(t => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter(t => t !== due)
      this.#now = Math.max(this.#now, due.at)
      due.callback()
    }
    this.#now = end
  }
}

/** One end of a connection; the test plays the peer and the kernel. */
export class HandSocket implements Socket {
  readonly remoteHost = '10.0.0.9'
  readonly remotePort = 40001
  readonly localPort = 9092
  highWaterBytes = Number.POSITIVE_INFINITY
  bufferedBytes = 0
  paused = false
  ended = false
  destroyed = false
  closed = false
  #events: SocketEvents | undefined
  #written: Uint8Array[] = []

  handle(events: SocketEvents): void {
    this.#events = events
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.closed || this.ended || this.destroyed) return true
    for (const chunk of chunks) {
      this.#written.push(chunk)
      this.bufferedBytes += chunk.length
    }
    return this.bufferedBytes <= this.highWaterBytes
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
  }

  /** What the owner wrote since the last call: the kernel took it all. */
  taken(): Buffer {
    const bytes = Buffer.concat(this.#written)
    this.#written = []
    const wasFull = this.bufferedBytes > this.highWaterBytes
    this.bufferedBytes = 0
    if (wasFull) this.#events?.drain?.()
    return bytes
  }

  /** What stands in the socket, left there. */
  waiting(): Buffer {
    return Buffer.concat(this.#written)
  }

  deliver(bytes: Uint8Array): void {
    this.#events?.data(Buffer.from(bytes))
  }

  peerEnds(): void {
    this.#events?.end?.()
  }

  /** The door's last event. */
  close(error?: EnvError): void {
    if (this.closed) return
    this.closed = true
    this.#events?.close(error)
  }
}

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class HandWorld {
  readonly clock = new HandClock()
  readonly log: LogLine[] = []
  readonly listening: ListenOptions[] = []
  readonly dialled: { host: string; port: number; socket: HandSocket }[] = []
  refuse: string | undefined
  readonly env: Env

  constructor() {
    const logger: Logger = { log: (level, event, fields = {}) => void this.log.push({ level, event, fields }) }
    const absent = (): never => {
      throw new Error('this door is shut')
    }
    this.env = {
      clock: this.clock,
      random: { integer: () => 0, fraction: () => 0, bytes: length => Buffer.alloc(length) },
      net: {
        listen: async options => {
          if (this.refuse !== undefined) throw new EnvError(this.refuse, 'refused')
          this.listening.push(options)
          return { host: options.host, port: options.port || 9092 + this.listening.length, close: async () => undefined }
        },
        connect: async ({ host, port }) => {
          if (this.refuse !== undefined) throw new EnvError(this.refuse, `connect to ${host}:${port}: refused`)
          const socket = new HandSocket()
          this.dialled.push({ host, port, socket })
          return socket
        },
      },
      disk: {
        open: absent,
        size: absent,
        list: absent,
        makeDirectory: absent,
        rename: absent,
        remove: absent,
        syncDirectory: absent,
        space: absent,
      },
      kv: { open: absent },
      poisonsMemory: true,
      logger,
    }
  }

  /** A client connects to the n-th listener. */
  accept(listener = 0): HandSocket {
    const socket = new HandSocket()
    this.listening[listener]!.onConnection(socket)
    return socket
  }
}

/** Lets promise chains that wait for nothing else run to their end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

export function frameOf(body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body as string)
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeInt32BE(bytes.length)
  bytes.copy(frame, 4)
  return frame
}

/** Numbers in [0, bound) from a seed, for tests that cut at random places. */
export function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return bound => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}
