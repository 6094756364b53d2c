// The network as one life of an embedded node sees it: real sockets, and in front of them the faults. A connection between two nodes is stopped, in both
// directions, at the end that dialled it, which knows where it leads; a client's at the node's end.
import { type Clock, EnvError, type ListenOptions, type Net, type NetListener, type Socket } from '../../env/env.ts'
import type { Links, Place } from '../faults.ts'
import type { Life } from './life.ts'
import { NodeSocket } from './socket.ts'

export interface NodePlace {
  readonly id: number
  readonly links: Links
  /** Internal listeners of all nodes, by port. */
  readonly internalPorts: ReadonlyMap<number, number>
  readonly clock: Clock
  /** They share what the process may open. */
  readonly nodeCount: number
}

export class NodeNet implements Net {
  readonly #base: Net
  readonly #life: Life
  readonly #place: NodePlace
  readonly #listeners = new Set<NetListener>()
  readonly #sockets = new Set<NodeSocket>()
  readonly #underWay = new Set<Promise<unknown>>()
  #closedAll: (() => void) | undefined

  constructor(base: Net, life: Life, place: NodePlace) {
    this.#base = base
    this.#life = life
    this.#place = place
    life.listen({
      changed: () => {},
      over: () => {
        for (const listener of this.#listeners) this.#track(listener.close())
      },
    })
  }

  get maxFiles(): number | undefined {
    const all = this.#base.maxFiles
    return all === undefined ? undefined : Math.floor(all / this.#place.nodeCount)
  }

  async listen(options: ListenOptions): Promise<NetListener> {
    const { id, internalPorts } = this.#place
    const opening = this.#base.listen({
      ...options,
      onConnection: accepted => {
        if (this.#life.isOver) return accepted.destroy()
        // Of a connection between nodes the other end sees to the faults.
        const socket = this.#wrap(accepted, internalPorts.get(accepted.localPort) === id ? undefined : 'clients')
        this.#life.arrived(() => options.onConnection(socket))
      },
    })
    const listener = await this.#life.settles(
      this.#track(
        opening.then(opened => {
          if (this.#life.isOver) this.#track(opened.close())
          else this.#listeners.add(opened)
          return opened
        }),
      ),
    )
    const { host, port } = listener
    const close = () => {
      this.#listeners.delete(listener)
      return this.#life.settles(this.#track(listener.close()))
    }
    return { host, port, close }
  }

  connect(options: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<Socket> {
    const target = this.#place.internalPorts.get(options.port)
    const dialled = this.#dial(target, options).then(socket => {
      // Handled in the same turn as it was handed over, whenever its node hears of it.
      if (!this.#life.isOver) return this.#wrap(socket, target)
      socket.destroy()
      throw new EnvError('ECANCELED', 'the process is gone')
    })
    return this.#life.settles(this.#track(dialled))
  }

  /** Nothing is open any more, but what a cut keeps the other side from noticing. */
  async closed(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    if (this.#sockets.size > 0) await new Promise<void>(resolve => (this.#closedAll = resolve))
  }

  #wrap(socket: Socket, other: Place | undefined): NodeSocket {
    const { id, links, clock } = this.#place
    const wrapped = new NodeSocket(socket, {
      life: this.#life,
      clock,
      links,
      isSendingCut: () => other !== undefined && links.isCut(id, other),
      isReceivingCut: () => other !== undefined && links.isCut(other, id),
      gone: () => {
        this.#sockets.delete(wrapped)
        if (this.#sockets.size === 0) this.#closedAll?.()
      },
    })
    this.#sockets.add(wrapped)
    return wrapped
  }

  async #dial(
    target: number | undefined,
    o: { readonly host: string; readonly port: number; readonly timeoutMs: number },
  ): Promise<Socket> {
    const { clock } = this.#place
    const startedAt = clock.now()
    if (target !== undefined && this.#isApart(target)) await this.#together(target, o)
    return this.#base.connect({ ...o, timeoutMs: Math.max(1, o.timeoutMs - (clock.now() - startedAt)) })
  }

  /** A connection needs both directions. */
  #isApart(other: number): boolean {
    const { id, links } = this.#place
    return links.isCut(id, other) || links.isCut(other, id)
  }

  /** As a kernel that sends its SYN again. */
  #together(other: number, o: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<void> {
    const { links, clock } = this.#place
    return new Promise((resolve, reject) => {
      const settle = (error?: EnvError) => {
        timer.cancel()
        unlink()
        unlive()
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = clock.setTimer(o.timeoutMs, () =>
        settle(new EnvError('ETIMEDOUT', `connect to ${o.host}:${o.port}: no answer within ${o.timeoutMs} ms`)),
      )
      const unlink = links.listen(() => {
        if (!this.#isApart(other)) settle()
      })
      const unlive = this.#life.listen({
        changed: () => {},
        over: () => settle(new EnvError('ECANCELED', 'the process is gone')),
      })
    })
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => {},
      () => {},
    )
    const tracked: Promise<unknown> = settled.then(() => this.#underWay.delete(tracked))
    this.#underWay.add(tracked)
    return work
  }
}
