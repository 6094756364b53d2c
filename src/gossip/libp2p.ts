// Gossip between processes, by libp2p's gossipsub. The only file that knows libp2p, and loaded only where there are others to talk to (load.ts).
//
// Who knows the cluster secret is let in, nobody else: the connection's outer key (pnet) and every node's own key come out of it, so a peer id is known
// beforehand, and a node keeps its own without a file.
//
// What the packages need to be told or helped with (docs/NON-OBVIOUS.md):
// - Two connections between two nodes silence both for good: the newest one wins, and mostly one side dials (dialling.ts).
// - Nothing introduces peers to each other or dials again: the loop here does.
// - A dialled peer may be another one than meant; a peer that is connected may have been forgotten by gossipsub: both are looked after here.
// - Only pings notice a link that went silent. What is subscribed to and decoded is unlimited unless said.
import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Env, Timer } from '../env/env.ts'
import { hmacSha256 } from '../util/hmac.ts'
import { REDIAL_MS, toDial } from './dialling.ts'
import type { GossipAddress, GossipNetwork, GossipNetworkOptions } from './gossip.ts'

/** Every message begins with an id of its own, for two that say the same would be taken for one. */
const ID_BYTES = 24
const MAX_MESSAGE_BYTES = 32 * 1024
const DIAL_TIMEOUT_MS = 5000
/** Connected, and not among those that hear us: its streams were lost. */
const DEAF_MS = 10_000
const MAX_PEERS = 1000

interface Peer {
  readonly address: GossipAddress
  readonly id: PeerId
  waitingSince: number
  triedAt: number
  failures: number
  isDialled: boolean
  deafSince: number | undefined
}

export async function openLibp2p(env: Env, options: GossipNetworkOptions): Promise<GossipNetwork> {
  withPromiseResolvers()
  const meant: Meant = new Map()
  const node = await createNode(options, meant)
  try {
    await node.start()
  } catch (error) {
    await node.stop()
    throw error
  }
  return new Libp2pNetwork(env, node, { ...options, meant })
}

type Libp2pNode = Awaited<ReturnType<typeof createNode>>

/** Whom a dialled address was said to be. */
type Meant = Map<string, PeerId>

async function createNode({ nodeId, clusterId, secret, host, port }: GossipNetworkOptions, meant: Meant) {
  const topic = topicOf(clusterId)
  const node = await createLibp2p({
    start: false,
    privateKey: await keyOf({ clusterId, secret }, nodeId),
    addresses: { listen: [`${listenAddress(host)}/tcp/${port}`] },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionProtector: preSharedKey({ psk: sharedKey({ clusterId, secret }) }),
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ enableKeepAlive: false })],
    connectionMonitor: { pingInterval: 10_000, pingTimeout: { minTimeout: 5000, maxTimeout: 5000 } },
    connectionManager: {
      dialTimeout: DIAL_TIMEOUT_MS,
      inboundUpgradeTimeout: DIAL_TIMEOUT_MS,
      // A whole cluster on one machine starts at once.
      inboundConnectionThreshold: 1000,
      maxIncomingPendingConnections: 64,
      maxConnections: MAX_PEERS,
    },
    connectionGater: {
      denyDialMultiaddr: () => false,
      denyOutboundEncryptedConnection: (peer, { remoteAddr }) => meant.get(remoteAddr.toString())?.equals(peer) !== true,
      denyInboundUpgradedConnection: (peer: PeerId) => supersede(peer),
      denyOutboundUpgradedConnection: (peer: PeerId) => supersede(peer),
    },
    services: {
      identify: identify({ runOnConnectionOpen: true }),
      gossip: gossipsub({
        globalSignaturePolicy: 'StrictNoSign',
        msgIdFn: ({ data }) => data.subarray(0, ID_BYTES),
        allowedTopics: [topic],
        allowPublishToZeroTopicPeers: true,
        emitSelf: false,
        doPX: false,
        fallbackToFloodsub: false,
        batchPublish: true,
        // One's own messages go to everybody who is connected; the mesh is for nodes that are not connected with each other.
        floodPublish: true,
        heartbeatInterval: 1000,
        D: 2,
        Dlo: 1,
        Dhi: 3,
        Dscore: 1,
        Dout: 0,
        seenTTL: 30_000,
        maxInboundDataLength: MAX_MESSAGE_BYTES,
        decodeRpcLimits: {
          maxSubscriptions: 8,
          maxMessages: 1000,
          maxIhaveMessageIDs: 1000,
          maxIwantMessageIDs: 1000,
          maxIdontwantMessageIDs: 1000,
          maxControlMessages: 100,
          maxPeerInfos: 0,
        },
        // Many nodes on one machine are no attack.
        scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
      }),
    },
  })
  /** Settles with false when no other connection with that peer is left. */
  async function supersede(peer: PeerId): Promise<boolean> {
    const old = node.getConnections(peer)
    for (const connection of old) connection.abort(new Error('another connection took its place'))
    for (let i = 0; i < 10 && node.getConnections(peer).length > 0; i++) await Promise.all(old.map(connection => connection.close()))
    return node.getConnections(peer).length > 0
  }
  return node
}

class Libp2pNetwork implements GossipNetwork {
  readonly port: number
  readonly #env: Env
  readonly #node: Libp2pNode
  readonly #options: GossipNetworkOptions & { readonly meant: Meant }
  readonly #topic: string
  readonly #peers = new Map<number, Peer>()
  /** First half: of this process; second half: counts the messages. */
  readonly #messageId: Buffer
  #timer: Timer | undefined
  #isClosed = false

  constructor(env: Env, node: Libp2pNode, options: GossipNetworkOptions & { readonly meant: Meant }) {
    this.#env = env
    this.#node = node
    this.#options = options
    this.#topic = topicOf(options.clusterId)
    this.#messageId = Buffer.concat([env.random.bytes(ID_BYTES - 8), Buffer.alloc(8)])
    this.port = portOf(node.getMultiaddrs())
    const { gossip } = node.services
    gossip.addEventListener('gossipsub:message', ({ detail: { msg } }) => {
      if (msg.topic === this.#topic && msg.data.length > ID_BYTES) options.received(msg.data.slice(ID_BYTES))
    })
    gossip.addEventListener('subscription-change', ({ detail: { subscriptions } }) => {
      if (subscriptions.some(({ topic, subscribe }) => subscribe && topic === this.#topic)) options.joined()
    })
    gossip.subscribe(this.#topic)
    this.#lookAround()
  }

  get peerCount(): number {
    return this.#isClosed ? 0 : this.#node.services.gossip.getSubscribers(this.#topic).length
  }

  know(address: GossipAddress): void {
    const { nodeId, host, port } = address
    const known = this.#peers.get(nodeId)
    if (known?.address.host === host && known.address.port === port) return
    if (this.#isClosed || (known === undefined && this.#peers.size >= MAX_PEERS)) return
    // Who is connected under this address stays: dialled by another name it would lose its connection to the attempt.
    const there = [...this.#peers.values()].find(({ address: other }) => other.host === host && other.port === port)
    if (there !== undefined && this.#node.getConnections(there.id).length > 0) return
    keyOf(this.#options, nodeId).then(key => {
      const id = peerIdFromPrivateKey(key)
      const state = {
        waitingSince: this.#env.clock.now(),
        triedAt: Number.NEGATIVE_INFINITY,
        failures: 0,
        isDialled: false,
        deafSince: undefined,
      }
      this.#peers.set(nodeId, { address, id, ...state })
      this.#lookAround()
    }, ignore)
  }

  publish(payload: Uint8Array): void {
    if (this.#isClosed || payload.length + ID_BYTES > MAX_MESSAGE_BYTES) return
    this.#messageId.writeBigUInt64BE(this.#messageId.readBigUInt64BE(ID_BYTES - 8) + 1n, ID_BYTES - 8)
    this.#node.services.gossip.publish(this.#topic, Buffer.concat([this.#messageId, payload])).catch(ignore)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const gossip = this.#node.services.gossip as unknown as WithHeartbeat
    gossip.status?.heartbeatTimeout?.close()
    await gossip.stop()
    await this.#node.stop()
    const { components } = this.#node as WithAddressUpdate
    components?.addressManager?._updatePeerStoreAddresses?.stop?.()
  }

  /** Dials who is missing, and hangs up on who is there and does not hear us. */
  readonly #lookAround = (): void => {
    if (this.#isClosed) return
    const now = this.#env.clock.now()
    const hearing = new Set(this.#node.services.gossip.getSubscribers(this.#topic).map(String))
    const undecided = [...this.#peers.values()].filter(({ isDialled }) => !isDialled)
    const candidates = undecided.map(peer => {
      const isConnected = this.#node.getConnections(peer.id).length > 0
      if (isConnected) this.#listenTo(peer, hearing.has(peer.id.toString()), now)
      const { waitingSince, triedAt, failures } = peer
      return { nodeId: peer.address.nodeId, waitingSince, triedAt, failures, isConnected }
    })
    for (const nodeId of toDial(this.#options.nodeId, candidates, now)) void this.#dial(this.#peers.get(nodeId)!)
    this.#timer?.cancel()
    this.#timer = this.#env.clock.setTimer(REDIAL_MS, this.#lookAround)
  }

  #listenTo(peer: Peer, hearsUs: boolean, now: number): void {
    peer.waitingSince = now
    peer.failures = 0
    if (hearsUs) peer.deafSince = undefined
    else if ((peer.deafSince ??= now) < now - DEAF_MS) {
      peer.deafSince = undefined
      this.#node.hangUp(peer.id).catch(ignore)
    }
  }

  async #dial(peer: Peer): Promise<void> {
    peer.triedAt = this.#env.clock.now()
    peer.failures++
    peer.isDialled = true
    const address = multiaddr(dialAddress(peer.address))
    this.#options.meant.set(address.toString(), peer.id)
    try {
      await this.#node.dial(address)
    } catch {
      // It is tried again.
    }
    peer.isDialled = false
    this.#options.meant.delete(address.toString())
  }
}

/** Timers that are left running by those who stop, and keep the process for a second. */
interface WithHeartbeat {
  readonly status?: { readonly heartbeatTimeout?: NodeJS.Timeout }
  stop(): Promise<void>
}
interface WithAddressUpdate {
  readonly components?: { readonly addressManager?: { readonly _updatePeerStoreAddresses?: { stop?(): void } } }
}

interface Membership {
  readonly clusterId: string
  readonly secret: Uint8Array
}

function topicOf(clusterId: string): string {
  return `ottla/${clusterId}`
}

/** HKDF with SHA-256 (RFC 5869), one block. */
function derive({ clusterId, secret }: Membership, purpose: string): Buffer {
  const extracted = hmacSha256(Buffer.from('ottla gossip'), [secret])
  return hmacSha256(extracted, [Buffer.from(`${clusterId} ${purpose}`), Buffer.of(1)])
}

function sharedKey(membership: Membership): Buffer {
  return Buffer.from(`/key/swarm/psk/1.0.0/\n/base16/\n${derive(membership, 'network').toString('hex')}`)
}

function keyOf(membership: Membership, nodeId: number) {
  return generateKeyPairFromSeed('Ed25519', derive(membership, `node ${nodeId}`))
}

const IPV4 = /^\d+\.\d+\.\d+\.\d+$/

function listenAddress(host: string): string {
  if (host.includes(':')) return `/ip6/${host}`
  return `/ip4/${host === 'localhost' ? '127.0.0.1' : IPV4.test(host) ? host : '0.0.0.0'}`
}

function dialAddress({ host, port }: GossipAddress): string {
  const kind = host.includes(':') ? 'ip6' : IPV4.test(host) ? 'ip4' : 'dns4'
  return `/${kind}/${host}/tcp/${port}`
}

function portOf(addresses: readonly Multiaddr[]): number {
  return Number(addresses[0]?.toOptions().port ?? 0)
}

/** Part of Node from 22 on; a package counts on it (mortice, by it-queue). */
function withPromiseResolvers(): void {
  const promise = Promise as unknown as { withResolvers?: () => unknown }
  promise.withResolvers ??= () => {
    let [resolve, reject]: unknown[] = []
    const made = new Promise((fulfil, refuse) => {
      resolve = fulfil
      reject = refuse
    })
    return { promise: made, resolve, reject }
  }
}

function ignore(): void {}
