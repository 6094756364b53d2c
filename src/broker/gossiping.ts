// A node's part in gossip (src/gossip): it begins a moment after the node is in its cluster, asks the others on the internal listener where theirs is, and looks for
// itself at what it hears: a leader of the metadata log that it does not know is asked, an address that is new is tried. Nothing waits for it and nothing
// counts on it; where it cannot be had the node goes without.
import type { Config } from '../config.ts'
import { type Env, EnvError, type Timer } from '../env/env.ts'
import { Gossip, type OpenGossipNetwork, SUSPECT_MS } from '../gossip/gossip.ts'
import type { Hint } from '../gossip/hints.ts'
import { libp2pGossip } from '../gossip/load.ts'
import type { Neighbour } from '../gossip/neighbours.ts'
import type { RpcSender } from '../net/rpc.ts'
import { RPC_GOSSIP } from '../net/rpc-methods.ts'
import { KafkaError, ProtocolError } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import { PackError, pack, unpack } from '../util/pack.ts'
import { LoadMeter, type LoadMeterOptions } from './load-meter.ts'
import type { Member } from './member.ts'

/** How a node gossips: what carries it, and what it tells of its process. */
export interface GossipDoor extends Pick<LoadMeterOptions, 'usage'> {
  readonly open: OpenGossipNetwork
}

/** Nothing is loaded before a node gossips. */
export function libp2pDoor(usage: GossipDoor['usage']): GossipDoor {
  return { open: libp2pGossip(), usage }
}

export interface GossipingOptions extends GossipDoor, Pick<LoadMeterOptions, 'directory' | 'traffic'> {
  readonly config: Config
  readonly member: Member
}

/** A start takes less, so that loading what comes with it holds up nobody; and not all nodes of a machine load it at one time. */
const BEGIN_AFTER_MS = 500
/** Those that were not heard are asked again where they are. */
const ASK_EVERY_MS = 5000
const ANSWER_TIMEOUT_MS = 2000

export class Gossiping {
  readonly #env: Env
  readonly #o: GossipingOptions
  #timer: Timer | undefined
  #opening: Promise<void> | undefined
  #gossip: Gossip | undefined
  #isClosed = false

  constructor(env: Env, options: GossipingOptions) {
    this.#env = env
    this.#o = options
    const { publisher, quorum, network } = options.member
    assert(network !== undefined, 'a node alone has nobody to gossip with')
    network.onRequest(RPC_GOSSIP, async (payload, from) => [this.#answer(payload, from)])
    const announce = () => {
      if (quorum.isLeader) this.#gossip?.announce()
    }
    publisher.subscribe({ applied: announce, leaderChanged: announce })
    this.#timer = env.clock.setTimer(BEGIN_AFTER_MS * (1 + env.random.fraction()), () => {
      this.#opening = this.#open()
    })
  }

  /** What was heard of the others; empty while this node does not gossip. */
  get neighbours(): readonly Neighbour[] {
    return this.#gossip === undefined ? [] : [...this.#gossip.neighbours]
  }

  /** How many hear this node. */
  get peerCount(): number {
    return this.#gossip?.peerCount ?? 0
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#opening
    await this.#gossip?.close()
  }

  async #open(): Promise<void> {
    const { config, member, open, usage, traffic, directory } = this.#o
    const { identity, incarnationId, network, publisher, quorum, internalListener } = member
    const { nodeId, clusterId } = identity
    const { host } = internalListener!
    const meter = new LoadMeter(this.#env, { usage, traffic, directory, partitionsLed: () => partitionsLedBy(nodeId, publisher) })
    try {
      this.#gossip = await Gossip.open(this.#env, {
        nodeId,
        clusterId,
        incarnationId,
        secret: network!.secret,
        host: network!.host,
        port: config['gossip.port'],
        open,
        metadata: () => ({ epoch: quorum.epoch, leaderId: quorum.leaderId, committedOffset: quorum.committedOffset }),
        state: gossipPort => ({ internal: internalListener!, gossip: { host, port: gossipPort }, load: meter.take() }),
        heard: hint => this.#heard(hint),
      })
    } catch (error) {
      // Whatever it is, the node does as well without; what its packages throw is not ours to know.
      const why = error instanceof Error ? error.message : String(error)
      this.#env.logger.log('info', 'went on without gossip', { nodeId, why })
      return
    }
    this.#env.logger.log('debug', 'began to gossip', { nodeId, port: this.#gossip.port })
    this.#askAround()
  }

  #heard(hint: Hint): void {
    if (this.#isClosed) return
    const { quorum, book } = this.#o.member
    const { nodeId, epoch, leaderId, committedOffset } = hint
    quorum.hinted({ epoch, leaderId, committedOffset })
    if (hint.type === 'digest') book?.hinted({ nodeId, ...hint.internal })
  }

  /** Where the gossip of those is that are known, and were not heard lately. */
  #askAround(): void {
    if (this.#isClosed) return
    const { book, identity } = this.#o.member
    const heardAfter = this.#env.clock.now() - SUSPECT_MS
    for (const { nodeId } of book!.all()) {
      const neighbour = this.#gossip!.neighbours.get(nodeId)
      if (nodeId !== identity.nodeId && (neighbour === undefined || neighbour.heardAt < heardAfter)) void this.#ask(nodeId)
    }
    this.#timer = this.#env.clock.setTimer(ASK_EVERY_MS, () => this.#askAround())
  }

  async #ask(nodeId: number): Promise<void> {
    const { network } = this.#o.member
    try {
      const timeoutMs = ANSWER_TIMEOUT_MS
      this.#learn(nodeId, await network!.peers.request(nodeId, 'control', RPC_GOSSIP, [this.#ownPlace()], { timeoutMs }))
    } catch (error) {
      if (!(error instanceof EnvError || error instanceof KafkaError || error instanceof ProtocolError)) throw error
    }
  }

  /** Who asks says where it is: also to a node that has not begun yet, which asks in its turn then. */
  #answer(payload: Buffer, from: RpcSender): Buffer {
    this.#learn(from.nodeId, payload)
    return this.#ownPlace()
  }

  #ownPlace(): Buffer {
    const { host } = this.#o.member.internalListener!
    return pack(PLACE, VERSION, this.#gossip === undefined ? [] : [host, this.#gossip.port])
  }

  #learn(nodeId: number, payload: Buffer): void {
    const place = readPlace(payload)
    if (place !== undefined) this.#gossip?.know({ nodeId, ...place })
  }
}

const PLACE = 1
const VERSION = 1
const MAX_PLACE_BYTES = 1024

/** Undefined: it has none yet. @throws ProtocolError */
function readPlace(bytes: Buffer): { readonly host: string; readonly port: number } | undefined {
  const { type, version, fields } = unpackPlace(bytes)
  const [host, port] = fields
  if (type === PLACE && version === VERSION && fields.length === 0) return undefined
  const isPort = Number.isSafeInteger(port) && (port as number) > 0 && (port as number) <= 65_535
  if (type !== PLACE || version !== VERSION || typeof host !== 'string' || host === '' || !isPort)
    throw new ProtocolError('a node told its place otherwise than ours do')
  return { host, port: port as number }
}

function unpackPlace(bytes: Buffer) {
  try {
    return unpack(bytes, 'place of a node', MAX_PLACE_BYTES)
  } catch (error) {
    throw error instanceof PackError ? new ProtocolError(error.message) : error
  }
}

function partitionsLedBy(nodeId: number, { image }: Member['publisher']): number {
  let count = 0
  for (const { partitions } of image.topics.values()) for (const { leader } of partitions) if (leader === nodeId) count++
  return count
}
