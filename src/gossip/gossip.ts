// What nodes of one cluster tell each other beside the protocols that count: where they are, who leads the metadata log and how far it is agreed on, how
// busy they are. Hints only. Nothing is decided by them: whoever hears one looks for itself, so losing all of them, or hearing wrong ones, costs time.
// How they travel is the network's matter: libp2p.ts between processes, local.ts within one.
import type { Env, Timer } from '../env/env.ts'
import { type Digest, decodeHint, encodeHint, type Hint, type HintHead, type MetadataHint } from './hints.ts'
import { Neighbours } from './neighbours.ts'

/** Where a node's gossip is reached. */
export interface GossipAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** Best effort, in any order, to whoever is connected: nothing is kept for those who come later. */
export interface GossipNetwork {
  /** Where the others reach it. */
  readonly port: number
  /** How many can hear this node. */
  readonly peerCount: number
  /** Whom to be connected with; the newest address of a node counts. It is tried again for ever. */
  know(address: GossipAddress): void
  publish(payload: Uint8Array): void
  /** Nothing is left of it when this settles. */
  close(): Promise<void>
}

export interface GossipNetworkOptions {
  readonly nodeId: number
  readonly clusterId: string
  /** What the nodes of the cluster know each other by: whoever has another one is not heard and hears nothing. */
  readonly secret: Uint8Array
  /** Where to listen; a name that is no address listens everywhere. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** The payload is the receiver's to keep. */
  readonly received: (payload: Uint8Array) => void
  /** Somebody who heard nothing before hears this node now. */
  readonly joined: () => void
}

/** @throws EnvError EADDRINUSE, EACCES · any error when what it is made of is not installed */
export type OpenGossipNetwork = (env: Env, options: GossipNetworkOptions) => Promise<GossipNetwork>

export interface GossipOptions extends Omit<GossipNetworkOptions, 'received' | 'joined'> {
  readonly incarnationId: string
  readonly open: OpenGossipNetwork
  /** What this node knows of the metadata log at the moment. */
  readonly metadata: () => MetadataHint
  /** Asked once per digest. */
  readonly state: (gossipPort: number) => Pick<Digest, 'internal' | 'gossip' | 'load'>
  /** News of another node, each once, and never older than what was heard before. */
  readonly heard: (hint: Hint) => void
}

/** A longer hint is neither sent nor heard. */
export const MAX_HINT_BYTES = 16 * 1024
/** A node that was not heard for so long may be gone; whoever counts on it has better means to know. */
export const SUSPECT_MS = 10_000
const DIGEST_EVERY_MS = 1000
/** Of a node that has no clients at the moment, and whose metadata stands still. */
const QUIET_DIGEST_EVERY_MS = 3000
/** Announcements of one node are so far apart; what happens in between goes with the next one. */
const ANNOUNCEMENT_REST_MS = 100
/** Several nodes join at once, and one digest is enough for them. */
const GREETING_DELAY_MS = 20

export class Gossip {
  readonly neighbours: Neighbours
  readonly #env: Env
  readonly #o: GossipOptions
  #network!: GossipNetwork
  #sequence = 0
  #digestTimer: Timer | undefined
  #greetingTimer: Timer | undefined
  #announcementTimer: Timer | undefined
  #announcedAt = Number.NEGATIVE_INFINITY
  #foreignCount = 0
  #toldMetadata: MetadataHint | undefined
  #isClosed = false

  /** @throws what the network's opening does */
  static async open(env: Env, options: GossipOptions): Promise<Gossip> {
    const gossip = new Gossip(env, options)
    const { nodeId, clusterId, secret, host, port, open } = options
    gossip.#network = await open(env, {
      nodeId,
      clusterId,
      secret,
      host,
      port,
      received: payload => gossip.#receive(payload),
      joined: () => gossip.#greet(),
    })
    gossip.#tellDigest()
    return gossip
  }

  private constructor(env: Env, options: GossipOptions) {
    this.#env = env
    this.#o = options
    this.neighbours = new Neighbours(options.nodeId)
  }

  get port(): number {
    return this.#network.port
  }

  get peerCount(): number {
    return this.#network.peerCount
  }

  /** Messages that were not of ours, or of no version we know. */
  get foreignCount(): number {
    return this.#foreignCount
  }

  know(address: GossipAddress): void {
    if (!this.#isClosed && address.nodeId !== this.#o.nodeId) this.#network.know(address)
  }

  /** The metadata log has a new leader, or went on: told now, or within a tenth of a second. */
  announce(): void {
    if (this.#isClosed || this.#announcementTimer !== undefined) return
    const waitMs = this.#announcedAt + ANNOUNCEMENT_REST_MS - this.#env.clock.now()
    this.#announcementTimer = this.#env.clock.setTimer(Math.max(0, waitMs), () => {
      this.#announcementTimer = undefined
      this.#announcedAt = this.#env.clock.now()
      this.#publish({ type: 'announcement', ...this.#head(), ...this.#o.metadata() })
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of [this.#digestTimer, this.#greetingTimer, this.#announcementTimer]) timer?.cancel()
    await this.#network.close()
  }

  #tellDigest(): void {
    if (this.#isClosed) return
    const metadata = this.#o.metadata()
    const state = this.#o.state(this.#network.port)
    this.#publish({ type: 'digest', ...this.#head(), ...metadata, ...state })
    const everyMs = isQuiet(state.load) && isSame(metadata, this.#toldMetadata) ? QUIET_DIGEST_EVERY_MS : DIGEST_EVERY_MS
    this.#toldMetadata = metadata
    this.#digestTimer?.cancel()
    this.#digestTimer = this.#env.clock.setTimer(everyMs, () => this.#tellDigest())
  }

  #greet(): void {
    if (this.#isClosed) return
    this.#greetingTimer ??= this.#env.clock.setTimer(GREETING_DELAY_MS, () => {
      this.#greetingTimer = undefined
      this.#tellDigest()
    })
  }

  #head(): HintHead {
    const { nodeId, incarnationId } = this.#o
    return { nodeId, incarnationId, sequence: ++this.#sequence }
  }

  #publish(hint: Hint): void {
    const bytes = encodeHint(hint)
    if (bytes.length <= MAX_HINT_BYTES) this.#network.publish(bytes)
  }

  #receive(payload: Uint8Array): void {
    if (this.#isClosed) return
    const hint = decodeHint(payload, MAX_HINT_BYTES)
    if (hint === undefined) {
      this.#foreignCount++
      return
    }
    if (!this.neighbours.hear(hint, this.#env.clock.now())) return
    if (hint.type === 'digest' && hint.gossip !== undefined) this.know({ nodeId: hint.nodeId, ...hint.gossip })
    this.#o.heard(hint)
  }
}

function isQuiet({ receivedBytesPerSecond = 0, sentBytesPerSecond = 0 }: Digest['load']): boolean {
  return receivedBytesPerSecond + sentBytesPerSecond === 0
}

function isSame(a: MetadataHint, b: MetadataHint | undefined): boolean {
  return a.epoch === b?.epoch && a.leaderId === b.leaderId && a.committedOffset === b.committedOffset
}
