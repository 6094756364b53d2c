// A node as a member of its cluster, whatever its roles: identity → internal listener and connections → the cluster is formed or found → the metadata log,
// as voter or observer → the controller, where this node may lead → the way to the active one → all that was agreed on so far is applied.
// A node alone takes the same road without a listener, and is done with it in one step.
import { type Config, hasRole, type InternalListener, internalListener, isAlone, quorumVoters } from '../config.ts'
import { type Env, EnvError, type Kv } from '../env/env.ts'
import type { BrokerRegistration } from '../metadata/brokers.ts'
import { Controller } from '../metadata/controller.ts'
import { type Identity, isVoter, openIdentity } from '../metadata/identity.ts'
import { MetadataPublisher } from '../metadata/publisher.ts'
import { answerOperation, ControllerRouter } from '../metadata/router.ts'
import { RPC_CLUSTER_INFO, RPC_CONTROLLER, RPC_RAFT } from '../net/rpc-methods.ts'
import { RaftDriver } from '../raft/driver.ts'
import { type Uuid, uuidFromBytes } from '../util/uuid.ts'
import { AddressBook } from './address-book.ts'
import { behindRoom, type DiskRoom } from './disk-room.ts'
import { bootstrapRecords } from './features.ts'
import { encodeFacts, type KnownAddress } from './formation.ts'
import { clusterSecret, InternalNetwork } from './internal-network.ts'
import { checkWelcome, configuredVoters, joinCluster } from './joining.ts'
import { readNetwork } from './known-nodes.ts'
import type { Lifetime } from './lifetime.ts'
import { patiently } from './patience.ts'
import { untilAnswered } from './registration.ts'

/** For what brokers ask of the controller and no client waits for. */
const CONTROLLER_TIMEOUT_MS = 30_000

export interface MemberOptions {
  readonly config: Config
  readonly directory: string
  readonly meta: Kv
  readonly lifetime: Lifetime
  readonly diskRoom: DiskRoom
  /** Told where this node's internal listener is bound; gives those of the others. Stronger than the configuration. */
  readonly addresses: ((own: KnownAddress) => Promise<readonly KnownAddress[]>) | undefined
  /** Called as soon as its parts are there: what is agreed on is not known yet, and the others may have to be found. */
  readonly entered?: (member: Member) => void
}

export interface Member {
  readonly identity: Identity
  /** Of this process. */
  readonly incarnationId: Uuid
  /** There is no other node, and none can come. */
  readonly alone: boolean
  /** Undefined on a node alone. */
  readonly network: InternalNetwork | undefined
  /** Where the others are, as far as it is known; undefined on a node alone. */
  readonly book: AddressBook | undefined
  /** As it is registered. */
  readonly internalListener: BrokerRegistration['internalListener']
  readonly quorum: RaftDriver
  readonly publisher: MetadataPublisher
  /** Wherever it is. */
  readonly controller: ControllerRouter
  /** So many voters are known to be gone that nothing can be agreed on. */
  isHopeless(): boolean
}

/** What the parts of a member find each other by while it is opened. */
interface Place {
  identity: Identity
  readonly incarnationId: Uuid
  readonly network: InternalNetwork
  readonly book: AddressBook
  readonly own: KnownAddress
}

/** Settles when everything agreed on is applied here. */
export async function openMember(env: Env, o: MemberOptions): Promise<Member> {
  const { config, directory, meta, lifetime } = o
  const nodeId = config['node.id']
  const incarnationId = uuidFromBytes(env.random.bytes(16))
  const found = await openIdentity(env, { directory, meta, nodeId, clusterId: config['cluster.id'] ?? undefined, alone: isAlone(config) })
  const alone = isAlone(config) && found.voters.length === 1 && isVoter(found)
  const place = alone ? undefined : await openPlace(env, o, { identity: found, incarnationId })
  const identity = place?.identity ?? found
  if (place !== undefined) checkVoters(env, config, identity, directory)

  const { fail } = lifetime
  const { network, book } = place ?? {}
  const publisher = new MetadataPublisher({ fail })
  const quorum = await RaftDriver.open(env, {
    directory,
    meta,
    nodeId,
    directoryId: identity.directoryId,
    voters: identity.voters,
    transport: { send: (to, bytes) => network?.peers.notice(to, 'control', RPC_RAFT, bytes) },
    fetchTimeoutMs: config['controller.quorum.fetch.timeout.ms'],
    electionTimeoutMs: config['controller.quorum.election.timeout.ms'],
    fail,
  })
  const local = isVoter(identity)
    ? new Controller(env, {
        quorum,
        publisher,
        config,
        clusterId: identity.clusterId,
        bootstrap: bootstrapRecords(config, identity.voters.length),
        ...(network === undefined ? {} : { prober: network.peers }),
        fail,
      })
    : undefined
  // Whoever asks, it is this node's disk that has to take the decision.
  const deciding = local && behindRoom(local, o.diskRoom)
  const heartbeatMs = config['broker.heartbeat.interval.ms']
  const controller = new ControllerRouter(env, {
    nodeId,
    quorum,
    publisher,
    local: deciding,
    transport: {
      request: (to, payload, timeoutMs) =>
        network === undefined
          ? Promise.reject(new Error('a node alone asks nobody'))
          : network.peers.request(to, 'control', RPC_CONTROLLER, payload, { timeoutMs }),
    },
    timeoutMs: CONTROLLER_TIMEOUT_MS,
    heartbeatTimeoutMs: 2 * heartbeatMs,
  })
  lifetime.owns('quorum', async () => {
    controller.close()
    local?.close()
    publisher.close()
    await quorum.close()
  })
  const gone = new Set<number>()
  if (network !== undefined) {
    publisher.subscribe({ applied: changes => book?.applied(changes) })
    network.onNotice(RPC_RAFT, (payload, from) => quorum.receive(payload, from))
    if (deciding !== undefined) network.onRequest(RPC_CONTROLLER, payload => answerOperation(deciding, payload))
    network.peers.onLost((id, why) => {
      if (why === 'refused') gone.add(id)
      quorum.peerLost(id, why)
      if (why === 'refused') local?.peerLost(id)
    })
    network.peers.onConnected((id, peer) => {
      gone.delete(id)
      quorum.peerConnected(id)
      local?.peerConnected(id, peer.incarnationId)
    })
    book?.watch(
      identity.voters.map(voter => voter.nodeId),
      local !== undefined,
    )
  }
  const member: Member = {
    identity,
    incarnationId,
    alone,
    network,
    book,
    internalListener: place === undefined ? null : { host: place.own.host, port: place.own.port },
    quorum,
    publisher,
    controller,
    isHopeless: () => {
      const voters = identity.voters.map(voter => voter.nodeId)
      return voters.filter(id => !gone.has(id)).length <= voters.length / 2
    },
  }
  o.entered?.(member)
  await publisher.start(quorum)
  if (!alone) {
    await patiently(env, applyAllAgreed(env, controller, publisher), 'waited for the metadata log')
    book?.caughtUp()
  }
  return member
}

/** The internal listener, the others' addresses, and a cluster to be in. */
async function openPlace(
  env: Env,
  o: MemberOptions,
  { identity, incarnationId }: Pick<Place, 'identity' | 'incarnationId'>,
): Promise<Place> {
  const { config, directory, meta, lifetime } = o
  const { nodeId } = identity
  const stored = await readNetwork(meta)
  const known = stored.addresses.find(address => address.nodeId === nodeId)
  const prepared = { ...(known === undefined ? {} : { host: known.host }), ...portOf(stored.internalPort) }
  const listener = internalListener(config, { prepared })
  const self = () => ({ clusterId: place.identity.clusterId, nodeId, directoryId: identity.directoryId, incarnationId })
  const network = await InternalNetwork.open(env, { listener, secret: await clusterSecret(env, config, stored.secret), self })
  lifetime.owns('network', () => network.close())
  const own = { nodeId, host: listener.advertisedHost, port: network.port }
  if (!isKnownByName(listener))
    env.logger.log('warn', 'told other nodes that this one is localhost: set internal.host for other machines', own)
  const book = new AddressBook({ clock: env.clock, self: own, peers: network.peers, meta, network: stored, fail: lifetime.fail })
  lifetime.owns('address book', async () => book.close())
  const place: Place = { identity, incarnationId, network, book, own }
  network.onRequest(RPC_CLUSTER_INFO, async () => [
    encodeFacts({ ...pick(place.identity), configured: configuredVoters(config), addresses: book.all() }),
  ])
  book.tell(stored.addresses)
  book.tell(quorumVoters(config))
  if (o.addresses !== undefined) book.tell(await o.addresses(own))
  if (identity.clusterId === '') {
    const isClosing = () => lifetime.closing
    const joined = await joinCluster(env, identity, { directory, meta, config, addresses: book.all(), peers: network.peers, isClosing })
    place.identity = joined.identity
    const told = new Set(book.all().map(address => address.nodeId))
    book.tell(joined.addresses.filter(address => !told.has(address.nodeId)))
  } else if (o.addresses === undefined) {
    // Whoever starts them all knows that they belong together.
    checkWelcome(identity, { addresses: book.all(), peers: network.peers }).catch((error: Error) => lifetime.giveUp(error))
  }
  return place
}

function isKnownByName({ host, advertisedHost }: InternalListener): boolean {
  return advertisedHost !== 'localhost' || host === 'localhost'
}

function pick({ nodeId, directoryId, clusterId, voters }: Identity) {
  return { nodeId, directoryId, clusterId, voters }
}

function portOf(port: number | undefined): { port?: number } {
  return port === undefined ? {} : { port }
}

/**
 * The voters of a cluster are those it was formed with, whatever is configured later.
 * @throws EnvError EEXIST when this node would have to be one, and its role says otherwise
 */
function checkVoters(env: Env, config: Config, { nodeId, voters, directoryId, clusterId }: Identity, directory: string): void {
  const [configured, agreed] = [configuredVoters(config), voters.map(voter => voter.nodeId)]
  if (configured.length > 0 && configured.join() !== agreed.join())
    env.logger.log('warn', 'kept the voters that the cluster was formed with', { voters: agreed, configured })
  const votes = isVoter({ nodeId, voters, directoryId })
  if (votes && !hasRole(config, 'controller'))
    throw new EnvError(
      'EEXIST',
      `${directory} is that of a voter of cluster ${clusterId}, but process.roles is ${config['process.roles']}. ` +
        'Set process.roles=broker,controller, or name another data directory.',
    )
  if (!votes && hasRole(config, 'controller'))
    env.logger.log('warn', 'joined without a voice: the voters were chosen when the cluster was formed', { nodeId, voters: agreed })
}

/** Whatever was agreed on before this was called: who opens its logs by an older image would take what it does not know for somebody else's. */
async function applyAllAgreed(env: Env, controller: ControllerRouter, publisher: MetadataPublisher): Promise<void> {
  const log = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }
  const { offset } = await untilAnswered(env, () => controller.describeQuorum(log))
  await publisher.whenApplied(offset)
}
