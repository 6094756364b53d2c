// One end of a simulated TCP connection. Each end sends into its own pipe: what was written waits in the sender's buffer, then travels (at most a window
// of it), then waits at the receiver until it is read.

import { EnvError, type Socket, type SocketEvents } from '../env.ts'
import type { SimProcess } from './host.ts'
import type { SimNetwork } from './net.ts'

/** Travelling and unread bytes of one direction. */
const WINDOW_BYTES = 256 * 1024
/** What one read returns at most. */
const READ_BYTES = 64 * 1024

type Arrival = { readonly type: 'bytes'; readonly bytes: Buffer } | { readonly type: 'end' }

export class SimSocket implements Socket {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localPort: number
  readonly process: SimProcess
  readonly #network: SimNetwork
  #peer!: SimSocket
  #events: SocketEvents | undefined
  /** Where this end stands: `gone` once destroyed, reset or dead; `close` has been or will be called then. */
  #gone = false
  #closeCalled = false
  #error: EnvError | undefined
  /** Something in the middle knows nothing of this connection any more. */
  #forgotten: { readonly resets: boolean } | undefined

  // Sending.
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #travellingBytes = 0
  /** Ever put on the wire, and of these ever copied off it. */
  #sentBytes = 0
  #copiedBytes = 0
  /** Writers that wait until so many bytes are copied. */
  #undone: { atBytes: number; readonly done: () => void }[] = []
  #lastArrivalAt = 0
  readonly #highWaterBytes: number
  #full = false
  #ending = false
  #endSent = false

  // Receiving.
  readonly #arrived: Arrival[] = []
  #paused = false
  #reading = false
  #endSeen = false

  constructor(network: SimNetwork, process: SimProcess, o: { remoteHost: string; remotePort: number; localPort: number }) {
    this.#network = network
    this.process = process
    this.remoteHost = o.remoteHost
    this.remotePort = o.remotePort
    this.localPort = o.localPort
    this.#highWaterBytes = network.random.pick([16, 64, 256, 1024]) * 1024
  }

  join(peer: SimSocket): void {
    this.#peer = peer
    peer.#peer = this
  }

  get peerProcess(): SimProcess {
    return this.#peer.process
  }

  handle(events: SocketEvents): void {
    this.#events = events
    if (this.#gone) this.#announceClose()
    else this.#scheduleRead(0)
  }

  write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    if (this.#gone || this.#ending) {
      if (done !== undefined) this.process.later(0, 'write done', done)
      return true
    }
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      this.#unsent.push(chunk)
      this.#unsentBytes += chunk.length
    }
    if (done !== undefined) this.#undone.push({ atBytes: this.#sentBytes + this.#unsentBytes, done })
    this.#send()
    this.#full ||= this.#unsentBytes > this.#highWaterBytes
    return this.#unsentBytes <= this.#highWaterBytes
  }

  get bufferedBytes(): number {
    return this.#unsentBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#scheduleRead(0)
  }

  end(): void {
    if (this.#gone || this.#ending) return
    this.#ending = true
    this.#send()
  }

  destroy(): void {
    if (this.#gone) return
    const unread = this.#arrived.some(arrival => arrival.type === 'bytes')
    this.#leave()
    // The kernel answers for us: what was unread is worth a reset, else the peer sees an end.
    if (unread) this.#toPeer('reset', () => this.#peer.#reset())
    else if (!this.#endSent) this.#toPeer('end', () => this.#peer.#receive({ type: 'end' }))
    this.#announceClose()
  }

  /** @param o.silent  the machine is gone: nobody tells the peer */
  processDied(o: { readonly silent: boolean; readonly reset: boolean }): void {
    if (this.#gone) return
    const unread = this.#arrived.some(arrival => arrival.type === 'bytes')
    this.#leave()
    if (o.silent) return
    if (o.reset || unread) this.#toPeer('reset', () => this.#peer.#reset())
    else if (!this.#endSent) this.#toPeer('end', () => this.#peer.#receive({ type: 'end' }))
  }

  /** The machine that left silently is back: what its peer still tries to send is answered with a reset. */
  machineIsBack(): void {
    if (this.#peer.#gone || this.#peer.#travellingBytes + this.#peer.#unsentBytes === 0) return
    this.#toPeer('reset', () => this.#peer.#reset())
  }

  /** As by somebody who knows the sequence numbers: no traffic is needed for it. */
  resetFromOutside(): void {
    this.#network.world.schedule(0, 'reset', () => this.#reset())
  }

  forgottenInTheMiddle(o: { readonly resets: boolean }): void {
    this.#forgotten = o
  }

  /** When something sent now that would arrive at `time` arrives: not before what was sent earlier. */
  inOrder(time: number): number {
    this.#lastArrivalAt = Math.max(this.#lastArrivalAt, time)
    return this.#lastArrivalAt
  }

  /** Puts on the wire what the window allows, in pieces of the network's choice. */
  #send(): void {
    const { random } = this.#network
    while (this.#unsentBytes > 0 && this.#travellingBytes < WINDOW_BYTES) {
      const room = Math.min(this.#unsentBytes, WINDOW_BYTES - this.#travellingBytes, READ_BYTES)
      const size = random.chance(0.2) ? 1 + random.integer(room) : room
      const chunks = this.#take(size)
      this.#travellingBytes += size
      this.#sentBytes += size
      // Copied on arrival: a writer that changes its bytes too early is caught by whoever checks them.
      this.#toPeer('bytes', () => {
        const bytes = Buffer.concat(chunks, size)
        this.#copiedBytes += size
        this.#tellDone()
        this.#network.world.trace.bytes(bytes)
        this.#peer.#receive({ type: 'bytes', bytes })
      })
    }
    if (this.#unsentBytes > 0) return
    if (this.#full) {
      this.#full = false
      this.process.later(0, 'drain', () => {
        if (!this.#gone && this.#unsentBytes === 0) this.#events?.drain?.()
        else if (!this.#gone) this.#full = true
      })
    }
    if (!this.#ending || this.#endSent) return
    this.#endSent = true
    this.#toPeer('end', () => this.#peer.#receive({ type: 'end' }))
    this.#closeWhenDone()
  }

  #tellDone(): void {
    while (this.#undone.length > 0 && this.#undone[0]!.atBytes <= this.#copiedBytes) {
      this.process.later(0, 'write done', this.#undone.shift()!.done)
    }
  }

  #take(size: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    this.#unsentBytes -= size
    while (size > 0) {
      const chunk = this.#unsent[0]!
      if (chunk.length <= size) {
        taken.push(chunk)
        this.#unsent.shift()
        size -= chunk.length
      } else {
        taken.push(chunk.subarray(0, size))
        this.#unsent[0] = chunk.subarray(size)
        size = 0
      }
    }
    return taken
  }

  /** In order: nothing overtakes what was sent before. */
  #toPeer(kind: string, arrive: () => void): void {
    const { world } = this.#network
    const [from, to] = [this.process.host, this.#peer.process.host]
    if (this.#forgotten !== undefined) {
      if (this.#forgotten.resets) world.schedule(this.#network.latency(from, to), 'reset', () => this.#reset())
      return
    }
    const time = this.inOrder(world.now + this.#network.latency(from, to))
    this.#network.carry({ from, to, time, kind, connection: this }, arrive)
  }

  #receive(arrival: Arrival): void {
    if (this.#gone) {
      // Nobody is here any more: bytes are answered with a reset, unless the whole machine is silent.
      if (arrival.type === 'bytes' && !this.process.host.silent) this.#toPeer('reset', () => this.#peer.#reset())
      return
    }
    this.#arrived.push(arrival)
    const { random } = this.#network
    this.#scheduleRead(random.chance(0.15) ? random.fraction() * 0.5 : 0)
  }

  #scheduleRead(delayMs: number): void {
    if (this.#reading || this.#paused || this.#gone || this.#arrived.length === 0 || this.#events === undefined) return
    this.#reading = true
    this.process.later(delayMs, 'read', () => {
      this.#reading = false
      this.#read()
    })
  }

  /** Hands over what has arrived: several arrivals as one chunk, as far as one read holds. */
  #read(): void {
    if (this.#paused || this.#gone) return
    const chunks: Buffer[] = []
    let size = 0
    for (
      let next = this.#arrived[0];
      next?.type === 'bytes' && (size === 0 || size + next.bytes.length <= READ_BYTES);
      next = this.#arrived[0]
    ) {
      chunks.push(next.bytes)
      size += next.bytes.length
      this.#arrived.shift()
    }
    if (size > 0) {
      this.#peer.#travellingBytes -= size
      if (!this.#peer.#gone) this.#peer.#send()
      const chunk = Buffer.concat(chunks, size)
      this.#events!.data(chunk)
      // As the real socket does, sooner or later: a receiver that kept a view of it reads nonsense.
      chunk.fill(0xdb)
    } else if (this.#arrived[0]?.type === 'end') {
      this.#arrived.shift()
      this.#endSeen = true
      if (this.#events!.end !== undefined) this.#events!.end()
      else this.end()
      this.#closeWhenDone()
    }
    this.#scheduleRead(0)
  }

  #closeWhenDone(): void {
    if (this.#gone || !this.#endSeen || !this.#endSent) return
    this.#leave()
    this.#announceClose()
  }

  #reset(): void {
    if (this.#gone) return
    this.#error = new EnvError('ECONNRESET', `connection with ${this.remoteHost}:${this.remotePort}: reset by the peer`)
    this.#leave()
    this.#announceClose()
  }

  #leave(): void {
    this.#gone = true
    this.#unsent = []
    this.#unsentBytes = 0
    if (this.#forgotten !== undefined) this.#copiedBytes = this.#sentBytes
    // What travels is still looked at, the rest never will be.
    for (const waiting of this.#undone) waiting.atBytes = Math.min(waiting.atBytes, this.#sentBytes)
    this.#tellDone()
    this.#arrived.length = 0
    this.#network.closed(this)
  }

  #announceClose(): void {
    if (this.#closeCalled || this.#events === undefined) return
    this.#closeCalled = true
    this.process.later(0, 'close', () => this.#events!.close(this.#error))
  }
}
