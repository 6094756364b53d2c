// One node in this process, with real doors or in memory. What is not needed is not loaded: a node in memory never loads LevelDB.
import { resolve } from 'node:path'
import type { GossipDoor } from '../broker/gossiping.ts'
import type { Node } from '../broker/node.ts'
import { parseConfig } from '../config.ts'
import type { Env, Logger } from '../env/env.ts'

export interface StartNodeOptions {
  /** Where the node keeps its data; made when missing. Default: log.dirs of `config`, else ./ottla-data. */
  readonly dataDirectory?: string
  /** Nothing is kept: the node ends with all its data. Real sockets, real time. */
  readonly memory?: boolean
  /** On 127.0.0.1; 0 takes any free one. Instead of `listeners` of `config`. Default: `listeners`, else 9092 (any free one in memory). */
  readonly port?: number
  /** Kafka's keys, as in server.properties. */
  readonly config?: Readonly<Record<string, string>>
  /** Told of keys that have no effect here, with a sentence for the user. Without it such a key is an error. */
  readonly onUnknownKey?: (key: string, sentence: string) => void
  /** Default: warnings and errors to stderr. */
  readonly logger?: Logger
  /**
   * The other nodes of its cluster are other processes, so that gossip is worth what it costs: some 20 MB, and the optional package libp2p. It begins
   * when the node has started. Default: false; `ottla start` says true. `gossip.enable` of `config` forbids it.
   */
  readonly gossip?: boolean
  /** Ends a start that waits for the other nodes of its cluster. */
  readonly signal?: AbortSignal
}

export interface RunningNode extends AsyncDisposable {
  /** host:port of the first listener, for a client's `bootstrap.servers`; '' of a node that is no broker. */
  readonly bootstrapServers: string
  readonly nodeId: number
  readonly clusterId: string
  /** Of the first listener; -1 of a node that is no broker. */
  readonly port: number
  /** As they are bound. */
  readonly listeners: Node['listeners']
  /** Where the other nodes of its cluster reach it; null of a node alone. */
  readonly internalListener: Node['internalListener']
  /** Settles (never rejects) with the cause when the node had to stop. */
  readonly failed: Promise<Error>
  /** Answers what was accepted, flushes, and marks the data as complete. */
  close(): Promise<void>
}

/**
 * Starts one node and settles when it serves: alone, or, with `controller.quorum.voters` and a `cluster.secret`, as part of a cluster.
 * @throws ConfigError the configuration; its message says what is allowed
 * @throws EnvError EADDRINUSE, EACCES: the port · EEXIST, ELOCKED, ECORRUPT: the data directory · EACCES: the other nodes refuse this one
 */
export async function startNode(options: StartNodeOptions = {}): Promise<RunningNode> {
  const { memory = false, onUnknownKey } = options
  const config = parseConfig(withListeners(options), onUnknownKey === undefined ? {} : { onUnknown: onUnknownKey })
  const named = options.dataDirectory ?? config['log.dirs']?.[0] ?? config['log.dir'] ?? 'ottla-data'
  const directory = memory ? named : resolve(named)
  const [{ Node }, env] = await Promise.all([import('../broker/node.ts'), memory ? memoryDoors(options) : realDoors(options)])
  const node = await Node.open(env, {
    config,
    directory,
    reserveBytes: memory ? 0 : RESERVE_BYTES,
    ...(options.gossip === true ? { gossip: await gossipDoor() } : {}),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  const [first] = node.listeners
  const endpoint = first && node.broker.endpointOf(node.nodeId, first.name)
  return {
    bootstrapServers: endpoint === undefined ? '' : `${endpoint.host}:${endpoint.port}`,
    nodeId: node.nodeId,
    clusterId: node.clusterId,
    port: first?.port ?? -1,
    listeners: node.listeners,
    internalListener: node.internalListener,
    failed: node.failed,
    close: () => node.close(),
    [Symbol.asyncDispose]: () => node.close(),
  }
}

function withListeners({ config = {}, port, memory }: StartNodeOptions): Record<string, string> {
  if (config['process.roles']?.trim() === 'controller') return { ...config }
  if (port === undefined && config['listeners'] !== undefined) return { ...config }
  return { ...config, listeners: `PLAINTEXT://127.0.0.1:${port ?? (memory === true ? 0 : 9092)}` }
}

async function gossipDoor(): Promise<GossipDoor> {
  const [{ libp2pDoor }, { processUsage }] = await Promise.all([import('../broker/gossiping.ts'), import('../env/real/process.ts')])
  return libp2pDoor(processUsage)
}

/** What two databases need to open on a disk that is full. */
const RESERVE_BYTES = 16 * 1024 * 1024

/** Loaded only when they are needed. */
async function realDoors({ logger }: StartNodeOptions): Promise<Env> {
  const [{ realEnv }, { realLogger }] = await Promise.all([import('../env/real/env.ts'), import('../env/real/logger.ts')])
  return realEnv({ logger: logger ?? realLogger({ level: 'warn' }) })
}

async function memoryDoors({ logger }: StartNodeOptions): Promise<Env> {
  const [{ memoryEnv }, { realLogger }] = await Promise.all([import('../env/memory/env.ts'), import('../env/real/logger.ts')])
  return memoryEnv({ logger: logger ?? realLogger({ level: 'warn' }) })
}
