// One node, opened in order and closed in reverse:
//   data directory → meta → member of its cluster (member.ts: identity, the others, metadata log, controller) → and, where it has the role, broker
//   (broker-role.ts: logs and their verdicts, replicas, sockets, registration, leaders serve, requests are answered).
// A clean close hands over what others can lead, answers what was accepted, flushes and closes the logs, and only then marks the directory clean. There is
// one way to fail (lifetime.ts): the node stops, without the mark, and `failed` says why.
import { type Config, clientListeners, hasRole } from '../config.ts'
import { type Env, EnvError } from '../env/env.ts'
import { refuseForeignDirectory } from '../metadata/identity.ts'
import type { MetadataImage } from '../metadata/image.ts'
import type { InternalListener } from '../metadata/records.ts'
import { whyUnusable } from '../metadata/unusable-directory.ts'
import type { ListenerAddress } from '../net/server.ts'
import type { RaftDriver } from '../raft/driver.ts'
import { assert } from '../util/assert.ts'
import type { Uuid } from '../util/uuid.ts'
import type { Broker } from './broker.ts'
import { type BrokerRole, openBrokerRole } from './broker-role.ts'
import { makeRoomToStart } from './disk-reserve.ts'
import { DiskRoom } from './disk-room.ts'
import type { KnownAddress } from './formation.ts'
import { type GossipDoor, Gossiping } from './gossiping.ts'
import { Lifetime } from './lifetime.ts'
import { type Member, openMember } from './member.ts'

export interface NodeOptions {
  readonly config: Config
  /** The data directory; made when it is missing. */
  readonly directory: string
  /** The size of a file that is kept to be given up on a full disk, so that the node can start there. Default 0: none. */
  readonly reserveBytes?: number
  /** Told where this node listens for the others; gives where they do. Stronger than the configuration: for a program that starts them all. */
  readonly addresses?: (own: KnownAddress) => Promise<readonly KnownAddress[]>
  /** For nodes whose others are other processes; without it the node does not gossip. */
  readonly gossip?: GossipDoor
  /** Ends a start that waits for others. Without effect on a node that has started. */
  readonly signal?: AbortSignal
}

export class Node {
  readonly nodeId: number
  readonly clusterId: Uuid
  /** Of this incarnation; -1 of a node that is no broker. */
  readonly brokerEpoch: number
  /** For clients, as they are bound, in the order of the configuration; none on a node that is no broker. */
  readonly listeners: readonly ListenerAddress[]
  /** For the other nodes; null on a node alone. */
  readonly internalListener: InternalListener | null
  readonly #lifetime: Lifetime
  readonly #member: Member
  readonly #role: BrokerRole | undefined
  readonly #gossiping: Gossiping | undefined

  /**
   * Settles when the node answers requests; of a cluster that is not there yet it waits for the others.
   * @throws EnvError EEXIST, ELOCKED, ECORRUPT: the directory is not (or not any more) ours, or of another cluster · EADDRINUSE, EACCES: the listeners;
   *   EACCES also: the other nodes refuse this one · ECANCELED: by the signal
   * @throws ConfigError
   */
  static async open(env: Env, options: NodeOptions): Promise<Node> {
    const { signal } = options
    const lifetime = new Lifetime(env.logger)
    const cancel = () => lifetime.giveUp(new EnvError('ECANCELED', 'the start was cancelled'))
    signal?.addEventListener('abort', cancel)
    try {
      signal?.throwIfAborted()
      // What is being opened may wait for others for ever, also when the node has failed meanwhile.
      const node = await Promise.race([openNode(env, options, lifetime), lifetime.failed])
      if (node instanceof Node && lifetime.failure === undefined) return node
    } catch (error) {
      lifetime.giveUp(error as Error)
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
    throw await lifetime.failed
  }

  /** @internal */
  constructor(o: { member: Member; role: BrokerRole | undefined; gossiping: Gossiping | undefined; lifetime: Lifetime }) {
    this.nodeId = o.member.identity.nodeId
    this.clusterId = o.member.identity.clusterId
    this.internalListener = o.member.internalListener
    this.brokerEpoch = o.role?.brokerEpoch ?? -1
    this.listeners = o.role?.listeners ?? []
    this.#member = o.member
    this.#role = o.role
    this.#gossiping = o.gossiping
    this.#lifetime = o.lifetime
  }

  /** For tests, the console and the simulator: what the handlers see. Only of a node that is a broker. */
  get broker(): Broker {
    assert(this.#role !== undefined, `node ${this.nodeId} is no broker`)
    return this.#role.broker
  }

  /** What is agreed and applied here. Read it, do not keep it: it moves. */
  get image(): MetadataImage {
    return this.#member.publisher.image
  }

  /** Of the metadata log. */
  get quorum(): RaftDriver {
    return this.#member.quorum
  }

  /** What it hears of the others by the way; undefined: it does not gossip. */
  get gossiping(): Gossiping | undefined {
    return this.#gossiping
  }

  /** Settles (never rejects) with the cause when the node had to stop, after it has stopped. */
  get failed(): Promise<Error> {
    return this.#lifetime.failed
  }

  /** Hands over what others can lead, answers what was accepted, flushes, and marks the directory clean. Idempotent. */
  close(): Promise<void> {
    return this.#lifetime.close()
  }
}

async function openNode(env: Env, options: NodeOptions, lifetime: Lifetime): Promise<Node> {
  const { config, directory, reserveBytes = 0, addresses } = options
  const listeners = clientListeners(config)
  await refuseForeignDirectory(env.disk, directory)
  await makeRoomToStart(env, directory)
  const meta = await env.kv.open(`${directory}/meta`, { urgent: true }).catch(async error => {
    throw await whyUnusable(env.disk, directory, error)
  })
  lifetime.owns('meta', () => meta.close())
  const floorBytes = config['log.dir.free.bytes.min']
  const diskRoom = new DiskRoom(env, { directory, floorBytes, reserveBytes, fail: lifetime.fail })
  let role: BrokerRole | undefined
  let gossiping: Gossiping | undefined
  const entered = (member: Member) => {
    if (options.gossip === undefined || !config['gossip.enable'] || member.network === undefined) return
    const gossip = new Gossiping(env, { ...options.gossip, config, member, directory, traffic: () => role?.traffic() })
    gossiping = gossip
    lifetime.owns('gossip', () => gossip.close())
  }
  const member = await openMember(env, { config, directory, meta, lifetime, addresses, diskRoom, entered })
  role = hasRole(config, 'broker')
    ? await openBrokerRole(env, { config, directory, meta, lifetime, member, listeners, diskRoom })
    : undefined
  if (role === undefined) {
    lifetime.owns('disk room', () => diskRoom.close())
    diskRoom.start()
  }
  env.logger.log('info', 'started node', {
    nodeId: member.identity.nodeId,
    clusterId: member.identity.clusterId,
    ...(role === undefined ? {} : { brokerEpoch: role.brokerEpoch }),
  })
  return new Node({ member, role, gossiping, lifetime })
}
