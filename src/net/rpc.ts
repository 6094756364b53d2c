// The internal listener: what our own nodes say to each other, authenticated by the cluster secret (src/net/rpc-handshake.ts).
// Answers come in any order, so a parked fetch holds nobody up.
import { type Env, EnvError, type NetListener, type Socket } from '../env/env.ts'
import { AcceptedPeer } from './rpc-accepted.ts'
import { RefusalLog } from './rpc-refusals.ts'

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

/** Who says nothing sensible at first does not keep the others out. */
const MAX_UNPROVEN = 256
/** The other connections of a node id count as alive if they were heard so long ago: a dialler says something every half second. */
const ALIVE_MS = 2000

export class RpcServer {
  readonly #env: Env
  readonly #options: RpcServerOptions
  readonly #peers = new Set<AcceptedPeer>()
  readonly #refusals: RefusalLog
  #listener: NetListener | undefined
  #isClosing = false

  /** @throws EnvError EADDRINUSE, EACCES, EADDRNOTAVAIL */
  static async open(env: Env, options: RpcServerOptions): Promise<RpcServer> {
    const server = new RpcServer(env, options)
    server.#listener = await env.net.listen({ host: options.host, port: options.port, onConnection: socket => server.#accept(socket) })
    return server
  }

  private constructor(env: Env, options: RpcServerOptions) {
    this.#env = env
    this.#options = options
    this.#refusals = new RefusalLog(env.logger, 'refused a node on the internal listener')
  }

  get host(): string {
    return this.#options.host
  }
  get port(): number {
    return this.#listener!.port
  }

  /** What is queued leaves, then every connection ends. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#listener?.close()
    const reason = new EnvError('ECANCELED', 'this node is stopping')
    await Promise.all([...this.#peers].map(peer => peer.end(reason)))
  }

  #accept(socket: Socket): void {
    if (this.#isClosing || this.#unprovenCount() >= MAX_UNPROVEN) {
      socket.handle({ data: () => {}, close: () => {} })
      socket.destroy()
      return
    }
    const { self, secret, handler, maxFrameBytes } = this.#options
    const peer = new AcceptedPeer(this.#env, socket, {
      self,
      secret,
      handler,
      maxFrameBytes,
      admit: admitted => this.#admit(admitted),
      refused: (who, reason) => this.#refusals.tell(who, reason),
      closed: gone => void this.#peers.delete(gone),
    })
    this.#peers.add(peer)
  }

  /**
   * One node id is one process. Of one directory only one can run, so the newer one replaces what is left of the older; of two directories the one
   * that is there already stays for as long as it is heard.
   */
  #admit(admitted: AcceptedPeer): string | undefined {
    const now = this.#env.clock.now()
    const others = [...this.#peers].filter(
      peer => peer.isProven && peer.nodeId === admitted.nodeId && peer.incarnationId !== admitted.incarnationId,
    )
    if (others.some(other => other.directoryId !== admitted.directoryId && now - other.heardAt < ALIVE_MS))
      return `another node ${admitted.nodeId} with another data directory is connected: give each node its own id`
    for (const other of others) other.destroy(new EnvError('ECONNABORTED', 'another process of this node is connected'))
    this.#refusals.forget(`node ${admitted.nodeId} at ${admitted.remoteHost}`)
    return undefined
  }

  #unprovenCount(): number {
    let count = 0
    for (const peer of this.#peers) if (!peer.isProven) count++
    return count
  }
}
