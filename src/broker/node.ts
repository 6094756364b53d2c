// One node, opened in order and closed in reverse:
//   data directory → meta → identity → quorum → image → log store (verdicts) → replicas → sockets bound → registration (a new incarnation with a new
//   broker epoch) → the changes it brought are applied → leaders serve → requests are answered.
// Sockets are bound before the registration, which names their ports, and after the logs are recovered; what arrives in between waits.
// A clean close answers what was accepted, flushes and closes the logs, and only then marks the directory clean. There is one way to fail
// (lifetime.ts): the node stops, without the mark, and `failed` says why.
import { type Config, clientListeners, type ListenerConfig, topicConfig } from '../config.ts'
import type { Env } from '../env/env.ts'
import { LogStore } from '../log/log-store.ts'
import { Controller } from '../metadata/controller.ts'
import { configLayers } from '../metadata/decision.ts'
import { type Identity, markClean, openIdentity, refuseForeignDirectory } from '../metadata/identity.ts'
import { MetadataPublisher } from '../metadata/publisher.ts'
import type { BrokerListener } from '../metadata/records.ts'
import { whyUnusable } from '../metadata/unusable-directory.ts'
import { type IncomingRequest, type ListenerAddress, Server } from '../net/server.ts'
import { KafkaError, NONE } from '../protocol/errors.ts'
import type { Leadership } from '../raft/quorum.ts'
import { SingleVoterQuorum } from '../raft/single-voter.ts'
import { type Uuid, uuidFromBytes } from '../util/uuid.ts'
import type { Broker } from './broker.ts'
import { clientLimits } from './client-limits.ts'
import { CompactionTask } from './compaction.ts'
import { makeRoomToStart } from './disk-reserve.ts'
import { behindRoom, DiskRoom } from './disk-room.ts'
import { Dispatcher, isHeavy, mayOverlap } from './dispatch.ts'
import { BOOTSTRAP_RECORDS, SUPPORTED_FEATURES } from './features.ts'
import { GroupCoordinator } from './group/coordinator.ts'
import { Lifetime } from './lifetime.ts'
import { NodeBroker } from './node-broker.ts'
import { Replicas, type ReplicaVerdict } from './replicas.ts'
import { RetentionTask } from './retention.ts'

/** How long a closing node waits for the answers under way. */
const CLOSE_GRACE_MS = 5000

export interface NodeOptions {
  readonly config: Config
  /** The data directory; made when it is missing. */
  readonly directory: string
  /** The size of a file that is kept to be given up on a full disk, so that the node can start there. Default 0: none. */
  readonly reserveBytes?: number
}

export class Node {
  readonly nodeId: number
  readonly clusterId: Uuid
  /** Of this incarnation. */
  readonly brokerEpoch: number
  /** As they are bound, in the order of the configuration. */
  readonly listeners: readonly ListenerAddress[]
  /** For tests, the console and the simulator: what the handlers see. */
  readonly broker: Broker
  /** For the same: who leads the metadata log, as this node sees it. */
  readonly quorum: Leadership
  readonly #lifetime: Lifetime

  /**
   * Settles when the node answers requests.
   * @throws EnvError EEXIST, ELOCKED, ECORRUPT: the directory is not (or not any more) ours · EADDRINUSE, EACCES: the listeners
   * @throws ConfigError
   */
  static async open(env: Env, options: NodeOptions): Promise<Node> {
    const lifetime = new Lifetime(env.logger)
    try {
      const node = await openNode(env, options, lifetime)
      if (lifetime.failure === undefined) return node
    } catch (error) {
      lifetime.giveUp(error as Error)
    }
    throw await lifetime.failed
  }

  /** @internal */
  constructor(o: {
    broker: Broker
    quorum: Leadership
    brokerEpoch: number
    listeners: readonly ListenerAddress[]
    lifetime: Lifetime
  }) {
    this.nodeId = o.broker.nodeId
    this.clusterId = o.broker.clusterId
    this.broker = o.broker
    this.quorum = o.quorum
    this.brokerEpoch = o.brokerEpoch
    this.listeners = o.listeners
    this.#lifetime = o.lifetime
  }

  /** Settles (never rejects) with the cause when the node had to stop, after it has stopped. */
  get failed(): Promise<Error> {
    return this.#lifetime.failed
  }

  /** Answers what was accepted, flushes, and marks the directory clean. Idempotent. */
  close(): Promise<void> {
    return this.#lifetime.close()
  }
}

async function openNode(env: Env, { config, directory, reserveBytes = 0 }: NodeOptions, lifetime: Lifetime): Promise<Node> {
  const nodeId = config['node.id']
  const { fail } = lifetime
  const listeners = clientListeners(config)
  let brokerEpoch = -1
  let unsentBytes = () => 0

  await refuseForeignDirectory(env.disk, directory)
  await makeRoomToStart(env, directory)
  const meta = await env.kv.open(`${directory}/meta`, { urgent: true }).catch(async error => {
    throw await whyUnusable(env.disk, directory, error)
  })
  lifetime.owns('meta', () => meta.close())
  const identity = await openIdentity(env, { directory, meta, nodeId, alone: true })
  lifetime.owns('clean mark', () => (lifetime.failure === undefined && brokerEpoch !== -1 ? markClean(meta, brokerEpoch) : undefined))

  const publisher = new MetadataPublisher({ fail })
  const quorum = await SingleVoterQuorum.open(env, { directory, meta, nodeId, fail })
  lifetime.owns('quorum', () => {
    publisher.close()
    return quorum.close()
  })
  const controller = new Controller(env, { quorum, publisher, config, clusterId: identity.clusterId, bootstrap: BOOTSTRAP_RECORDS, fail })
  lifetime.owns('controller', async () => controller.close())
  await publisher.start(quorum)

  const incarnationId = uuidFromBytes(env.random.bytes(16))
  const store = await LogStore.open(env, { directory, meta, clean: identity.clean, maxFiles: env.net.maxFiles, fail })
  lifetime.owns('log store', () => store.close())
  const diskRoom: DiskRoom = new DiskRoom(env, {
    directory,
    floorBytes: () => broker.config['log.dir.free.bytes.min'],
    reserveBytes,
    roomAgain: () => replicas.resume(),
    fail,
  })
  const ruin = (replica: { topicId: Uuid; partition: number }) => {
    // Not registered yet: the registration says it. Closing: the next one does.
    if (brokerEpoch === -1 || lifetime.closing) return
    controller.ruinReplica({ brokerId: nodeId, brokerEpoch, ...replica }).catch((error: Error) => {
      if (!(error instanceof KafkaError)) fail(error)
    })
  }
  const groups = new GroupCoordinator(env, { config: () => broker.config, image: () => publisher.image, fail })
  const replicas: Replicas = new Replicas(env, {
    nodeId,
    incarnationId,
    store,
    settingsOf: topic => {
      const settings = topicConfig(config, configLayers(publisher.image, nodeId, topic))
      return { log: settings, minInsyncReplicas: settings.minInsyncReplicas }
    },
    room: diskRoom,
    ruin: (topicId, partition) => ruin({ topicId, partition }),
    roleChanged: replica => groups.roleChanged(replica),
    fail,
  })
  lifetime.owns('replicas', () => replicas.close())
  const broker: NodeBroker = new NodeBroker(env, {
    config,
    identity,
    publisher,
    controller: behindRoom(controller, diskRoom),
    replicas,
    groups,
    diskRoom,
    directory,
    lifetime,
    epoch: () => brokerEpoch,
    unsentBytes: () => unsentBytes(),
  })
  publisher.subscribe({ applied: changes => broker.applied(changes) })
  const verdicts = await replicas.openAll(publisher.image)

  const gate = new Gate(new Dispatcher(broker, { fail }))
  const idleTimeoutMs = config['connections.max.idle.ms']
  const server = await Server.open(env, {
    listeners,
    maxRequestBytes: config['socket.request.max.bytes'],
    limits: clientLimits({ config: () => broker.config, listeners, maxFiles: env.net.maxFiles }),
    ...(config['queued.max.request.bytes'] === -1 ? {} : { maxQueuedBytes: config['queued.max.request.bytes'] }),
    ...(idleTimeoutMs === -1 ? {} : { idleTimeoutMs }),
    mayOverlap,
    isHeavy,
    onRequest: request => gate.receive(request),
  })
  unsentBytes = () => server.unsentBytes
  lifetime.owns('server', () => {
    replicas.releaseFetches()
    groups.close()
    return server.close({ graceMs: lifetime.failure === undefined ? CLOSE_GRACE_MS : 0 })
  })

  const registration = { identity, incarnationId, listeners: advertised(listeners, server), verdicts, rack: config['broker.rack'] }
  brokerEpoch = await register(controller, registration)
  await replicas.allSettled()
  const retention = new RetentionTask(env, {
    intervalMs: config['log.retention.check.interval.ms'],
    replicas: () => replicas.all(),
    fail,
  })
  lifetime.owns('retention', () => retention.close())
  const compaction = new CompactionTask(env, { config: () => broker.config, replicas: () => replicas.all(), fail })
  lifetime.owns('compaction', () => compaction.close())
  lifetime.owns('disk room', () => diskRoom.close())
  diskRoom.start()

  gate.open()
  env.logger.log('info', 'started node', { nodeId, clusterId: identity.clusterId, brokerEpoch })
  return new Node({ broker, quorum, brokerEpoch, listeners: server.listeners, lifetime })
}

function advertised(listeners: readonly ListenerConfig[], server: Server): BrokerListener[] {
  return listeners.map(({ name, securityProtocol, advertisedHost, advertisedPort }, i) => ({
    name,
    host: advertisedHost,
    port: advertisedPort === 0 ? server.listeners[i]!.port : advertisedPort,
    securityProtocol,
  }))
}

interface Registration {
  readonly identity: Identity
  readonly incarnationId: Uuid
  readonly listeners: readonly BrokerListener[]
  readonly verdicts: readonly ReplicaVerdict[]
  readonly rack: string | null
}

/** @returns the new broker epoch, once what the registration brought is applied here */
async function register(controller: Controller, { identity, incarnationId, listeners, verdicts, rack }: Registration): Promise<number> {
  const { clusterId, nodeId, directoryId, previousBrokerEpoch } = identity
  const { response } = await controller.registerBroker({
    clusterId,
    brokerId: nodeId,
    incarnationId,
    directoryId,
    previousBrokerEpoch,
    rack,
    listeners,
    features: SUPPORTED_FEATURES,
    internalListener: null,
    fenced: false,
    partitions: verdicts,
  })
  if (response.errorCode !== NONE) throw new KafkaError(response.errorCode, `The registration was refused: ${response.errorMessage}`)
  return response.brokerEpoch
}

/** Keeps requests back until the node can answer them. */
class Gate {
  readonly #dispatcher: Dispatcher
  #held: IncomingRequest[] | undefined = []

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher
  }

  receive(request: IncomingRequest): void {
    if (this.#held === undefined) this.#dispatcher.receive(request)
    else this.#held.push(request)
  }

  open(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const request of held) this.#dispatcher.receive(request)
  }
}
