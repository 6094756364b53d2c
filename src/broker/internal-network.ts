// This node's place among the others: the listener that they reach it by, its connections to them, and the table of what is asked and told. What the node
// has not opened yet is answered with NOT_CONTROLLER, which everybody asks again.
import type { Config, InternalListener } from '../config.ts'
import { ConfigError } from '../config.ts'
import { type Env, EnvError } from '../env/env.ts'
import { Peers } from '../net/peers.ts'
import { type RpcAnswer, type RpcHandler, type RpcIdentity, type RpcSender, RpcServer } from '../net/rpc.ts'
import { KafkaError, NOT_CONTROLLER, ProtocolError } from '../protocol/errors.ts'

/** Longer than any batch that a topic may be configured for, plus what a fetch puts around it. */
const MAX_FRAME_BYTES = 128 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 1000

type RequestHandler = (payload: Buffer, from: RpcSender) => Promise<RpcAnswer>
type NoticeHandler = (payload: Buffer, from: RpcSender) => void

export class InternalNetwork {
  readonly peers: Peers
  /** What the nodes know each other by. */
  readonly secret: Uint8Array
  readonly #server: RpcServer
  readonly #table: MethodTable

  /** @throws EnvError EADDRINUSE, EACCES, EADDRNOTAVAIL */
  static async open(
    env: Env,
    o: { readonly listener: InternalListener; readonly secret: string; readonly self: () => RpcIdentity },
  ): Promise<InternalNetwork> {
    const { self } = o
    const secret = Buffer.from(o.secret, 'utf8')
    const table = new MethodTable()
    const { host, port } = o.listener
    const server = await RpcServer.open(env, { host, port, secret, self, handler: table, maxFrameBytes: MAX_FRAME_BYTES }).catch(error => {
      if (!(error instanceof EnvError)) throw error
      throw new EnvError(error.code, `The listener for the other nodes cannot be opened (internal.port): ${error.message}`, {
        cause: error,
      })
    })
    const peers = new Peers(env, { self, secret, handler: table, connectTimeoutMs: CONNECT_TIMEOUT_MS, maxFrameBytes: MAX_FRAME_BYTES })
    return new InternalNetwork({ server, peers, table, secret })
  }

  private constructor(o: { server: RpcServer; peers: Peers; table: MethodTable; secret: Uint8Array }) {
    this.#server = o.server
    this.peers = o.peers
    this.#table = o.table
    this.secret = o.secret
  }

  /** As it is bound; '': all interfaces. */
  get host(): string {
    return this.#server.host
  }

  get port(): number {
    return this.#server.port
  }

  onRequest(method: number, handler: RequestHandler): void {
    this.#table.requests.set(method, handler)
  }

  onNotice(method: number, handler: NoticeHandler): void {
    this.#table.notices.set(method, handler)
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.close(), this.peers.close()])
  }
}

class MethodTable implements RpcHandler {
  readonly requests = new Map<number, RequestHandler>()
  readonly notices = new Map<number, NoticeHandler>()

  async request(method: number, payload: Buffer, from: RpcSender): Promise<RpcAnswer> {
    const handler = this.requests.get(method)
    if (handler === undefined) throw new KafkaError(NOT_CONTROLLER, 'The node is starting, or has another role.')
    return handler(payload, from)
  }

  notice(method: number, payload: Buffer, from: RpcSender): void {
    if (payload.length === 0) throw new ProtocolError(`notice ${method} without content`)
    this.notices.get(method)?.(payload, from)
  }
}

/**
 * What the nodes of this cluster know each other by.
 * @param stored  in the data directory, of a cluster that one program started as a whole
 * @throws ConfigError without any, or when its file cannot be read
 */
export async function clusterSecret(env: Env, config: Config, stored: string | undefined): Promise<string> {
  const path = config['cluster.secret.file']
  const secret = config['cluster.secret'] ?? (path === null ? stored : await readSecret(env, path))
  if (secret === undefined)
    throw new ConfigError(
      'cluster.secret',
      'A node that works with others needs the secret they know each other by: set cluster.secret (or cluster.secret.file) to the same text on all of them',
    )
  return secret
}

const MAX_SECRET_BYTES = 4096

async function readSecret(env: Env, path: string): Promise<string> {
  try {
    const file = await env.disk.open(path, 'read')
    try {
      const text = (await file.read(0, MAX_SECRET_BYTES)).toString('utf8').trim()
      if (text.length < 8) throw new ConfigError('cluster.secret.file', `${path} must hold a secret of at least 8 characters`)
      return text
    } finally {
      await file.close()
    }
  } catch (error) {
    if (!(error instanceof EnvError)) throw error
    throw new ConfigError('cluster.secret.file', `cluster.secret.file cannot be read: ${error.message}`)
  }
}
