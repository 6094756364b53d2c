// A node as a broker: log store (verdicts) → replicas → sockets bound → registration (a new incarnation with a new broker epoch) → the changes it brought
// are applied → leaders serve → requests are answered.
// Sockets are bound before the registration, which names their ports, and after the logs are recovered; what arrives in between waits.
import { type Config, type ListenerConfig, topicConfig } from '../config.ts'
import type { Env, Kv } from '../env/env.ts'
import { LogStore } from '../log/log-store.ts'
import { configLayers } from '../metadata/decision.ts'
import { markClean } from '../metadata/identity.ts'
import type { BrokerListener } from '../metadata/records.ts'
import { RPC_FETCH, RPC_PROMISE } from '../net/rpc-methods.ts'
import { type ListenerAddress, Server } from '../net/server.ts'
import { KafkaError } from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import type { Broker } from './broker.ts'
import { clientLimits } from './client-limits.ts'
import { CompactionTask } from './compaction.ts'
import type { DiskRoom } from './disk-room.ts'
import { Dispatcher, isHeavy, mayOverlap } from './dispatch.ts'
import { SUPPORTED_FEATURES } from './features.ts'
import { Gate } from './gate.ts'
import { GroupCoordinator } from './group/coordinator.ts'
import type { Lifetime } from './lifetime.ts'
import type { ClientTraffic } from './load-meter.ts'
import type { Member } from './member.ts'
import { NodeBroker } from './node-broker.ts'
import { Registration, untilAnswered } from './registration.ts'
import { Replicas } from './replicas.ts'
import type { ReplicationWorld } from './replication.ts'
import { RetentionTask } from './retention.ts'

/** How long a closing node waits for the answers under way. */
const CLOSE_GRACE_MS = 5000
const FETCH_BACKOFF_MS = 100

export interface BrokerRole {
  readonly broker: Broker
  /** Of this incarnation. */
  readonly brokerEpoch: number
  /** As they are bound, in the order of the configuration. */
  readonly listeners: readonly ListenerAddress[]
  readonly traffic: () => ClientTraffic
}

export interface BrokerRoleOptions {
  readonly config: Config
  readonly directory: string
  readonly meta: Kv
  readonly lifetime: Lifetime
  readonly member: Member
  readonly listeners: readonly ListenerConfig[]
  readonly diskRoom: DiskRoom
}

export async function openBrokerRole(env: Env, o: BrokerRoleOptions): Promise<BrokerRole> {
  const { config, directory, meta, lifetime, member, listeners, diskRoom } = o
  const { identity, incarnationId, publisher, controller, network } = member
  const { nodeId } = identity
  const { fail } = lifetime
  let unsentBytes = () => 0

  const registration: Registration = new Registration(env, {
    nodeId,
    controller,
    publisher,
    heartbeatIntervalMs: config['broker.heartbeat.interval.ms'],
    sessionTimeoutMs: config['broker.session.timeout.ms'],
    alone: member.alone,
    leaseRenewed: () => replicas.leaseRenewed(),
    fail,
  })
  lifetime.owns('clean mark', () =>
    lifetime.failure === undefined && registration.brokerEpoch !== -1 ? markClean(meta, registration.brokerEpoch) : undefined,
  )
  const store = await LogStore.open(env, { directory, meta, clean: identity.clean, maxFiles: env.net.maxFiles, fail })
  lifetime.owns('log store', () => store.close())
  const ruin = (replica: { topicId: Uuid; partition: number }, isStill: () => boolean) => {
    const { brokerEpoch } = registration
    // Not registered yet: the registration says it. Closing: the next one does.
    if (brokerEpoch === -1 || lifetime.closing) return
    const tell = async () => (isStill() ? controller.ruinReplica({ brokerId: nodeId, brokerEpoch, ...replica }) : undefined)
    untilAnswered(env, tell).catch((error: Error) => {
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
    ruin: (topicId, partition, isStill) => ruin({ topicId, partition }, isStill),
    roleChanged: replica => groups.roleChanged(replica),
    world: replicationWorld(member, registration),
    follower: followerSettings(config),
    fail,
  })
  lifetime.owns('replicas', () => replicas.close())
  const broker: NodeBroker = new NodeBroker(env, {
    config,
    identity,
    publisher,
    controller,
    replicas,
    groups,
    diskRoom,
    directory,
    lifetime,
    epoch: () => registration.brokerEpoch,
    unsentBytes: () => unsentBytes(),
  })
  publisher.subscribe({ applied: changes => broker.applied(changes) })
  diskRoom.serve({ floorBytes: () => broker.config['log.dir.free.bytes.min'], roomAgain: () => replicas.resume() })
  const verdicts = await replicas.openAll(publisher.image)
  network?.onRequest(RPC_FETCH, (payload, from) => replicas.answerFollower(payload, from))
  network?.onNotice(RPC_PROMISE, (payload, from) => replicas.promised(payload, from))

  const dispatcher = new Dispatcher(broker, { fail })
  const gate = new Gate(env, request => dispatcher.receive(request))
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

  lifetime.owns('registration', async () => {
    const handsOver = lifetime.failure === undefined && config['controlled.shutdown.enable']
    if (handsOver) await registration.shutDown(() => member.isHopeless())
    registration.close()
    member.quorum.resign()
    broker.stopParking()
  })
  const brokerEpoch = await registration.register({
    clusterId: identity.clusterId,
    incarnationId,
    directoryId: identity.directoryId,
    previousBrokerEpoch: identity.previousBrokerEpoch,
    rack: config['broker.rack'],
    listeners: advertised(listeners, server),
    features: SUPPORTED_FEATURES,
    internalListener: member.internalListener,
    partitions: verdicts,
  })
  await registration.serve()
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
  return { broker, brokerEpoch, listeners: server.listeners, traffic: () => server.traffic }
}

function replicationWorld({ publisher, controller, network }: Member, registration: Registration): ReplicationWorld {
  return {
    image: () => publisher.image,
    leaseUntil: () => registration.leaseUntil,
    alterPartition: async request => (await controller.alterPartition(request)).response,
    fetchFrom: (leaderId, payload, timeoutMs) =>
      network === undefined
        ? Promise.reject(new Error('a node alone follows nobody'))
        : network.peers.requestLeased(leaderId, 'data', RPC_FETCH, payload, { timeoutMs }),
    sendPromise: (leaderId, payload) => network?.peers.notice(leaderId, 'control', RPC_PROMISE, payload),
  }
}

function followerSettings(config: Config) {
  return {
    lagTimeMaxMs: config['replica.lag.time.max.ms'],
    fetchWaitMaxMs: config['replica.fetch.wait.max.ms'],
    fetchMinBytes: config['replica.fetch.min.bytes'],
    fetchMaxBytes: config['replica.fetch.max.bytes'],
    fetchResponseMaxBytes: config['replica.fetch.response.max.bytes'],
    fetchBackoffMs: FETCH_BACKOFF_MS,
  }
}

function advertised(listeners: readonly ListenerConfig[], server: Server): BrokerListener[] {
  return listeners.map(({ name, securityProtocol, advertisedHost, advertisedPort }, i) => ({
    name,
    host: advertisedHost,
    port: advertisedPort === 0 ? server.listeners[i]!.port : advertisedPort,
    securityProtocol,
  }))
}
