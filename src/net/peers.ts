// Our connections to the other nodes' internal listeners: one per node and lane, dialled when something is to be said.
import type { RpcHandler, RpcIdentity } from './rpc.ts'

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

export interface Peers {
  /** From the voters' config, later from registrations. A changed address ends the connections to the old one. */
  setAddress(nodeId: number, address: PeerAddress): void
  /** Fire and forget: dials when needed, and is dropped when it cannot be delivered. */
  notice(nodeId: number, lane: Lane, method: number, payload: readonly Uint8Array[]): void
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
  ): Promise<Buffer>
  /** Asks whoever listens at an address, over a connection of its own: for a node that knows nobody's id yet. */
  requestAt(
    address: PeerAddress,
    method: number,
    payload: readonly Uint8Array[],
    options: { readonly timeoutMs: number },
  ): Promise<{ readonly identity: RpcIdentity; readonly payload: Buffer }>
  onLost(listener: (nodeId: number, why: LossReason) => void): void
  onConnected(listener: (nodeId: number, identity: RpcIdentity) => void): void
  /** Keeps a control connection to this node open from now on (dialling again after 20 ms, later up to 500), so that its death is noticed. */
  watch(nodeId: number): void
  unwatch(nodeId: number): void
  /** One try, now: is a process of that node there? */
  probe(nodeId: number, timeoutMs: number): Promise<'alive' | 'refused' | 'unknown'>
  /** Ends every connection; requests under way are rejected. */
  close(): Promise<void>
}
