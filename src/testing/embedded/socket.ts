// One end of a real connection as an embedded node has it. What a cut or a pause holds back waits here: bytes to be sent before the socket, arrived ones in
// the kernel (a chunk that was under way, here), and an end is not noticed before its turn. The end of a process behind a cut is not noticed either: its
// socket stays open until the cut is healed.
import type { Clock, EnvError, Socket, SocketEvents } from '../../env/env.ts'
import type { Links } from '../faults.ts'
import type { Life } from './life.ts'

/** More than this held back asks the writer to stop, as the real socket does. */
const HIGH_WATER_BYTES = 1024 * 1024

export interface NodeSocketOptions {
  readonly life: Life
  readonly clock: Clock
  readonly links: Links
  readonly isSendingCut: () => boolean
  readonly isReceivingCut: () => boolean
  /** Nothing of it is left, or nothing that its process knows of. */
  readonly gone: () => void
}

type Arrival =
  | { readonly type: 'data'; readonly chunk: Buffer }
  | { readonly type: 'end' }
  | { readonly type: 'close'; readonly error: EnvError | undefined }

interface Held {
  readonly chunks: readonly Uint8Array[]
  readonly done: (() => void) | undefined
}

export class NodeSocket implements Socket {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localPort: number
  readonly #inner: Socket
  readonly #o: NodeSocketOptions
  readonly #unlisten: readonly (() => void)[]
  #events: SocketEvents | undefined
  readonly #arrivals: Arrival[] = []
  #held: Held[] = []
  #heldBytes = 0
  #isFull = false
  /** By whoever handles it. */
  #isPaused = false
  #isEnding = false
  #isDestroyed = false
  /** The real one is. */
  #isClosed = false
  #closeTold = false

  constructor(inner: Socket, o: NodeSocketOptions) {
    this.#inner = inner
    this.#o = o
    this.remoteHost = inner.remoteHost
    this.remotePort = inner.remotePort
    this.localPort = inner.localPort
    this.#unlisten = [o.life.listen({ changed: () => this.#look(), over: () => this.#orphan() }), o.links.listen(() => this.#look())]
    inner.handle({
      data: chunk => this.#data(chunk),
      drain: () => o.life.arrived(() => this.#events?.drain?.()),
      end: () => this.#arrived({ type: 'end' }),
      close: error => this.#closed(error),
    })
    if (this.#isBlocked()) inner.pause()
  }

  handle(events: SocketEvents): void {
    this.#events = events
    if (this.#arrivals.length > 0) this.#deliverLater()
  }

  write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    const { life, isSendingCut } = this.#o
    if (this.#isDestroyed || this.#isEnding) {
      if (done !== undefined) this.#later(done)
      return true
    }
    if (this.#held.length === 0 && !isSendingCut()) return this.#inner.write(chunks, done && (() => life.arrived(done)))
    this.#held.push({ chunks, done })
    for (const chunk of chunks) this.#heldBytes += chunk.length
    this.#isFull ||= this.#heldBytes > HIGH_WATER_BYTES
    return this.#heldBytes <= HIGH_WATER_BYTES
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes + this.#heldBytes
  }

  pause(): void {
    this.#isPaused = true
    this.#inner.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#arrivals.length > 0) this.#deliverLater()
    else if (!this.#isBlocked()) this.#inner.resume()
  }

  end(): void {
    if (this.#isEnding || this.#isDestroyed) return
    this.#isEnding = true
    if (this.#held.length === 0 && !this.#o.isSendingCut()) this.#inner.end()
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#arrivals.length = 0
    for (const { done } of this.#held) if (done !== undefined) this.#later(done)
    this.#dropHeld()
    if (this.#isClosed || this.#o.isSendingCut()) this.#later(() => this.#tellClose(undefined))
    this.#leave()
  }

  /** The process is gone: its kernel says so, unless a cut lies between. */
  #orphan(): void {
    this.#isDestroyed = true
    this.#arrivals.length = 0
    this.#dropHeld()
    this.#leave()
  }

  #leave(): void {
    if (this.#isClosed) return
    if (!this.#o.isSendingCut()) {
      this.#inner.destroy()
      return
    }
    this.#inner.pause()
    this.#o.gone()
  }

  #dropHeld(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  /** A cut was made or healed, the node was paused or goes on. */
  #look(): void {
    if (this.#isDestroyed) {
      this.#leave()
      return
    }
    if (!this.#o.isSendingCut()) this.#send()
    if (this.#isBlocked()) this.#inner.pause()
    else if (!this.#isPaused || this.#arrivals.length > 0) this.#deliverLater()
  }

  #send(): void {
    const held = this.#held
    this.#dropHeld()
    let taken = true
    for (const { chunks, done } of held) taken = this.#inner.write(chunks, done && (() => this.#o.life.arrived(done)))
    // Else the real socket tells when.
    if (this.#isFull && taken) this.#later(() => this.#events?.drain?.())
    this.#isFull = false
    if (held.length > 0 || this.#isEnding) this.#finishEnd()
  }

  #finishEnd(): void {
    if (this.#isEnding) this.#inner.end()
  }

  #isBlocked(): boolean {
    return !this.#o.life.isCurrent || this.#o.isReceivingCut()
  }

  #data(chunk: Buffer): void {
    if (this.#isDestroyed) return
    if (this.#arrivals.length === 0 && this.#events !== undefined && !this.#isBlocked()) {
      const events = this.#events
      this.#o.life.arrived(() => events.data(chunk))
    } else this.#arrived({ type: 'data', chunk: Buffer.from(chunk) })
  }

  #closed(error: EnvError | undefined): void {
    this.#isClosed = true
    for (const unlisten of this.#unlisten) unlisten()
    this.#o.gone()
    if (this.#isDestroyed) this.#o.life.arrived(() => this.#tellClose(error))
    else if (this.#isBlocked()) this.#waitToTell(error)
    else this.#arrived({ type: 'close', error })
  }

  /** The real socket is closed, and that has to wait for the cut's or the pause's end. */
  #waitToTell(error: EnvError | undefined): void {
    this.#arrivals.push({ type: 'close', error })
    const { life, links } = this.#o
    const look = () => {
      if (this.#isBlocked() && !life.isOver) return
      stop()
      this.#deliverLater()
    }
    const unlisten = [life.listen({ changed: look, over: look }), links.listen(look)]
    const stop = () => {
      for (const each of unlisten) each()
    }
  }

  #arrived(arrival: Arrival): void {
    if (this.#isDestroyed) return
    this.#arrivals.push(arrival)
    if (this.#isBlocked()) this.#inner.pause()
    else if (this.#events !== undefined) this.#o.life.arrived(() => this.#deliver())
  }

  #deliverLater(): void {
    this.#later(() => this.#deliver())
  }

  #deliver(): void {
    while (this.#arrivals.length > 0 && this.#events !== undefined && !this.#isDestroyed && !this.#isBlocked()) {
      const next = this.#arrivals[0]!
      if (this.#isPaused && next.type !== 'close') return
      this.#arrivals.shift()
      if (next.type === 'data') this.#events.data(next.chunk)
      else if (next.type === 'close') this.#tellClose(next.error)
      else if (this.#events.end !== undefined) this.#events.end()
      else this.end()
    }
    if (this.#arrivals.length === 0 && !this.#isPaused && !this.#isClosed && !this.#isDestroyed && !this.#isBlocked()) this.#inner.resume()
  }

  #tellClose(error: EnvError | undefined): void {
    if (this.#closeTold || this.#events === undefined) return
    this.#closeTold = true
    this.#events.close(error)
  }

  #later(run: () => void): void {
    const { clock, life } = this.#o
    clock.turn(() => life.arrived(run))
  }
}
