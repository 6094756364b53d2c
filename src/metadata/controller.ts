// The controller: on the node that leads the metadata log it decides requests one after another against its own image, which holds what it has
// decided and the quorum has not yet agreed on. Nothing waits for a flush to decide; an answer waits until everything it saw is agreed on and
// applied here. Who stops leading throws the pending image away and fails the answers that wait: their outcome is not known.
// A new leader decides nothing until the first entry of its own epoch is applied.
import type { Config } from '../config.ts'
import type { Env } from '../env/env.ts'
import type { CreateTopics } from '../protocol/api/19-create-topics.ts'
import type { DeleteTopics } from '../protocol/api/20-delete-topics.ts'
import type { AlterConfigs } from '../protocol/api/33-alter-configs.ts'
import type { CreatePartitions } from '../protocol/api/37-create-partitions.ts'
import type { ElectLeaders } from '../protocol/api/43-elect-leaders.ts'
import type { IncrementalAlterConfigs } from '../protocol/api/44-incremental-alter-configs.ts'
import type { DescribeQuorum } from '../protocol/api/55-describe-quorum.ts'
import type { UpdateFeatures } from '../protocol/api/57-update-features.ts'
import { KafkaError, NOT_CONTROLLER, POLICY_VIOLATION } from '../protocol/errors.ts'
import type { RequestOf } from '../protocol/schema.ts'
import { type Leadership, MAX_PROPOSAL_BYTES, type Quorum, type QuorumDescription } from '../raft/quorum.ts'
import { assert } from '../util/assert.ts'
import type { Uuid } from '../util/uuid.ts'
import {
  type BrokerIncarnation,
  type BrokerRegistration,
  currentBroker,
  decideFenceBroker,
  decideRegisterBroker,
  decideRuinReplica,
  decideUnregisterBroker,
  type RuinedReplica,
} from './brokers.ts'
import { decideAlterConfigs, decideIncrementalAlterConfigs } from './configs.ts'
import type { Decision, DecisionContext } from './decision.ts'
import { decideBalance, decideElectLeaders } from './elections.ts'
import { decideUpdateFeatures } from './features.ts'
import { decideHeartbeat, type HeartbeatAnswer, type HeartbeatRequest, heartbeatRefused } from './heartbeats.ts'
import { applyRecord, copyImage, type MetadataImage } from './image.ts'
import { type AlterPartitionRequest, decideAlterPartition } from './isr-changes.ts'
import { LeaderBalance } from './leader-balance.ts'
import { decideCreatePartitions } from './new-partitions.ts'
import type { Answer, ControllerOperations } from './operations.ts'
import { decideAllocateProducerIds } from './producer-ids.ts'
import type { ImageListener, MetadataPublisher } from './publisher.ts'
import { describeQuorum } from './quorum-state.ts'
import { encodeRecord, type MetadataRecord } from './records.ts'
import { type Prober, SessionKeeper } from './session-keeper.ts'
import { decideCreateTopics, decideDeleteTopics } from './topics.ts'

export type { Answer, ControllerOperations } from './operations.ts'

export interface ControllerOptions {
  readonly quorum: Quorum & { describe(): QuorumDescription }
  readonly publisher: MetadataPublisher
  /** What this node was started with. */
  readonly config: Config
  /** Of this node's data directory. */
  readonly clusterId: Uuid
  /** Agreed on with the forming of the cluster: its defaults. */
  readonly bootstrap?: readonly MetadataRecord[]
  /** Looks whether brokers that serve are there, on activation and when their connection ended. */
  readonly prober?: Prober
  /** Told of an error of our own: the node must stop. */
  readonly fail: (error: Error) => void
}

/** As org.apache.kafka.controller.QuorumController has it. */
const MAX_ELECTIONS_AT_ONCE = 1000

type Decide<T> = (image: MetadataImage, context: DecisionContext) => Decision<T>

interface Waiting {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Controller implements ControllerOperations {
  readonly #env: Env
  readonly #options: ControllerOptions
  readonly #context: DecisionContext
  /** With everything decided, agreed on or not; undefined while this node may not decide. */
  #pending: MetadataImage | undefined
  /** In which this node leads, while it is active. */
  #epoch = -1
  /** While it is active. */
  #sessions: SessionKeeper | undefined
  #balance: LeaderBalance | undefined
  /** Led the metadata log before this node did; -1: nobody that is known. */
  #otherLeaderId = -1
  /** Came before the first entry of our epoch was applied. */
  #parked: { readonly run: () => void; readonly reject: (error: Error) => void }[] = []
  /** Decided, by offset. */
  #waiting: Waiting[] = []
  #closed = false

  /** To be made before the publisher starts. */
  constructor(env: Env, options: ControllerOptions) {
    this.#env = env
    this.#options = options
    this.#context = { config: options.config, nodeId: options.quorum.nodeId, random: env.random }
    options.publisher.subscribe(this.#fromPublisher)
  }

  /** This node leads and decides. */
  get isActive(): boolean {
    return this.#pending !== undefined
  }

  createTopics(request: RequestOf<typeof CreateTopics>) {
    return this.#decide((image, context) => decideCreateTopics(image, request, context))
  }
  deleteTopics(request: RequestOf<typeof DeleteTopics>) {
    return this.#decide((image, context) => decideDeleteTopics(image, request, context))
  }
  createPartitions(request: RequestOf<typeof CreatePartitions>) {
    return this.#decide((image, context) => decideCreatePartitions(image, request, context))
  }
  incrementalAlterConfigs(request: RequestOf<typeof IncrementalAlterConfigs>) {
    return this.#decide((image, context) => decideIncrementalAlterConfigs(image, request, context))
  }
  alterConfigs(request: RequestOf<typeof AlterConfigs>) {
    return this.#decide((image, context) => decideAlterConfigs(image, request, context))
  }
  electLeaders(request: RequestOf<typeof ElectLeaders>) {
    return this.#decide((image, context) => decideElectLeaders(image, request, context))
  }
  updateFeatures(request: RequestOf<typeof UpdateFeatures>) {
    return this.#decide((image, context) => decideUpdateFeatures(image, request, context))
  }
  describeQuorum(request: RequestOf<typeof DescribeQuorum>) {
    const { quorum } = this.#options
    return this.#decide(image => ({
      records: [],
      response: describeQuorum(image, request, { quorum: quorum.describe(), wallTimeMs: this.#env.clock.wallTime() }),
    }))
  }
  alterPartition(request: AlterPartitionRequest) {
    return this.#decide((image, context) => decideAlterPartition(image, request, context))
  }
  heartbeat(request: HeartbeatRequest): Promise<Answer<HeartbeatAnswer>> {
    return this.#decide((image, context) => {
      const broker = currentBroker(image, request)
      if ('errorCode' in broker) return { records: [], response: heartbeatRefused(broker) }
      const sessions = this.#sessions!
      const session = sessions.contact(request)
      const decision = decideHeartbeat(image, request, context, {
        leaseMs: this.#options.config['broker.session.timeout.ms'],
        shutdownOffset: session.shutdownOffset,
        othersOffset: sessions.lowestOffset(request.brokerId),
      })
      const { records, response } = decision
      // Given away just now, or by a controller before this one.
      const isGivenAway = request.wantsShutdown && !response.mayShutDown && (records.length > 0 || session.shutdownOffset === undefined)
      if (isGivenAway) session.shutdownOffset = image.offset + records.length
      return decision
    })
  }
  ruinReplica(replica: RuinedReplica) {
    return this.#decide((image, context) => decideRuinReplica(image, replica, context))
  }
  registerBroker(registration: BrokerRegistration) {
    return this.#decide((image, context) => decideRegisterBroker(image, registration, context))
  }
  fenceBroker(request: BrokerIncarnation & { readonly fenced: boolean }) {
    return this.#decide((image, context) => decideFenceBroker(image, request, context))
  }
  unregisterBroker(brokerId: number) {
    return this.#decide((image, context) => decideUnregisterBroker(image, brokerId, context))
  }
  allocateProducerIds(incarnation: BrokerIncarnation) {
    return this.#decide(image => decideAllocateProducerIds(image, incarnation))
  }

  /** The connection to that node ended, and nothing listens there any more. */
  peerLost(nodeId: number): void {
    this.#sessions?.probe(nodeId)
  }

  /** A connection to that node was made, to this process of it (as it registers). */
  peerConnected(nodeId: number, incarnationId: Uuid): void {
    this.#sessions?.found(nodeId, incarnationId)
  }

  /** Fails what waits; later requests too. */
  close(): void {
    this.#closed = true
    this.#resign()
  }

  #decide<T>(decide: Decide<T>): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const performed = this.#perform(decide)
        if (performed instanceof KafkaError) {
          reject(performed)
          return
        }
        const { response, offset } = performed
        this.#waiting.push({ offset, resolve: () => resolve({ response, offset }), reject })
        if (this.#options.publisher.image.offset >= offset) this.#answer(this.#options.publisher.image)
      }
      if (this.#closed || !this.#options.quorum.isLeader) reject(new KafkaError(NOT_CONTROLLER))
      else if (this.#pending === undefined) this.#parked.push({ run, reject })
      else this.#guard(run, reject)
    })
  }

  /** Decides, applies to the pending image, proposes. An error: there is too much of it to be agreed on as one. */
  #perform<T>(decide: Decide<T>): { readonly response: T; readonly offset: number } | KafkaError {
    const image = this.#pending
    assert(image !== undefined, 'a decision without an image')
    // The quorum may have added entries of its own.
    image.offset = this.#options.quorum.logEndOffset
    const { records, response } = decide(image, this.#context)
    if (records.length === 0) return { response, offset: image.offset }
    const payloads = records.map(encodeRecord)
    const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0)
    if (bytes > MAX_PROPOSAL_BYTES)
      return new KafkaError(
        POLICY_VIOLATION,
        `The change takes ${bytes} bytes of metadata, more than ${MAX_PROPOSAL_BYTES} in one request.`,
      )
    for (const record of records) applyRecord(image, record)
    const offset = this.#options.quorum.propose(payloads)
    assert(offset === image.offset + records.length, `${records.length} records decided at ${image.offset} end at ${offset}`)
    image.offset = offset
    return { response, offset }
  }

  readonly #fromPublisher: ImageListener = {
    applied: (changes, image) => {
      const { quorum } = this.#options
      // Entries of another leader, at offsets that answers wait for: ours never were, or are behind us.
      if (this.#pending !== undefined && image.epoch !== this.#epoch) this.#resign()
      if (quorum.isLeader && this.#pending === undefined && image.epoch === quorum.epoch && !this.#closed) this.#activate(image)
      if (changes.some(({ type }) => type === 'brokerChanged')) this.#sessions?.follow()
      this.#balance?.applied(changes, image)
      this.#answer(image)
    },
    leaderChanged: (leadership: Leadership) => {
      const { leaderId, isLeader } = leadership
      if (!isLeader && leaderId !== -1) this.#otherLeaderId = leaderId
      this.#resign(leadership)
    },
  }

  #activate(image: MetadataImage): void {
    const { clusterId, bootstrap = [], quorum } = this.#options
    assert(
      image.clusterId === '' || image.clusterId === clusterId,
      `the metadata log is of cluster ${image.clusterId}, the directory of ${clusterId}`,
    )
    this.#pending = copyImage(image)
    this.#epoch = quorum.epoch
    this.#env.logger.log('info', 'became active controller', { nodeId: quorum.nodeId, epoch: quorum.epoch, offset: image.offset })
    if (image.clusterId === '')
      this.#perform(() => ({ records: [{ type: 'clusterFormed', clusterId }, ...bootstrap], response: undefined }))
    this.#watchOver(this.#pending)
    for (const { run, reject } of this.#parked.splice(0)) this.#guard(run, reject)
  }

  #watchOver(image: MetadataImage): void {
    const { config, quorum, prober, fail } = this.#options
    const deposedId = this.#otherLeaderId
    this.#otherLeaderId = -1
    this.#sessions = new SessionKeeper(this.#env, {
      nodeId: quorum.nodeId,
      timeoutMs: config['broker.session.timeout.ms'],
      prober,
      image,
      fence: request => this.fenceBroker(request),
      deposed: deposedId === -1 ? undefined : { nodeId: deposedId, silentMs: config['controller.quorum.fetch.timeout.ms'] },
      fail,
    })
    if (!config['auto.leader.rebalance.enable']) return
    const balance = () =>
      this.#decide(pending => decideBalance(pending, MAX_ELECTIONS_AT_ONCE)).then(
        ({ response }) => response,
        () => false,
      )
    this.#balance = new LeaderBalance(this.#env, { intervalMs: config['leader.imbalance.check.interval.seconds'] * 1000, balance }, image)
  }

  #answer(image: MetadataImage): void {
    const first = this.#waiting.findIndex(({ offset }) => offset > image.offset)
    for (const { resolve } of this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)) resolve()
  }

  #resign(leadership?: Leadership): void {
    if (this.#pending !== undefined) this.#env.logger.log('info', 'stopped being active controller', { ...leadership })
    this.#pending = undefined
    this.#sessions?.close()
    this.#sessions = undefined
    this.#balance?.close()
    this.#balance = undefined
    const cutOff = [...this.#waiting.splice(0), ...(leadership?.isLeader === true ? [] : this.#parked.splice(0))]
    if (cutOff.length === 0) return
    const error = new KafkaError(NOT_CONTROLLER)
    for (const { reject } of cutOff) reject(error)
  }

  /** A decision that throws is our fault, and leaves a pending image that cannot be trusted. */
  #guard(run: () => void, reject: (error: Error) => void): void {
    try {
      run()
    } catch (error) {
      reject(error as Error)
      this.close()
      this.#options.fail(error as Error)
    }
  }
}
