// Gossip within one process: for tests, simulations and programs that embed a cluster. Whoever has the same cluster id and secret is on the same bus.
import type { Env } from '../env/env.ts'
import type { GossipAddress, GossipNetwork, GossipNetworkOptions, OpenGossipNetwork } from './gossip.ts'

export class LocalBus {
  readonly #members = new Set<LocalNetwork>()
  #isCut = false

  readonly open: OpenGossipNetwork = async (env, options) => {
    const member = new LocalNetwork(env, this, options)
    const before = this.reachableFrom(member)
    this.#members.add(member)
    for (const other of before) {
      env.clock.turn(() => other.options.joined())
      env.clock.turn(() => member.options.joined())
    }
    return member
  }

  /** From now on nobody hears anything, until `heal`. */
  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    this.#isCut = false
  }

  /** @internal */
  reachableFrom(member: LocalNetwork): readonly LocalNetwork[] {
    if (this.#isCut) return []
    return [...this.#members].filter(other => other !== member && isSameCluster(other.options, member.options))
  }

  /** @internal */
  left(member: LocalNetwork): void {
    this.#members.delete(member)
  }
}

class LocalNetwork implements GossipNetwork {
  readonly port: number
  readonly options: GossipNetworkOptions
  readonly #env: Env
  readonly #bus: LocalBus
  #isClosed = false

  constructor(env: Env, bus: LocalBus, options: GossipNetworkOptions) {
    this.#env = env
    this.#bus = bus
    this.options = options
    // Nobody dials it; it stands for one in what is told.
    this.port = options.port === 0 ? 1 : options.port
  }

  get peerCount(): number {
    return this.#isClosed ? 0 : this.#bus.reachableFrom(this).length
  }

  know(_address: GossipAddress): void {}

  publish(payload: Uint8Array): void {
    if (this.#isClosed) return
    const bytes = Buffer.from(payload)
    for (const other of this.#bus.reachableFrom(this)) this.#env.clock.turn(() => other.receive(Buffer.from(bytes)))
  }

  receive(payload: Uint8Array): void {
    if (!this.#isClosed) this.options.received(payload)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#bus.left(this)
  }
}

function isSameCluster(a: GossipNetworkOptions, b: GossipNetworkOptions): boolean {
  return a.clusterId === b.clusterId && Buffer.from(a.secret).equals(b.secret)
}
