// Where the other nodes listen for this one: what the configuration, the embedding program or the data directory says at start; from then on what nodes
// register. Voters are watched, so that their end is noticed; a voter watches brokers too, for it may be the controller that has to fence them.
import { type Clock, EnvError, type Kv, sleep } from '../env/env.ts'
import type { ImageChange } from '../metadata/image.ts'
import type { Peers } from '../net/peers.ts'
import { RPC_CLUSTER_INFO } from '../net/rpc-methods.ts'
import { KafkaError, ProtocolError } from '../protocol/errors.ts'
import type { KnownAddress } from './formation.ts'
import { type KnownNetwork, networkOperation } from './known-nodes.ts'

export interface AddressBookOptions {
  readonly clock: Clock
  readonly self: KnownAddress
  readonly peers: Peers
  readonly meta: Kv
  /** As it is stored. */
  readonly network: KnownNetwork
  readonly fail: (error: Error) => void
}

/** How long a node has to answer where it is said to be. */
const EXAMINATION_MS = 1000
/** One node is looked for so often, and so many at one time, whatever is said. */
const EXAMINATION_REST_MS = 2000
const MAX_EXAMINED = 32

export class AddressBook {
  readonly #o: AddressBookOptions
  readonly #addresses = new Map<number, KnownAddress>()
  #voters: ReadonlySet<number> = new Set()
  #votes = false
  /** What was registered before this node caught up is older than what it was told at start. */
  #isCurrent = false
  /** Nodes whose hinted address is looked at. */
  readonly #examined = new Set<number>()
  #stored: string
  #closed = false

  constructor(options: AddressBookOptions) {
    this.#o = options
    this.#stored = JSON.stringify(options.network.addresses)
    this.#addresses.set(options.self.nodeId, options.self)
  }

  /** The later, the stronger. */
  tell(addresses: Iterable<KnownAddress>): void {
    for (const { nodeId, host, port } of addresses) {
      // Port 0 is any free one: not known yet.
      if (nodeId === this.#o.self.nodeId || port === 0) continue
      this.#addresses.set(nodeId, { nodeId, host, port })
      this.#o.peers.setAddress(nodeId, { host, port })
    }
  }

  /** @param votes  this node is one of them */
  watch(voters: readonly number[], votes: boolean): void {
    this.#voters = new Set(voters)
    this.#votes = votes
    for (const id of voters) if (id !== this.#o.self.nodeId) this.#o.peers.watch(id)
  }

  /** What is applied now is what the others know: changes from here on are news. */
  caughtUp(): void {
    this.#isCurrent = true
    this.#store()
  }

  applied(changes: readonly ImageChange[]): void {
    let told = false
    for (const change of changes) {
      if (change.type !== 'brokerChanged' || change.brokerId === this.#o.self.nodeId) continue
      const { brokerId, broker } = change
      // Voters are watched for ever, other brokers while they serve.
      if (!this.#voters.has(brokerId) && (broker === undefined || broker.fenced)) this.#o.peers.unwatch(brokerId)
      const address = broker?.internalListener
      if (address == null || (!this.#isCurrent && this.#addresses.has(brokerId) && this.#voters.has(brokerId))) continue
      this.tell([{ nodeId: brokerId, host: address.host, port: address.port }])
      if (this.#votes && !broker!.fenced) this.#o.peers.watch(brokerId)
      told ||= this.#voters.has(brokerId)
    }
    if (told && this.#isCurrent) this.#store()
  }

  /** Somebody says that a node is there. Believed when it does not answer where it was, and does there. */
  hinted({ nodeId, host, port }: KnownAddress): void {
    const known = this.#addresses.get(nodeId)
    if (nodeId === this.#o.self.nodeId || (known?.host === host && known.port === port)) return
    if (this.#examined.has(nodeId) || this.#examined.size >= MAX_EXAMINED || this.#closed) return
    this.#examined.add(nodeId)
    this.#examine({ nodeId, host, port }, known)
      .catch((error: Error) => {
        if (!(error instanceof EnvError || error instanceof KafkaError || error instanceof ProtocolError)) this.#o.fail(error)
      })
      .then(() => sleep(this.#o.clock, EXAMINATION_REST_MS))
      .then(() => this.#examined.delete(nodeId))
  }

  async #examine(hinted: KnownAddress, known: KnownAddress | undefined): Promise<void> {
    const { peers } = this.#o
    const { nodeId } = hinted
    if (known !== undefined && (await peers.probe(nodeId, EXAMINATION_MS)) === 'alive') return
    const { identity } = await peers.requestAt(hinted, RPC_CLUSTER_INFO, [], { timeoutMs: EXAMINATION_MS })
    if (identity.nodeId !== nodeId || this.#addresses.get(nodeId) !== known || this.#closed) return
    this.tell([hinted])
    if (this.#isCurrent && this.#voters.has(nodeId)) this.#store()
  }

  all(): readonly KnownAddress[] {
    return [...this.#addresses.values()]
  }

  close(): void {
    this.#closed = true
  }

  /** Of the voters: to be found by a node that starts again with nothing but its directory. */
  #store(): void {
    const { self, network } = this.#o
    const own = network.internalPort === 0 ? { ...self, port: 0 } : self
    const addresses = this.all().flatMap(known => (this.#voters.has(known.nodeId) ? [known.nodeId === self.nodeId ? own : known] : []))
    const stored = JSON.stringify(addresses)
    if (stored === this.#stored) return
    this.#stored = stored
    this.#o.meta.batch([networkOperation({ ...network, addresses })], { sync: true }).catch((error: Error) => {
      if (!this.#closed) this.#o.fail(error)
    })
  }
}
