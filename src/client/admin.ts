// Topics, configurations, offsets, groups and the cluster itself. A shell: each operation finds its broker, and is tried again while that may help.
// Facts: changes go to the controller, which Metadata names; brokers of a KRaft cluster forward them, older ones answer NOT_CONTROLLER. A
// broker's configuration is asked of that broker. A change whose answer was lost is sent again, so a topic that was created may be reported
// as TOPIC_ALREADY_EXISTS, and one that was deleted as unknown (as with Kafka's own client).
import type { Connection } from '../net/connection.ts'
import { CreateTopics } from '../protocol/api/19-create-topics.ts'
import { DeleteTopics } from '../protocol/api/20-delete-topics.ts'
import { DescribeConfigs } from '../protocol/api/32-describe-configs.ts'
import { CreatePartitions } from '../protocol/api/37-create-partitions.ts'
import { IncrementalAlterConfigs } from '../protocol/api/44-incremental-alter-configs.ts'
import { INVALID_REQUEST, KafkaError, NONE, NOT_CONTROLLER, THROTTLING_QUOTA_EXCEEDED } from '../protocol/errors.ts'
import { type Uuid, ZERO_UUID } from '../util/uuid.ts'
import {
  askForFencedBrokers,
  askForLogDirs,
  askForQuorum,
  type BrokerDescription,
  type LogDirDescription,
  type QuorumDescription,
} from './admin-cluster.ts'
import {
  type ConfigDescription,
  type ConfigResource,
  type ConfigUpdate,
  configDescription,
  OPERATION_NUMBERS,
  RESOURCE_NUMBERS,
} from './admin-configs.ts'
import {
  alterGroupOffsets,
  deleteGroup,
  deleteGroupOffsets,
  describeGroup,
  type GroupDescription,
  type GroupFilter,
  type GroupListing,
  listGroupOffsets,
  listGroups,
} from './admin-groups.ts'
import { askMetadata, type Cluster } from './cluster.ts'
import { type DeletedRecords, deleteRecords, type RecordsToDelete } from './delete-records.ts'
import { askForElection, type Election, type ElectionType } from './elections.ts'
import type { TopicPartition } from './group/assignment.ts'
import type { CommittedOffset, OffsetToCommit } from './group/offsets.ts'
import type { MetadataAnswer, TopicMetadata } from './metadata.ts'
import { type FoundOffset, type IsolationLevel, lookUpOffsets, type OffsetSpec } from './offsets.ts'
import { ANSWER_MARGIN_MS, Deadline, refusal, retrying } from './operation.ts'

export interface NewTopic {
  readonly name: string
  /** Left out: the broker's default (num.partitions). */
  readonly numPartitions?: number | undefined
  /** Left out: the broker's default (default.replication.factor). */
  readonly replicationFactor?: number | undefined
  /** Replicas of each partition, the preferred leader first; then the two numbers stay out. */
  readonly assignments?: readonly (readonly number[])[] | undefined
  readonly configs?: Readonly<Record<string, string | null>> | undefined
}

export interface CreatedTopic {
  readonly name: string
  readonly topicId: Uuid
  /** -1 from brokers older than 2.4, like the replication factor. */
  readonly numPartitions: number
  readonly replicationFactor: number
}

export interface TopicListing {
  readonly name: string
  readonly topicId: Uuid
  readonly isInternal: boolean
}

export interface TopicDescription extends TopicListing {
  readonly partitions: readonly PartitionDescription[]
}

export interface PartitionDescription {
  readonly partition: number
  /** -1: none at the moment. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface ClusterDescription {
  readonly clusterId: string | null
  readonly controllerId: number
  /** Sorted by id. */
  readonly brokers: readonly BrokerDescription[]
}

export interface AdminOptions {
  /** For one operation, retries included. */
  readonly timeoutMs?: number
}

interface ItemResult {
  readonly errorCode: number
  readonly errorMessage?: string | null
}

export class Admin {
  readonly #cluster: Cluster
  readonly #timeoutMs: number
  readonly #onClose: () => void

  /** @internal made by `Kafka.admin` */
  constructor(cluster: Cluster, options: { readonly timeoutMs: number }, onClose: () => void) {
    this.#cluster = cluster
    this.#timeoutMs = options.timeoutMs
    this.#onClose = onClose
  }

  /** @throws KafkaError TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_REPLICATION_FACTOR, INVALID_CONFIG … for the first that failed */
  async createTopics(
    topics: readonly NewTopic[],
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<CreatedTopic[]> {
    const validateOnly = options.validateOnly ?? false
    const created = await this.#changeEach(
      'createTopics',
      topics,
      topic => topic.name,
      options,
      async (connection, pending, timeoutMs) => {
        const request = { topics: pending.map(creatableTopic), timeoutMs, validateOnly }
        const answer = await connection.request(CreateTopics, request, { timeoutMs: timeoutMs + ANSWER_MARGIN_MS })
        return answer.topics.map(result => [result.name, result])
      },
    )
    return topics.map(({ name }) => {
      const { topicId, numPartitions, replicationFactor } = created.get(name)!
      return { name, topicId, numPartitions, replicationFactor }
    })
  }

  /** @throws KafkaError UNKNOWN_TOPIC_OR_PARTITION, TOPIC_DELETION_DISABLED … for the first that failed */
  async deleteTopics(names: readonly string[], options: AdminOptions = {}): Promise<void> {
    await this.#changeEach(
      'deleteTopics',
      names,
      name => name,
      options,
      async (connection, pending, timeoutMs) => {
        const request = { topics: pending.map(name => ({ name, topicId: ZERO_UUID })), topicNames: pending, timeoutMs }
        const answer = await connection.request(DeleteTopics, request, { timeoutMs: timeoutMs + ANSWER_MARGIN_MS })
        return answer.responses.map(result => [result.name ?? '', result])
      },
    )
    for (const name of names) this.#cluster.unwant(name)
  }

  /**
   * Raises the number of partitions of topics.
   * @param topics  count is the new total
   * @throws KafkaError INVALID_PARTITIONS, UNKNOWN_TOPIC_OR_PARTITION … for the first that failed
   */
  async createPartitions(
    topics: readonly { readonly name: string; readonly count: number; readonly assignments?: readonly (readonly number[])[] }[],
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const validateOnly = options.validateOnly ?? false
    await this.#changeEach(
      'createPartitions',
      topics,
      topic => topic.name,
      options,
      async (connection, pending, timeoutMs) => {
        const resized = pending.map(({ name, count, assignments }) => ({
          name,
          count,
          assignments: assignments?.map(brokerIds => ({ brokerIds })) ?? null,
        }))
        const request = { topics: resized, timeoutMs, validateOnly }
        const answer = await connection.request(CreatePartitions, request, {
          timeoutMs: timeoutMs + this.#cluster.options.requestTimeoutMs,
        })
        return answer.results.map(result => [result.name, result])
      },
    )
    this.#cluster.stale()
  }

  /** Every topic of the cluster, sorted by name. */
  async listTopics(options: AdminOptions & { readonly includeInternal?: boolean } = {}): Promise<TopicListing[]> {
    const { topics } = await this.#metadata(null, options)
    return topics
      .filter(({ topic }) => options.includeInternal === true || !topic.isInternal)
      .map(({ topic: { name, topicId, isInternal } }) => ({ name, topicId, isInternal }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /**
   * @param names  null: all topics, internal ones too, sorted by name
   * @throws KafkaError UNKNOWN_TOPIC_OR_PARTITION … for the first that failed
   */
  async describeTopics(names: readonly string[] | null, options: AdminOptions = {}): Promise<TopicDescription[]> {
    const { topics } = await this.#metadata(names, options)
    const described = new Map(topics.map(entry => [entry.topic.name, entry]))
    return (names ?? [...described.keys()].sort()).map(name => {
      const { errorCode, topic } = described.get(name)!
      if (errorCode !== NONE) throw refusal(errorCode, `topic '${name}'`, null)
      return topicDescription(topic)
    })
  }

  /** @param options.includeFencedBrokers  also those that are registered and not in service, where the brokers tell (Apache Kafka from 4.0 on) */
  async describeCluster(options: AdminOptions & { readonly includeFencedBrokers?: boolean } = {}): Promise<ClusterDescription> {
    const { clusterId, controllerId, brokers } = await this.#metadata([], options)
    const fenced = options.includeFencedBrokers === true ? await this.#askAny(options, askForFencedBrokers) : undefined
    const live = brokers.map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack, isFenced: false }))
    const gone = (fenced ?? []).filter(({ nodeId }) => !brokers.some(broker => broker.nodeId === nodeId))
    return { clusterId, controllerId, brokers: [...live, ...gone].sort((a, b) => a.nodeId - b.nodeId) }
  }

  /** Who leads the metadata log, who votes, and how far everybody is. @throws KafkaError UNSUPPORTED_VERSION from brokers without a quorum */
  describeMetadataQuorum(options: AdminOptions = {}): Promise<QuorumDescription> {
    return this.#askAny(options, askForQuorum)
  }

  /** The log directories of one broker, with the size of each log. */
  describeLogDirs(brokerId: number, options: AdminOptions = {}): Promise<LogDirDescription[]> {
    const deadline = this.#deadline(options)
    return retrying(this.#cluster, deadline, async () => {
      const connection = await this.#connectionTo(brokerId, deadline)
      return askForLogDirs(connection, { timeoutMs: this.#answerTimeoutMs(deadline) })
    })
  }

  /** @throws KafkaError UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST … for the first that failed */
  async describeConfigs(resources: readonly ConfigResource[], options: AdminOptions = {}): Promise<ConfigDescription[]> {
    const deadline = this.#deadline(options)
    const groups = groupByNode(resources)
    const described = await Promise.all(
      [...groups].map(([nodeId, group]) =>
        retrying(this.#cluster, deadline, async () => {
          const connection = await this.#connectionTo(nodeId, deadline)
          const asked = group.map(({ type, name, keys }) => ({
            resourceType: RESOURCE_NUMBERS[type],
            resourceName: name,
            configurationKeys: keys ?? null,
          }))
          const request = { resources: asked, includeSynonyms: true, includeDocumentation: false }
          const answer = await connection.request(DescribeConfigs, request, { timeoutMs: this.#cluster.options.requestTimeoutMs })
          return answer.results.map(result => {
            const description = configDescription(result)
            const what = `configuration of ${description.type} '${description.name}'`
            return outcomeOf(result.errorCode, what, result.errorMessage, description)
          })
        }),
      ),
    )
    const found = new Map(valuesOf(described.flat()).map(description => [`${description.type}/${description.name}`, description]))
    return resources.map(({ type, name }) => found.get(`${type}/${name}`)!)
  }

  /** @throws KafkaError INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION … for the first that failed; the others may have been changed */
  async incrementalAlterConfigs(
    updates: readonly ConfigUpdate[],
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const deadline = this.#deadline(options)
    const validateOnly = options.validateOnly ?? false
    for (const [nodeId, group] of groupByNode(updates)) {
      const outcomes = await retrying(this.#cluster, deadline, async () => {
        const connection = nodeId === ANY_NODE ? await this.#controller(deadline) : await this.#connectionTo(nodeId, deadline)
        const resources = group.map(({ type, name, operations }) => ({
          resourceType: RESOURCE_NUMBERS[type],
          resourceName: name,
          configs: operations.map(operation => ({
            name: operation.name,
            configOperation: OPERATION_NUMBERS[operation.operation],
            value: operation.value ?? null,
          })),
        }))
        const request = { resources, validateOnly }
        const answer = await connection.request(IncrementalAlterConfigs, request, { timeoutMs: this.#cluster.options.requestTimeoutMs })
        return answer.responses.map(({ errorCode, errorMessage, resourceName }) =>
          outcomeOf(errorCode, `configuration of '${resourceName}'`, errorMessage, undefined),
        )
      })
      valuesOf(outcomes)
    }
  }

  /**
   * Has leaders elected. What became of each partition is told apart; only what concerns all of them is thrown.
   * @param partitions  null: all of the cluster; those that need no election are left out of the answer then
   */
  electLeaders(
    type: ElectionType,
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
    options: AdminOptions = {},
  ): Promise<Election[]> {
    const deadline = this.#deadline(options)
    return retrying(this.#cluster, deadline, async () => {
      const connection = await this.#controller(deadline)
      const timeoutMs = this.#answerTimeoutMs(deadline)
      return askForElection(connection, { type, partitions, timeoutMs })
    })
  }

  /**
   * Deletes what lies before an offset in each partition.
   * @throws KafkaError OFFSET_OUT_OF_RANGE, POLICY_VIOLATION (a compacted topic), UNKNOWN_TOPIC_OR_PARTITION … for the first that failed
   */
  deleteRecords(partitions: readonly RecordsToDelete[], options: AdminOptions = {}): Promise<DeletedRecords[]> {
    return deleteRecords(this.#cluster, partitions, this.#deadline(options))
  }

  /** The groups of all brokers, sorted by id. @throws KafkaError UNSUPPORTED_VERSION for a filter that a broker does not know */
  async listGroups(options: AdminOptions & GroupFilter = {}): Promise<GroupListing[]> {
    const deadline = this.#deadline(options)
    const { brokers } = await this.#metadata([], options)
    await Promise.all(brokers.map(({ nodeId }) => this.#connectionTo(nodeId, deadline)))
    return listGroups(
      this.#cluster,
      brokers.map(({ nodeId }) => nodeId),
      options,
      deadline,
    )
  }

  /** @throws KafkaError GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED … for the first that failed */
  describeGroups(groupIds: readonly string[], options: AdminOptions = {}): Promise<GroupDescription[]> {
    const deadline = this.#deadline(options)
    return Promise.all(groupIds.map(groupId => describeGroup(this.#cluster, groupId, deadline)))
  }

  /**
   * What a group has committed; partitions without a commit are left out. A group that does not exist has none.
   * @param options.partitions  default: all
   */
  listGroupOffsets(
    groupId: string,
    options: AdminOptions & { readonly partitions?: readonly TopicPartition[] } = {},
  ): Promise<CommittedOffset[]> {
    return listGroupOffsets(this.#cluster, groupId, options.partitions ?? null, this.#deadline(options))
  }

  /**
   * Commits in place of a group that has no members at the moment.
   * @throws KafkaError UNKNOWN_MEMBER_ID (it has members), UNKNOWN_TOPIC_OR_PARTITION … for the first that failed
   */
  alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[], options: AdminOptions = {}): Promise<void> {
    return alterGroupOffsets(this.#cluster, groupId, offsets, this.#deadline(options))
  }

  /** @throws KafkaError GROUP_SUBSCRIBED_TO_TOPIC, GROUP_ID_NOT_FOUND … for the first that failed */
  deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[], options: AdminOptions = {}): Promise<void> {
    return deleteGroupOffsets(this.#cluster, groupId, partitions, this.#deadline(options))
  }

  /** @throws KafkaError NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND … for the first that failed; the others may be gone */
  async deleteGroups(groupIds: readonly string[], options: AdminOptions = {}): Promise<void> {
    const deadline = this.#deadline(options)
    await Promise.all(groupIds.map(groupId => deleteGroup(this.#cluster, groupId, deadline)))
  }

  /** @throws KafkaError for the first that failed. An offset of -1: there is no such record. */
  async listOffsets(
    queries: readonly { readonly topic: string; readonly partition: number; readonly spec: OffsetSpec }[],
    options: AdminOptions & { readonly isolationLevel?: IsolationLevel } = {},
  ): Promise<FoundOffset[]> {
    const isolationLevel = options.isolationLevel ?? 'read_uncommitted'
    const results = await lookUpOffsets(this.#cluster, queries, { isolationLevel, deadline: this.#deadline(options) })
    return results.map(result => {
      if (result instanceof Error) throw result
      return result
    })
  }

  /** Idempotent. Operations under way are rejected. */
  async close(): Promise<void> {
    this.#cluster.close()
    this.#onClose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #deadline(options: AdminOptions): Deadline {
    return new Deadline(this.#cluster.env.clock, options.timeoutMs ?? this.#timeoutMs)
  }

  #metadata(topics: readonly string[] | null, options: AdminOptions): Promise<MetadataAnswer> {
    return retrying(this.#cluster, this.#deadline(options), async () => {
      const connection = await this.#cluster.anyConnection()
      return askMetadata(connection, topics, { allowAutoTopicCreation: false, timeoutMs: this.#cluster.options.requestTimeoutMs })
    })
  }

  #askAny<T>(options: AdminOptions, ask: (connection: Connection, options: { readonly timeoutMs: number }) => Promise<T>): Promise<T> {
    const deadline = this.#deadline(options)
    return retrying(this.#cluster, deadline, async () =>
      ask(await this.#cluster.anyConnection(), { timeoutMs: this.#answerTimeoutMs(deadline) }),
    )
  }

  #answerTimeoutMs(deadline: Deadline): number {
    return Math.ceil(Math.min(deadline.leftMs, this.#cluster.options.requestTimeoutMs))
  }

  /** Sends a change of several things to the controller; what may work later is sent again, by itself. */
  async #changeEach<T, R extends ItemResult>(
    operation: string,
    items: readonly T[],
    nameOf: (item: T) => string,
    options: AdminOptions,
    send: (connection: Connection, pending: readonly T[], timeoutMs: number) => Promise<(readonly [string, R])[]>,
  ): Promise<Map<string, R>> {
    const deadline = this.#deadline(options)
    const done = new Map<string, R>()
    const refused: KafkaError[] = []
    let pending = items
    if (pending.length > 0) {
      await retrying(this.#cluster, deadline, async () => {
        const connection = await this.#controller(deadline)
        const results = new Map(await send(connection, pending, this.#answerTimeoutMs(deadline)))
        let again: KafkaError | undefined
        pending = pending.filter(item => {
          const name = nameOf(item)
          const result = results.get(name)
          const code = result?.errorCode ?? INVALID_REQUEST
          if (result !== undefined && code === NONE) {
            done.set(name, result)
            return false
          }
          const error = refusal(code, `${operation} '${name}'`, result?.errorMessage ?? null)
          if (isTransient(code)) again ??= error
          else refused.push(error)
          return isTransient(code)
        })
        if (again !== undefined) throw again
      })
    }
    if (refused.length === 1) throw refused[0]!
    if (refused.length > 1) {
      const all = refused.map(error => error.message).join('; ')
      throw new KafkaError(refused[0]!.code, `${operation} failed for ${refused.length} of ${items.length}: ${all}`)
    }
    return done
  }

  async #controller(deadline: Deadline): Promise<Connection> {
    const { metadata } = this.#cluster
    const nodeId = await this.#cluster.until(() => (metadata.brokers.has(metadata.controllerId) ? metadata.controllerId : undefined), {
      timeoutMs: deadline.leftMs,
      goal: 'the controller',
    })
    return this.#cluster.connection(nodeId)
  }

  async #connectionTo(nodeId: number, deadline: Deadline): Promise<Connection> {
    if (nodeId === ANY_NODE) return this.#cluster.anyConnection()
    await this.#cluster.until(() => (this.#cluster.metadata.brokers.has(nodeId) ? true : undefined), {
      timeoutMs: deadline.leftMs,
      goal: `broker ${nodeId}`,
    })
    return this.#cluster.connection(nodeId)
  }
}

const ANY_NODE = -1

/** The same change may pass a moment later. An unknown topic is none of these: the caller named it. */
function isTransient(code: number): boolean {
  return code === NOT_CONTROLLER || code === THROTTLING_QUOTA_EXCEEDED
}

/** @throws refusals that may pass, for the operation to be tried again; the others are the outcome */
function outcomeOf<T>(errorCode: number, what: string, message: string | null, value: T): T | KafkaError {
  if (errorCode === NONE) return value
  const error = refusal(errorCode, what, message)
  if (isTransient(errorCode)) throw error
  return error
}

function valuesOf<T>(outcomes: readonly (T | KafkaError)[]): T[] {
  return outcomes.map(outcome => {
    if (outcome instanceof KafkaError) throw outcome
    return outcome
  })
}

/** A broker answers for its own configuration alone; the cluster's defaults ('') and topics are known to all. */
function groupByNode<T extends { readonly type: ConfigResource['type']; readonly name: string }>(
  resources: readonly T[],
): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const resource of resources) {
    const nodeId = resource.type === 'broker' && resource.name !== '' ? Number(resource.name) : ANY_NODE
    if (!Number.isInteger(nodeId)) throw new KafkaError(INVALID_REQUEST, `a broker is named by its id, not '${resource.name}'`)
    const group = groups.get(nodeId)
    if (group === undefined) groups.set(nodeId, [resource])
    else group.push(resource)
  }
  return groups
}

function topicDescription({ name, topicId, isInternal, partitions }: TopicMetadata): TopicDescription {
  const described = partitions.map(({ partition, leaderId, leaderEpoch, replicas, isr }) => ({
    partition,
    leaderId,
    leaderEpoch,
    replicas,
    isr,
  }))
  return { name, topicId, isInternal, partitions: described }
}

function creatableTopic({ name, numPartitions, replicationFactor, assignments, configs }: NewTopic) {
  return {
    name,
    numPartitions: numPartitions ?? -1,
    replicationFactor: replicationFactor ?? -1,
    assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
    configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
  }
}
