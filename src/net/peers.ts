// Our connections to the other nodes' internal listeners: one per node and lane, dialled when something is to be said.
// A lost process is noticed here: its connection ends, and dialling again at once is refused.
import { type Env, EnvError, type Timer } from '../env/env.ts'
import { BufferPool } from '../util/buffer-pool.ts'
import { PeerLane, sizeOf } from './peer-lane.ts'
import type { RpcHandler, RpcIdentity } from './rpc.ts'
import { DialledPeer, type LeasedAnswer } from './rpc-dialled.ts'
import { RefusalLog } from './rpc-refusals.ts'

/** Bulk (replica fetches) never delays raft, heartbeats and the controller. */
export type Lane = 'control' | 'data'

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/** `refused`: a connection ended and dialling again at once was refused, so the process is gone. `restarted`: another process of that node answered. */
export type LossReason = 'refused' | 'restarted'

export interface PeersOptions {
  readonly self: () => RpcIdentity
  readonly secret: Uint8Array
  /** For notices that come back over a connection of ours. */
  readonly handler: Pick<RpcHandler, 'notice'>
  readonly connectTimeoutMs: number
  /** A longer answer ends its connection. */
  readonly maxFrameBytes: number
}

/** Shorter answers are left to the garbage collector. */
const POOLED_BYTES = 4096
/** Memory of answers that may lie unused between two, and for how long. */
const IDLE_BYTES = 16 * 1024 * 1024
const SHRINK_MS = 5000
/** Of a watched node, between two tries. */
const FIRST_RETRY_MS = 20
const MAX_RETRY_MS = 500
/** Tries to learn what became of a node that hung up, when nobody watches it. */
const MAX_EXAMINATIONS = 5

interface Peer {
  readonly nodeId: number
  address: PeerAddress
  readonly lanes: Readonly<Record<Lane, PeerLane>>
  isWatched: boolean
  /** The process we were connected with last. */
  incarnationId: string | undefined
  /** A connection to it ended, and it is not known why. */
  isSuspect: boolean
  /** It was told to be gone. */
  isGone: boolean
  retryMs: number
  examinations: number
  retryTimer: Timer | undefined
}

export class Peers {
  readonly #env: Env
  readonly #options: PeersOptions
  readonly #peers = new Map<number, Peer>()
  /** Watched before their address was known. */
  readonly #watched = new Set<number>()
  readonly #refusals: RefusalLog
  readonly #lostListeners: ((nodeId: number, why: LossReason) => void)[] = []
  readonly #connectedListeners: ((nodeId: number, identity: RpcIdentity) => void)[] = []
  readonly #frames: BufferPool
  #shrinkTimer: Timer | undefined
  #isClosed = false

  constructor(env: Env, options: PeersOptions) {
    this.#env = env
    this.#options = options
    this.#refusals = new RefusalLog(env.logger, 'could not join another node')
    this.#frames = new BufferPool({ smallestBytes: POOLED_BYTES, maxIdleBytes: IDLE_BYTES, poisons: env.poisonsMemory })
  }

  /** From the voters' config, later from registrations. A changed address ends the connections to the old one. */
  setAddress(nodeId: number, address: PeerAddress): void {
    if (this.#isClosed) return
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) {
      this.#add(nodeId, address)
      return
    }
    if (peer.address.host === address.host && peer.address.port === address.port) return
    peer.address = address
    const reason = new EnvError('ECANCELED', `node ${nodeId} is reached at ${address.host}:${address.port} from now on`)
    for (const lane of Object.values(peer.lanes)) lane.reset(reason)
    if (peer.isWatched) this.#dialWatched(peer)
  }

  /** Fire and forget: dials when needed, and is dropped when it cannot be delivered. */
  notice(nodeId: number, lane: Lane, method: number, payload: readonly Uint8Array[]): void {
    this.#peers.get(nodeId)?.lanes[lane].notice(method, payload)
  }

  /**
   * @throws EnvError when the node cannot be reached, hangs up, or has no address (ENOTFOUND)
   * @throws KafkaError what the other side rejected with, or REQUEST_TIMED_OUT
   */
  request(
    nodeId: number,
    lane: Lane,
    method: number,
    payload: readonly Uint8Array[],
    options: { readonly timeoutMs: number },
  ): Promise<Buffer> {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return Promise.reject(new EnvError('ENOTFOUND', `the address of node ${nodeId} is not known`))
    return peer.lanes[lane].request(sizeOf(payload), options, (open, timeoutMs) => open.request(method, payload, { timeoutMs }))
  }

  /** The same, for long answers: whoever takes one releases its lease, then the memory is used again. */
  requestLeased(
    nodeId: number,
    lane: Lane,
    method: number,
    payload: readonly Uint8Array[],
    options: { readonly timeoutMs: number },
  ): Promise<LeasedAnswer> {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return Promise.reject(new EnvError('ENOTFOUND', `the address of node ${nodeId} is not known`))
    this.#shrinkTimer ??= this.#env.clock.setTimer(SHRINK_MS, this.#shrink)
    return peer.lanes[lane].request(sizeOf(payload), options, (open, timeoutMs) => open.requestLeased(method, payload, { timeoutMs }))
  }

  /** Asks whoever listens at an address, over a connection of its own: for a node that knows nobody's id yet. */
  async requestAt(
    address: PeerAddress,
    method: number,
    payload: readonly Uint8Array[],
    options: { readonly timeoutMs: number },
  ): Promise<{ readonly identity: RpcIdentity; readonly payload: Buffer }> {
    const peer = await DialledPeer.dial(this.#env, { ...address, ...this.#common(), timeoutMs: options.timeoutMs })
    try {
      const { clusterId, nodeId, directoryId, incarnationId } = peer
      const answer = await peer.request(method, payload, options)
      return { identity: { clusterId, nodeId, directoryId, incarnationId }, payload: answer }
    } finally {
      void peer.end(new EnvError('ECANCELED', 'asked and answered'))
    }
  }

  onLost(listener: (nodeId: number, why: LossReason) => void): void {
    this.#lostListeners.push(listener)
  }

  onConnected(listener: (nodeId: number, identity: RpcIdentity) => void): void {
    this.#connectedListeners.push(listener)
  }

  /** Keeps a control connection to this node open from now on (dialling again after 20 ms, later up to 500), so that its death is noticed. */
  watch(nodeId: number): void {
    this.#watched.add(nodeId)
    const peer = this.#peers.get(nodeId)
    if (peer === undefined || peer.isWatched) return
    peer.isWatched = true
    this.#dialWatched(peer)
  }

  unwatch(nodeId: number): void {
    this.#watched.delete(nodeId)
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return
    peer.isWatched = false
    if (!peer.isSuspect) this.#cancelRetry(peer)
  }

  /** One try, now: is a process of that node there? */
  probe(nodeId: number, timeoutMs: number): Promise<'alive' | 'refused' | 'unknown'> {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return Promise.resolve('unknown')
    return new Promise(resolve => {
      const timer = this.#env.clock.setTimer(timeoutMs, () => resolve('unknown'))
      const settle = (outcome: 'alive' | 'refused' | 'unknown') => {
        timer.cancel()
        resolve(outcome)
      }
      const dial = () =>
        peer.lanes.control.connected().then(
          () => settle('alive'),
          error => settle(isRefused(error) ? 'refused' : 'unknown'),
        )
      const open = peer.lanes.control.peer
      if (open === undefined) void dial()
      else {
        const forget = open.onClose(() => void dial())
        open.ping(() => {
          forget()
          settle('alive')
        })
      }
    })
  }

  /** Ends every connection, after what is queued has left; requests under way are rejected. */
  async close(): Promise<void> {
    this.#isClosed = true
    const reason = new EnvError('ECANCELED', 'this node is stopping')
    const lanes: PeerLane[] = []
    this.#shrinkTimer?.cancel()
    for (const peer of this.#peers.values()) {
      this.#cancelRetry(peer)
      lanes.push(...Object.values(peer.lanes))
    }
    await Promise.all(lanes.map(lane => lane.close(reason)))
  }

  #add(nodeId: number, address: PeerAddress): void {
    const laneOf = (name: Lane) =>
      new PeerLane(this.#env, {
        dial: () => this.#dial(peer),
        opened: opened => this.#opened(peer, name, opened),
        closed: () => this.#hungUp(peer),
        failed: error => this.#failed(peer, name, error),
      })
    const peer: Peer = {
      nodeId,
      address,
      lanes: { control: laneOf('control'), data: laneOf('data') },
      isWatched: this.#watched.has(nodeId),
      incarnationId: undefined,
      isSuspect: false,
      isGone: false,
      retryMs: FIRST_RETRY_MS,
      examinations: 0,
      retryTimer: undefined,
    }
    this.#peers.set(nodeId, peer)
    if (peer.isWatched) this.#dialWatched(peer)
  }

  #dial(peer: Peer): Promise<DialledPeer> {
    const { address, nodeId } = peer
    const options = { ...address, ...this.#common(), expectedNodeId: nodeId, timeoutMs: this.#options.connectTimeoutMs }
    return DialledPeer.dial(this.#env, options)
  }

  #common() {
    const { self, secret, maxFrameBytes, handler } = this.#options
    return { self, secret, maxFrameBytes, handler, frames: this.#frames }
  }

  #opened(peer: Peer, lane: Lane, opened: DialledPeer): void {
    const { clusterId, nodeId, directoryId, incarnationId } = opened
    this.#refusals.forget(nameOf(peer))
    const isNews = peer.incarnationId !== incarnationId
    const isRestarted = peer.incarnationId !== undefined && isNews && !peer.isGone
    peer.incarnationId = incarnationId
    peer.isSuspect = false
    peer.isGone = false
    peer.retryMs = FIRST_RETRY_MS
    peer.examinations = 0
    this.#cancelRetry(peer)
    if (peer.isWatched) peer.lanes.control.ensure()
    if (isRestarted) this.#lost(peer, 'restarted')
    if (!isNews && lane !== 'control') return
    for (const listener of this.#connectedListeners) listener(peer.nodeId, { clusterId, nodeId, directoryId, incarnationId })
  }

  #hungUp(peer: Peer): void {
    peer.isSuspect = true
    peer.lanes.control.ensure()
  }

  #failed(peer: Peer, lane: Lane, error: Error): void {
    if (this.#isClosed) return
    if (error instanceof EnvError && error.code === 'EACCES') this.#refusals.tell(nameOf(peer), error.message)
    if (peer.isSuspect && isRefused(error)) {
      peer.isSuspect = false
      peer.isGone = true
      this.#lost(peer, 'refused')
    }
    const examines = peer.isSuspect && peer.examinations < MAX_EXAMINATIONS
    if (lane !== 'control' || !(peer.isWatched || examines) || peer.retryTimer !== undefined) return
    peer.examinations++
    peer.retryTimer = this.#env.clock.setTimer(peer.retryMs, () => {
      peer.retryTimer = undefined
      peer.lanes.control.ensure()
    })
    peer.retryMs = Math.min(MAX_RETRY_MS, 2 * peer.retryMs)
  }

  readonly #shrink = (): void => {
    this.#shrinkTimer = undefined
    this.#frames.shrink()
    if (this.#frames.idleBytes > 0 && !this.#isClosed) this.#shrinkTimer = this.#env.clock.setTimer(SHRINK_MS, this.#shrink)
  }

  #lost(peer: Peer, why: LossReason): void {
    this.#env.logger.log('info', 'lost another node', { nodeId: peer.nodeId, why })
    for (const listener of this.#lostListeners) listener(peer.nodeId, why)
  }

  #dialWatched(peer: Peer): void {
    peer.retryMs = FIRST_RETRY_MS
    this.#cancelRetry(peer)
    peer.lanes.control.ensure()
  }

  #cancelRetry(peer: Peer): void {
    peer.retryTimer?.cancel()
    peer.retryTimer = undefined
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof EnvError && error.code === 'ECONNREFUSED'
}

function nameOf(peer: Peer): string {
  return `node ${peer.nodeId} at ${peer.address.host}:${peer.address.port}`
}
