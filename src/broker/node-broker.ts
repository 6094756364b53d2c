// What the handlers of a node reach (broker.ts), on top of the parts that the node opened.
import { brokerConfig, type Config } from '../config.ts'
import type { Env } from '../env/env.ts'
import type { Answer, ControllerOperations } from '../metadata/controller.ts'
import { configLayers } from '../metadata/decision.ts'
import type { Identity } from '../metadata/identity.ts'
import type { ImageChange, MetadataImage } from '../metadata/image.ts'
import type { MetadataPublisher } from '../metadata/publisher.ts'
import { KafkaError, NONE } from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import { AnswerRoom } from './answer-room.ts'
import type { Broker, BrokerEndpoint } from './broker.ts'
import type { DiskRoom } from './disk-room.ts'
import { FetchSessions } from './fetch-sessions.ts'
import type { GroupCoordinator } from './group/coordinator.ts'
import { ownTopic } from './internal-topics.ts'
import type { Lifetime } from './lifetime.ts'
import { type ProducerIdBlock, ProducerIds } from './producer-ids.ts'
import { ReadMemory } from './read-memory.ts'
import type { Replicas } from './replicas.ts'
import { TopicCreation } from './topic-creation.ts'

const FETCH_SESSION_EVICTION_MS = 120_000
const FETCH_SESSIONS_BYTES = 24 * 1024 * 1024
const CREATION_TIMEOUT_MS = 60_000

export class NodeBroker implements Broker {
  readonly env: Env
  readonly nodeId: number
  readonly clusterId: Uuid
  readonly startConfig: Config
  readonly controller: ControllerOperations
  readonly replicas: Replicas
  readonly producerIds: ProducerIds
  readonly fetchSessions: FetchSessions
  readonly groups: GroupCoordinator
  readonly answerRoom: AnswerRoom
  readonly readMemory: ReadMemory
  readonly diskRoom: DiskRoom
  readonly directory: string
  readonly topicCreation: TopicCreation
  readonly #publisher: MetadataPublisher
  readonly #lifetime: Lifetime
  #config: Config
  #stopsParking = false

  constructor(
    env: Env,
    o: {
      config: Config
      identity: Identity
      publisher: MetadataPublisher
      controller: ControllerOperations
      replicas: Replicas
      groups: GroupCoordinator
      diskRoom: DiskRoom
      directory: string
      lifetime: Lifetime
      epoch: () => number
      /** Of the answers that clients are behind with taking. */
      unsentBytes: () => number
    },
  ) {
    this.env = env
    this.nodeId = o.identity.nodeId
    this.clusterId = o.identity.clusterId
    this.startConfig = o.config
    this.controller = o.controller
    this.replicas = o.replicas
    this.groups = o.groups
    this.diskRoom = o.diskRoom
    this.directory = o.directory
    this.#publisher = o.publisher
    this.#lifetime = o.lifetime
    this.#config = this.#effectiveConfig()
    this.producerIds = new ProducerIds(() => this.#allocateProducerIds(o.epoch()))
    this.fetchSessions = new FetchSessions({
      maxSessions: o.config['max.incremental.fetch.session.cache.slots'],
      maxBytes: FETCH_SESSIONS_BYTES,
      evictionMs: FETCH_SESSION_EVICTION_MS,
      randomId: () => 1 + env.random.integer(0x7fffffff),
    })
    this.answerRoom = new AnswerRoom(o.unsentBytes)
    this.readMemory = new ReadMemory(env)
    this.topicCreation = new TopicCreation({ create: name => this.#createTopic(name), logger: env.logger })
  }

  get config(): Config {
    return this.#config
  }
  get image(): MetadataImage {
    return this.#publisher.image
  }
  get closing(): boolean {
    return this.#stopsParking || this.#lifetime.failure !== undefined
  }

  /** Leaderships are handed over, and the node ends: what parks would only wait for that. */
  stopParking(): void {
    this.#stopsParking = true
  }

  async agreed<T>(answer: Promise<Answer<T>>): Promise<T> {
    const { response, offset } = await answer
    await this.#publisher.whenApplied(offset)
    return response
  }

  endpointOf(brokerId: number, listenerName: string): BrokerEndpoint | undefined {
    const broker = this.image.brokers.get(brokerId)
    const listener = broker?.listeners.find(({ name }) => name === listenerName)
    return listener && { nodeId: brokerId, host: listener.host, port: listener.port, rack: broker!.rack }
  }

  endpointsOf(brokerIds: Iterable<number>, listenerName: string): readonly BrokerEndpoint[] {
    return [...brokerIds].map(id => this.endpointOf(id, listenerName)).filter(endpoint => endpoint !== undefined)
  }

  liveEndpoints(listenerName: string): readonly BrokerEndpoint[] {
    const live = [...this.image.brokers.values()].filter(({ fenced }) => !fenced)
    return this.endpointsOf(
      live.map(({ brokerId }) => brokerId),
      listenerName,
    )
  }

  /** To be called with every change, after the image has it. */
  applied(changes: readonly ImageChange[]): void {
    if (changes.some(change => change.type === 'configChanged' && change.resource.startsWith('broker/')))
      this.#config = this.#effectiveConfig()
    this.replicas.apply(changes)
    this.groups.applied(changes)
  }

  #effectiveConfig(): Config {
    const { broker, cluster } = configLayers(this.image, this.nodeId)
    return broker === undefined && cluster === undefined ? this.startConfig : brokerConfig(this.startConfig, { broker, cluster })
  }

  async #allocateProducerIds(brokerEpoch: number): Promise<ProducerIdBlock> {
    const { errorCode, errorMessage, ...block } = await this.agreed(
      this.controller.allocateProducerIds({ brokerId: this.nodeId, brokerEpoch }),
    )
    if (errorCode !== NONE) throw new KafkaError(errorCode, errorMessage ?? undefined)
    return block
  }

  async #createTopic(name: string): Promise<{ errorCode: number; errorMessage: string | null }> {
    const request = {
      topics: [{ name, numPartitions: -1, replicationFactor: -1, configs: [], assignments: [], ...ownTopic(name, this.#config) }],
      timeoutMs: CREATION_TIMEOUT_MS,
      validateOnly: false,
    }
    const { topics } = await this.agreed(this.controller.createTopics(request))
    const { errorCode, errorMessage } = topics[0]!
    return { errorCode: errorCode ?? NONE, errorMessage: errorMessage ?? null }
  }
}
