// The internal listener: what our own nodes say to each other, authenticated by the cluster secret (src/net/rpc-handshake.ts).
// Answers come in any order, so a parked fetch holds nobody up.

/** Who a node says it is. Evaluated at each handshake: the cluster id is '' until the cluster is formed. */
export interface RpcIdentity {
  readonly clusterId: string
  readonly nodeId: number
  readonly directoryId: string
  /** Of this process: another one after every start. */
  readonly incarnationId: string
}

/** One connection's other end, proven to know the secret. */
export interface RpcSender extends RpcIdentity {
  readonly remoteHost: string
  /** Fire and forget, over this connection; dropped when it is gone or its other end takes nothing. */
  notice(method: number, payload: readonly Uint8Array[]): void
  /** Calls back once when the connection is gone (at once if it is). The result takes the listener off again. */
  onClose(listener: () => void): () => void
}

/** Chunks are written by reference. With `sent`: called once when nobody looks at them any more, also when they were never sent. */
export type RpcAnswer = readonly Uint8Array[] | { readonly chunks: readonly Uint8Array[]; readonly sent: () => void }

export interface RpcHandler {
  /** The payload is the handler's to keep. Rejecting with KafkaError sends its code and text; any other error closes the connection. */
  request(method: number, payload: Buffer, from: RpcSender): Promise<RpcAnswer>
  /** A ProtocolError thrown here closes the connection. */
  notice(method: number, payload: Buffer, from: RpcSender): void
}

export interface RpcServerOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly secret: Uint8Array
  readonly self: () => RpcIdentity
  readonly handler: RpcHandler
  /** A longer payload closes its connection. */
  readonly maxFrameBytes: number
}
