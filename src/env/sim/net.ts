// The simulated network: hosts reach each other by name, after a seeded delay, unless a cut lies between them. A connection keeps the order of its bytes
// and nothing else: they arrive in other pieces than they were written in.

import { EnvError, type ListenOptions, type Net, type NetListener, type Socket } from '../env.ts'
import type { SimHost, SimProcess } from './host.ts'
import type { SeededRandom } from './random.ts'
import { SimSocket } from './socket.ts'
import type { SimWorld } from './world.ts'

const FIRST_FREE_PORT = 40_000
const FIRST_CLIENT_PORT = 50_000
/** Between two tries of a sender that gets no answer, at most. */
const RESEND_MS = 1000
const OWN_NAMES = new Set(['localhost', '127.0.0.1', '::1'])
const ALL_INTERFACES = new Set(['0.0.0.0', '::', ''])

/** How long bytes take on a link beyond the world's own latency. */
export interface LinkDelay {
  readonly delayMs: number
  /** Up to so much more, drawn for each piece. */
  readonly jitterMs: number
}

/** Connecting is answered with a refusal, as by a firewall that rejects, though a process may listen there. */
type Cut = 'silent' | 'refusing'

interface Listener {
  readonly process: SimProcess
  readonly options: ListenOptions
  readonly port: number
}

export class SimNetwork {
  readonly world: SimWorld
  readonly random: SeededRandom
  readonly #listeners = new Map<SimHost, Map<number, Listener>>()
  readonly #sockets = new Map<SimProcess, Set<SimSocket>>()
  /** "from→to" of links that let nothing through. */
  readonly #cuts = new Map<string, Cut>()
  readonly #delays = new Map<string, LinkDelay>()
  /** What waits at a cut, by connection, as the sender's kernel would send it again. */
  readonly #held = new Map<string, Map<object, (() => void)[]>>()
  /** Connections of a healed link whose kernels have not sent again yet: what is sent meanwhile stands behind. */
  readonly #resending = new Map<object, (() => void)[]>()
  /** Connections whose other end does not know that they are over. */
  readonly #silentlyGone = new Map<SimHost, SimSocket[]>()
  #nextPort = FIRST_CLIENT_PORT

  constructor(world: SimWorld) {
    this.world = world
    this.random = world.stream('network')
  }

  /** From now on nothing passes from one to the other, connections stay as they are; `heal` lets through what waits. */
  cut(from: string, to: string, how: Cut = 'silent'): void {
    this.#cuts.set(linkOf(from, to), how)
  }

  /** Nobody of one side reaches anybody of the other, and the other way. */
  partition(side: readonly string[], other: readonly string[]): void {
    for (const a of side) {
      for (const b of other) {
        this.cut(a, b)
        this.cut(b, a)
      }
    }
  }

  /** @param resendMs  a connection's kernel sends again what waits within this time, each at its own: new connections pass at once */
  heal(from: string, to: string, { resendMs = 0 } = {}): void {
    const link = linkOf(from, to)
    this.#cuts.delete(link)
    const held = this.#held.get(link)
    this.#held.delete(link)
    for (const [connection, arrivals] of held ?? []) {
      const earlier = this.#resending.get(connection)
      if (earlier !== undefined) {
        earlier.push(...arrivals)
        continue
      }
      this.#resending.set(connection, arrivals)
      this.world.schedule(resendMs === 0 ? 0 : this.random.fraction() * resendMs, 'resent', () => {
        this.#resending.delete(connection)
        for (const arrive of arrivals) this.#passOrHold(from, to, connection, arrive)
      })
    }
  }

  healAll(options: { readonly resendMs?: number } = {}): void {
    for (const link of [...this.#cuts.keys()]) {
      const [from, to] = link.split('→')
      this.heal(from!, to!, options)
    }
    this.#delays.clear()
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(linkOf(from, to))
  }

  /** What is sent from now on takes so much longer; the order within a connection stays. Undefined: as usual again. */
  slow(from: string, to: string, delay: LinkDelay | undefined): void {
    if (delay === undefined) this.#delays.delete(linkOf(from, to))
    else this.#delays.set(linkOf(from, to), delay)
  }

  /** Both ends of every connection between the two see a reset. @returns how many there were */
  reset(a: string, b: string): number {
    const between = this.#between(a, b)
    for (const socket of between) socket.resetFromOutside()
    return between.length / 2
  }

  /**
   * Something in the middle forgets every connection between the two: neither end is told, nothing passes any more.
   * @param o.resets  whoever sends is answered with a reset; else the connections stay half-open for ever
   * @returns how many there were
   */
  forget(a: string, b: string, o: { readonly resets: boolean }): number {
    const between = this.#between(a, b)
    for (const socket of between) socket.forgottenInTheMiddle(o)
    return between.length / 2
  }

  /** Both ends of each. */
  #between(a: string, b: string): SimSocket[] {
    const [near, far] = [this.world.findHost(a)?.process, this.world.findHost(b)?.process]
    if (near === undefined || far === undefined) return []
    const towards = (from: SimProcess, to: SimProcess) =>
      [...(this.#sockets.get(from) ?? [])].filter(({ peerProcess }) => peerProcess === to)
    return near === far ? towards(near, near) : [...towards(near, far), ...towards(far, near)]
  }

  latency(from: SimHost, to: SimHost): number {
    const [least, most] = this.world.options.latencyMs
    const fraction = this.random.fraction()
    const stretch = this.random.chance(0.01) ? 10 : 1
    const usual = (least + (most - least) * fraction * fraction) * stretch
    if (this.#delays.size === 0) return usual
    const more = this.#delays.get(linkOf(from.name, to.name))
    return more === undefined ? usual : usual + more.delayMs + this.random.fraction() * more.jitterMs
  }

  /**
   * Carries something over a link; it arrives at `time` or, when a cut stops it, after the cut.
   * @param link.connection  what it is part of: of one connection nothing overtakes
   */
  carry(
    link: { readonly from: SimHost; readonly to: SimHost; readonly time: number; readonly kind: string; readonly connection: object },
    arrive: () => void,
  ): void {
    this.world.scheduleAt(link.time, link.kind, () => this.#passOrHold(link.from.name, link.to.name, link.connection, arrive))
  }

  #passOrHold(from: string, to: string, connection: object, arrive: () => void): void {
    const resending = this.#resending.size === 0 ? undefined : this.#resending.get(connection)
    if (resending !== undefined) {
      resending.push(arrive)
      return
    }
    if (this.#cuts.size === 0) {
      arrive()
      return
    }
    const link = linkOf(from, to)
    if (!this.#cuts.has(link)) {
      arrive()
      return
    }
    let held = this.#held.get(link)
    if (held === undefined) this.#held.set(link, (held = new Map()))
    const arrivals = held.get(connection)
    if (arrivals === undefined) held.set(connection, [arrive])
    else arrivals.push(arrive)
  }

  listen(process: SimProcess, options: ListenOptions): NetListener {
    const host = process.host
    const ports = this.#portsOf(host)
    let port = options.port
    if (port === 0) for (port = FIRST_FREE_PORT; ports.has(port); ) port++
    if (ports.has(port)) throw new EnvError('EADDRINUSE', `listen on ${options.host}:${port}: it is in use`)
    const known = OWN_NAMES.has(options.host) || ALL_INTERFACES.has(options.host) || options.host === host.name
    if (!known) throw new EnvError('EADDRNOTAVAIL', `listen on ${options.host}:${port}: not an address of ${host.name}`)
    const listener: Listener = { process, options, port }
    ports.set(port, listener)
    return {
      host: options.host,
      port,
      close: () => {
        if (ports.get(port) === listener) ports.delete(port)
        return new Promise(resolve => this.world.turn(process, resolve))
      },
    }
  }

  connect(process: SimProcess, o: { host: string; port: number; timeoutMs: number }): Promise<Socket> {
    const doing = `connect to ${o.host}:${o.port}`
    return new Promise((resolve, reject) => {
      let over = false
      const fail = (delayMs: number, code: string, why: string) => {
        over = true
        process.later(delayMs, 'connect failed', () => reject(new EnvError(code, `${doing}: ${why}`)))
      }
      const own = OWN_NAMES.has(o.host) || ALL_INTERFACES.has(o.host) || o.host === process.host.name
      const target = own ? process.host : this.world.findHost(o.host)
      if (target === undefined) {
        fail(this.latency(process.host, process.host), 'ENOTFOUND', 'no such host')
        return
      }
      const connection = {}
      const there = () => this.world.now + this.latency(process.host, target)
      const back = () => this.world.now + this.latency(target, process.host)
      const timer = process.later(o.timeoutMs, 'connect timeout', () => {
        over = true
        reject(new EnvError('ETIMEDOUT', `${doing}: no answer within ${o.timeoutMs} ms`))
      })
      const answer = (kind: string, arrive: () => void) =>
        this.carry({ from: target, to: process.host, time: back(), kind, connection }, () => {
          if (timer !== undefined) timer.run = undefined
          if (over || !process.alive) return
          arrive()
        })
      if (this.#cuts.get(linkOf(process.host.name, target.name)) === 'refusing') {
        this.world.scheduleAt(there(), 'refused', () => {
          if (timer !== undefined) timer.run = undefined
          if (!over && process.alive) fail(0, 'ECONNREFUSED', 'rejected on the way')
        })
        return
      }
      this.carry({ from: process.host, to: target, time: there(), kind: 'connecting', connection }, () => {
        if (over || !process.alive || target.silent) return
        const listener = this.#portsOf(target).get(o.port)
        if (listener?.process.alive !== true || (!own && OWN_NAMES.has(listener.options.host))) {
          answer('refused', () => fail(0, 'ECONNREFUSED', 'nobody listens there'))
          return
        }
        const [near, far] = this.#join(process, listener)
        listener.process.later(0, 'accepted', () => listener.options.onConnection(far))
        // Bytes of the accepting end wait behind this: it is the same connection.
        this.carry({ from: target, to: process.host, time: far.inOrder(back()), kind: 'connected', connection: far }, () => {
          if (timer !== undefined) timer.run = undefined
          // Given up meanwhile: nobody will ever read from it.
          if (over || !process.alive) near.destroy()
          else process.later(0, 'connected', () => resolve(near))
        })
      })
    })
  }

  /** What the peers of a dead process see. */
  processDied(process: SimProcess, options: { readonly silent: boolean }): void {
    this.#listeners.delete(process.host)
    process.host.silent = options.silent
    const sockets = [...(this.#sockets.get(process) ?? [])]
    for (const socket of sockets) socket.processDied({ silent: options.silent, reset: this.random.chance(0.5) })
    this.#sockets.delete(process)
    if (options.silent) this.#silentlyGone.set(process.host, [...(this.#silentlyGone.get(process.host) ?? []), ...sockets])
  }

  /** Its peers' kernels send again, now and then, what was never acknowledged. */
  hostIsBack(host: SimHost): void {
    for (const socket of this.#silentlyGone.get(host) ?? []) {
      this.world.schedule(this.random.between(0, RESEND_MS), 'resent', () => socket.machineIsBack())
    }
    this.#silentlyGone.delete(host)
  }

  closed(socket: SimSocket): void {
    this.#sockets.get(socket.process)?.delete(socket)
  }

  #join(process: SimProcess, listener: Listener): [near: SimSocket, far: SimSocket] {
    const clientPort = this.#nextPort++
    const clientName = process.host === listener.process.host ? '127.0.0.1' : process.host.name
    const serverName = process.host === listener.process.host ? '127.0.0.1' : listener.process.host.name
    const near = new SimSocket(this, process, { remoteHost: serverName, remotePort: listener.port, localPort: clientPort })
    const far = new SimSocket(this, listener.process, { remoteHost: clientName, remotePort: clientPort, localPort: listener.port })
    near.join(far)
    for (const socket of [near, far]) {
      const sockets = this.#sockets.get(socket.process)
      if (sockets === undefined) this.#sockets.set(socket.process, new Set([socket]))
      else sockets.add(socket)
    }
    return [near, far]
  }

  #portsOf(host: SimHost): Map<number, Listener> {
    let ports = this.#listeners.get(host)
    if (ports === undefined) this.#listeners.set(host, (ports = new Map()))
    return ports
  }
}

/** The door of one life. */
export class SimNet implements Net {
  readonly #process: SimProcess

  constructor(process: SimProcess) {
    this.#process = process
  }

  listen(options: ListenOptions): Promise<NetListener> {
    return new Promise((resolve, reject) => {
      this.#process.later(0, 'listen', () => {
        try {
          resolve(this.#process.world.network.listen(this.#process, options))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  connect(options: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<Socket> {
    return this.#process.world.network.connect(this.#process, options)
  }
}

function linkOf(from: string, to: string): string {
  return `${from}→${to}`
}
