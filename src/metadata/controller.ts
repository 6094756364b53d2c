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
import { KafkaError, NOT_CONTROLLER } from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import type { Leadership, Quorum } from '../raft/quorum.ts'
import { assert } from '../util/assert.ts'
import type { Uuid } from '../util/uuid.ts'
import {
  type BrokerIncarnation,
  type BrokerRegistration,
  decideFenceBroker,
  decideRegisterBroker,
  decideRuinReplica,
  decideUnregisterBroker,
  type RuinedReplica,
} from './brokers.ts'
import { decideAlterConfigs, decideIncrementalAlterConfigs } from './configs.ts'
import type { ApiError, Decision, DecisionContext } from './decision.ts'
import { decideElectLeaders } from './elections.ts'
import { decideUpdateFeatures } from './features.ts'
import { applyRecord, copyImage, type MetadataImage } from './image.ts'
import { decideCreatePartitions } from './new-partitions.ts'
import { decideAllocateProducerIds, type ProducerIdBlock } from './producer-ids.ts'
import type { ImageListener, MetadataPublisher } from './publisher.ts'
import { describeQuorum } from './quorum-state.ts'
import { encodeRecord, type MetadataRecord } from './records.ts'
import { decideCreateTopics, decideDeleteTopics } from './topics.ts'

export interface Answer<T> {
  readonly response: T
  /** Who has applied the metadata log up to here (MetadataPublisher.whenApplied) sees what was decided. */
  readonly offset: number
}

/**
 * What brokers ask of the controller, wherever it is. Requests and responses are plain data.
 * Every method rejects with KafkaError NOT_CONTROLLER when the controller is not here, or stopped being here before the decision was agreed on;
 * it may have been agreed on all the same. Expected failures are error codes in the response.
 */
export interface ControllerOperations {
  createTopics(request: RequestOf<typeof CreateTopics>): Promise<Answer<ResponseOf<typeof CreateTopics>>>
  deleteTopics(request: RequestOf<typeof DeleteTopics>): Promise<Answer<ResponseOf<typeof DeleteTopics>>>
  createPartitions(request: RequestOf<typeof CreatePartitions>): Promise<Answer<ResponseOf<typeof CreatePartitions>>>
  incrementalAlterConfigs(request: RequestOf<typeof IncrementalAlterConfigs>): Promise<Answer<ResponseOf<typeof IncrementalAlterConfigs>>>
  alterConfigs(request: RequestOf<typeof AlterConfigs>): Promise<Answer<ResponseOf<typeof AlterConfigs>>>
  electLeaders(request: RequestOf<typeof ElectLeaders>): Promise<Answer<ResponseOf<typeof ElectLeaders>>>
  updateFeatures(request: RequestOf<typeof UpdateFeatures>): Promise<Answer<ResponseOf<typeof UpdateFeatures>>>
  /** Decides nothing: who leads knows how far everybody is. */
  describeQuorum(request: RequestOf<typeof DescribeQuorum>): Promise<Answer<ResponseOf<typeof DescribeQuorum>>>
  /** A broker found one of its logs damaged while it ran. */
  ruinReplica(replica: RuinedReplica): Promise<Answer<ApiError>>
  registerBroker(registration: BrokerRegistration): Promise<Answer<ApiError & { readonly brokerEpoch: number }>>
  fenceBroker(request: BrokerIncarnation & { readonly fenced: boolean }): Promise<Answer<ApiError>>
  unregisterBroker(brokerId: number): Promise<Answer<ApiError>>
  allocateProducerIds(incarnation: BrokerIncarnation): Promise<Answer<ApiError & ProducerIdBlock>>
}

export interface ControllerOptions {
  readonly quorum: Quorum
  readonly publisher: MetadataPublisher
  /** What this node was started with. */
  readonly config: Config
  /** Of this node's data directory. */
  readonly clusterId: Uuid
  /** Agreed on with the forming of the cluster: its defaults. */
  readonly bootstrap?: readonly MetadataRecord[]
  /** Told of an error of our own: the node must stop. */
  readonly fail: (error: Error) => void
}

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
      response: describeQuorum(image, request, { quorum, wallTimeMs: this.#env.clock.wallTime() }),
    }))
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

  /** Fails what waits; later requests too. */
  close(): void {
    this.#closed = true
    this.#resign()
  }

  #decide<T>(decide: Decide<T>): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const { response, offset } = this.#perform(decide)
        this.#waiting.push({ offset, resolve: () => resolve({ response, offset }), reject })
        if (this.#options.publisher.image.offset >= offset) this.#answer(this.#options.publisher.image)
      }
      if (this.#closed || !this.#options.quorum.isLeader) reject(new KafkaError(NOT_CONTROLLER))
      else if (this.#pending === undefined) this.#parked.push({ run, reject })
      else this.#guard(run, reject)
    })
  }

  /** Decides, applies to the pending image, proposes. */
  #perform<T>(decide: Decide<T>): { readonly response: T; readonly offset: number } {
    const image = this.#pending
    assert(image !== undefined, 'a decision without an image')
    // The quorum may have added entries of its own.
    image.offset = this.#options.quorum.logEndOffset
    const { records, response } = decide(image, this.#context)
    if (records.length === 0) return { response, offset: image.offset }
    for (const record of records) applyRecord(image, record)
    const offset = this.#options.quorum.propose(records.map(encodeRecord))
    assert(offset === image.offset + records.length, `${records.length} records decided at ${image.offset} end at ${offset}`)
    image.offset = offset
    return { response, offset }
  }

  readonly #fromPublisher: ImageListener = {
    applied: (_changes, image) => {
      const { quorum } = this.#options
      if (quorum.isLeader && this.#pending === undefined && image.epoch === quorum.epoch && !this.#closed) this.#activate(image)
      this.#answer(image)
    },
    leaderChanged: (leadership: Leadership) => this.#resign(leadership),
  }

  #activate(image: MetadataImage): void {
    const { clusterId, bootstrap = [], quorum } = this.#options
    assert(
      image.clusterId === '' || image.clusterId === clusterId,
      `the metadata log is of cluster ${image.clusterId}, the directory of ${clusterId}`,
    )
    this.#pending = copyImage(image)
    this.#env.logger.log('info', 'became active controller', { nodeId: quorum.nodeId, epoch: quorum.epoch, offset: image.offset })
    if (image.clusterId === '')
      this.#perform(() => ({ records: [{ type: 'clusterFormed', clusterId }, ...bootstrap], response: undefined }))
    for (const { run, reject } of this.#parked.splice(0)) this.#guard(run, reject)
  }

  #answer(image: MetadataImage): void {
    const first = this.#waiting.findIndex(({ offset }) => offset > image.offset)
    for (const { resolve } of this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)) resolve()
  }

  #resign(leadership?: Leadership): void {
    if (this.#pending !== undefined) this.#env.logger.log('info', 'stopped being active controller', { ...leadership })
    this.#pending = undefined
    const error = new KafkaError(NOT_CONTROLLER)
    for (const { reject } of [...this.#waiting.splice(0), ...(leadership?.isLeader === true ? [] : this.#parked.splice(0))]) reject(error)
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
