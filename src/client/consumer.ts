// Reads records from partitions the user names, or those that a group assigns. A shell: the rules are in fetcher.ts, those of groups in group/.
import { Fetch } from '../protocol/api/01-fetch.ts'
import { KafkaError, NETWORK_EXCEPTION } from '../protocol/errors.ts'
import type { ResponseOut } from '../protocol/schema.ts'
import { ZERO_UUID } from '../util/uuid.ts'
import { Alarm } from './alarm.ts'
import type { Cluster } from './cluster.ts'
import type { ConsumedRecord } from './fetched.ts'
import {
  type FetcherEffect,
  type FetcherEvent,
  type FetcherOptions,
  type FetcherState,
  hasPolled,
  openFetcher,
  type PartitionFetch,
  type PartitionFetched,
  type Position,
  resetPosition,
  seek,
  step,
  takePolled,
  unassign,
} from './fetcher.ts'
import type { CommittedOffset, OffsetToCommit } from './group/offsets.ts'
import { type GroupOptions, GroupSession, type HeldPartitions, type RebalanceListener } from './group/session.ts'
import { type FoundOffset, type IsolationLevel, lookUpOffsets, type OffsetSpec } from './offsets.ts'
import { asFailure, Deadline } from './operation.ts'

export type { ConsumedRecord } from './fetched.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Assignment extends TopicPartition {
  /**
   * Where to begin: an offset, `'earliest'`, `'latest'`, the first record at or after a time in milliseconds since 1970, or, with a groupId, the
   * offset that the group has `'committed'`.
   */
  readonly position: Position
}

export interface ConsumerOptions extends FetcherOptions {
  /** How long a broker may hold a fetch back when it has nothing. */
  readonly fetchMaxWaitMs: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly partitionMaxBytes: number
  readonly isolationLevel: IsolationLevel
  readonly requestTimeoutMs: number
  /** For lookups of offsets, retries included. */
  readonly operationTimeoutMs: number
  /** undefined: it belongs to none. */
  readonly group: GroupOptions | undefined
}

/** What a member is known by; for producers that commit offsets in a transaction. */
export interface ConsumerGroupMetadata {
  readonly groupId: string
  /** '' and -1: not a member now. */
  readonly memberId: string
  readonly generationId: number
  readonly groupInstanceId: string | null
}

/** From version 13 on topics go by id. */
const LAST_VERSION_WITH_NAMES = 12
/** Metadata of topics that nobody asks for is forgotten after five minutes. */
const WANT_EVERY_MS = 60_000
const CLOSE_TIMEOUT_MS = 30_000

export class Consumer {
  readonly #cluster: Cluster
  readonly #options: ConsumerOptions
  readonly #fetcher: FetcherState
  readonly #onClose: () => void
  readonly #alarm: Alarm
  readonly #session: GroupSession | undefined
  /** Wakes the poll, and whoever waits for a position. */
  readonly #wakers = new Set<() => void>()
  #polling = false
  /** What the loop over this consumer goes through. */
  #lent:
    | {
        readonly records: readonly ConsumedRecord[] /** The user let go of so many by asking for more. */
        consumed: number
        committed: number
      }
    | undefined
  #wantedAtMs = 0
  #closing: Promise<void> | undefined
  #closed = false

  /** @internal made by `Kafka.consumer` */
  constructor(cluster: Cluster, options: ConsumerOptions, onClose: () => void) {
    this.#cluster = cluster
    this.#options = options
    this.#onClose = onClose
    this.#fetcher = openFetcher(options, cluster.metadata, cluster.env.random)
    this.#alarm = new Alarm(cluster.env.clock, () => this.#step({ type: 'tick' }))
    cluster.onChange(() => this.#step({ type: 'metadataChanged' }))
    if (options.group !== undefined) this.#session = new GroupSession(cluster, options.group, this.#heldPartitions())
  }

  // ------------------------------------------------------------------------------------------------------------------------------- group

  /**
   * Joins the group, and reads what it assigns. Everything that takes time happens in `poll`, which must be called at least every
   * `maxPollIntervalMs`. Called again, it changes the subscription.
   * @param topics  a list, or a pattern that the names of topics match (internal ones never do); topics that come later are found
   * @param listener  is told which partitions come and go
   */
  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener = {}): void {
    const session = this.#groupSession()
    if (!session.isSubscribed && this.#fetcher.partitions.size > 0)
      throw new Error('partitions are assigned by hand: assign([]) before subscribe')
    if (Array.isArray(topics) && topics.length === 0)
      throw new RangeError('subscribe to at least one topic; unsubscribe() ends a subscription')
    this.#fetcher.toleratesUnknownTopics = true
    session.subscribe(topics, listener)
  }

  /** Leaves the group, and reads nothing any more. Automatic commits are done first, and the listener is told. */
  async unsubscribe(): Promise<void> {
    await this.#groupSession().unsubscribe()
    this.#fetcher.toleratesUnknownTopics = false
  }

  /** The topics subscribed to; with a pattern those found so far. */
  get subscription(): string[] {
    return this.#session?.topics ?? []
  }

  /** @throws Error without a groupId */
  get groupMetadata(): ConsumerGroupMetadata {
    const { coordinator, identity } = this.#groupSession()
    return { groupId: coordinator.groupId, ...identity }
  }

  /**
   * Commits, and tries again while that may help.
   * @param offsets  of the *next* record of each partition; default: behind all that `poll` gave out
   * @throws KafkaError REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID (the partitions may be another member's by now: poll, and
   *   commit what is still assigned), FENCED_INSTANCE_ID, GROUP_AUTHORIZATION_FAILED, OFFSET_METADATA_TOO_LARGE …
   */
  commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    return this.#groupSession().commit(offsets)
  }

  /** As `commit`, but once: a later commit would say the same and more. Commits take effect in the order they were made. */
  commitAsync(offsets?: readonly OffsetToCommit[]): Promise<void> {
    return this.#groupSession().commit(offsets, { once: true })
  }

  /**
   * What the group has committed; undefined where nothing is.
   * @throws KafkaError GROUP_AUTHORIZATION_FAILED, NETWORK_EXCEPTION …
   */
  async committed(partitions: readonly TopicPartition[]): Promise<(CommittedOffset | undefined)[]> {
    const committed = await this.#groupSession().committed(partitions)
    return partitions.map(({ topic, partition }) => committed.find(found => found.topic === topic && found.partition === partition))
  }

  // -------------------------------------------------------------------------------------------------------------------------- partitions

  /** Reads these partitions and no others from now on. One that was assigned before begins again at the position given. */
  assign(assignments: readonly Assignment[]): void {
    this.#checkOpen()
    if (this.#session?.isSubscribed) throw new Error('the group assigns the partitions: unsubscribe() before assign')
    const wanted = new Set(assignments.map(({ topic, partition }) => `${topic}-${partition}`))
    for (const [key, { topic, partition }] of [...this.#fetcher.partitions]) {
      if (!wanted.has(key)) unassign(this.#fetcher, topic, partition)
    }
    for (const { topic, partition, position } of assignments) seek(this.#fetcher, topic, partition, this.#checked(position))
    this.#wantTopics()
    this.#step({ type: 'tick' })
  }

  get assignment(): TopicPartition[] {
    return [...this.#fetcher.partitions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Goes on reading an assigned partition elsewhere. */
  seek(target: Assignment): void {
    this.#partition(target)
    seek(this.#fetcher, target.topic, target.partition, this.#checked(target.position))
    this.#wake()
    this.#step({ type: 'tick' })
  }

  /** `poll` gives out nothing of these partitions until `resume`; what is fetched stays. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const target of partitions) this.#partition(target).paused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const target of partitions) this.#partition(target).paused = false
    this.#step({ type: 'tick' })
    this.#wake()
  }

  get paused(): TopicPartition[] {
    return [...this.#fetcher.partitions.values()].filter(({ paused }) => paused).map(({ topic, partition }) => ({ topic, partition }))
  }

  /**
   * The next records, at once when some are there, else as soon as some come.
   * @param options.maxWaitMs  then an empty list
   * @param options.maxRecords  default 500
   * @throws KafkaError OFFSET_OUT_OF_RANGE (with autoOffsetReset 'none'), CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED …
   *   and of the group: FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, GROUP_AUTHORIZATION_FAILED …; and what a listener threw
   */
  async poll(options: { readonly maxWaitMs: number; readonly maxRecords?: number }): Promise<ConsumedRecord[]> {
    this.#checkOpen()
    if (this.#polling) throw new Error('a poll is under way: a consumer serves one caller at a time')
    this.#polling = true
    try {
      const deadline = new Deadline(this.#cluster.env.clock, options.maxWaitMs)
      if (this.#cluster.env.clock.now() - this.#wantedAtMs > WANT_EVERY_MS) this.#wantTopics()
      this.#step({ type: 'tick' })
      for (;;) {
        if (this.#session !== undefined) await this.#session.attend()
        if (this.#closing !== undefined) return []
        const records = takePolled(this.#fetcher, options.maxRecords ?? 500)
        // What was taken, be it only the marker of a transaction, makes room.
        this.#step({ type: 'tick' })
        if (records.length > 0) return records
        if (deadline.elapsedMs >= options.maxWaitMs || this.#closed) return []
        if (!hasPolled(this.#fetcher) && !this.#session?.pending) await this.#cluster.occupancy.during(() => this.#woken(deadline.leftMs))
      }
    } finally {
      this.#polling = false
      if (this.#closing !== undefined) this.#wake()
    }
  }

  /**
   * Calls `poll` for ever. Ends when the consumer is closed. For automatic commits a record counts as consumed when the next one is asked for,
   * and whoever leaves the loop meets its last record again; `commit()` includes the record in hand.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord, void, void> {
    while (!this.#closed && this.#closing === undefined) {
      const lent = { records: await this.poll({ maxWaitMs: 1000 }), consumed: 0, committed: 0 }
      this.#lent = lent
      try {
        for (const record of lent.records) {
          if (this.#closing !== undefined) return
          yield record
          lent.consumed++
        }
      } finally {
        this.#lent = undefined
        this.#giveBack(lent.records.slice(Math.max(lent.consumed, lent.committed)))
      }
    }
  }

  /**
   * The offset of the next record `poll` will give out of an assigned partition; looked up when it was assigned by name or time.
   * @throws KafkaError when that fails or takes too long
   */
  async position(target: TopicPartition): Promise<number> {
    const deadline = new Deadline(this.#cluster.env.clock, this.#options.operationTimeoutMs)
    for (;;) {
      const { position, failure } = this.#partition(target)
      this.#session?.findPositions()
      if (position !== undefined) return position
      if (failure !== undefined) throw failure
      if (deadline.elapsedMs >= deadline.timeoutMs) {
        throw this.#cluster.unreachable(`the position of ${target.topic}-${target.partition} was not found in ${deadline.timeoutMs} ms`)
      }
      await this.#cluster.occupancy.during(() => this.#woken(deadline.leftMs))
    }
  }

  /**
   * Where each partition ends: the offset its next record will get (with read_committed: the first that is not stable).
   * @param partitions  default: those assigned
   */
  async endOffsets(partitions: readonly TopicPartition[] = this.assignment): Promise<(TopicPartition & { readonly offset: number })[]> {
    const found = await this.#lookUp(partitions.map(({ topic, partition }) => ({ topic, partition, spec: 'latest' })))
    return found.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  /**
   * Idempotent. A poll under way gives out an empty list. A member of a group commits if that is automatic, tells its listener and leaves.
   * @param options.timeoutMs  for all that. Default 30 s
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? CLOSE_TIMEOUT_MS)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadline = new Deadline(this.#cluster.env.clock, timeoutMs)
    try {
      if (this.#session !== undefined) {
        this.#wake()
        // Its listener may be the one who closes.
        while (this.#polling && !this.#session.calling && deadline.elapsedMs < timeoutMs) await this.#woken(deadline.leftMs)
        await this.#cluster.occupancy.during(() => this.#session!.close(deadline.leftMs))
      }
    } finally {
      this.#closed = true
      this.#alarm.cancel()
      this.#cluster.close()
      this.#wake()
      this.#onClose()
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the consumer is closed')
  }

  #partition({ topic, partition }: TopicPartition) {
    this.#checkOpen()
    const target = this.#fetcher.partitions.get(`${topic}-${partition}`)
    if (target === undefined) throw new Error(`${topic}-${partition} is not assigned to this consumer`)
    return target
  }

  #groupSession(): GroupSession {
    this.#checkOpen()
    if (this.#session === undefined) throw new Error('this consumer belongs to no group: give kafka.consumer({ groupId })')
    return this.#session
  }

  /** The consumer's partitions in the hands of its group. */
  #heldPartitions(): HeldPartitions {
    const { partitions } = this.#fetcher
    const find = ({ topic, partition }: TopicPartition) => partitions.get(`${topic}-${partition}`)
    return {
      owned: () => this.assignment,
      add: added => {
        for (const { topic, partition } of added) seek(this.#fetcher, topic, partition, 'committed')
        this.#wantTopics()
      },
      remove: removed => {
        for (const { topic, partition } of removed) unassign(this.#fetcher, topic, partition)
      },
      positions: consumed => this.#positions(consumed),
      unpositioned: () =>
        [...partitions.values()]
          .filter(({ lookup, failure }) => lookup === 'committed' && failure === undefined)
          .map(({ topic, partition }) => ({ topic, partition })),
      position: (target, committed) => {
        if (committed === undefined) resetPosition(this.#fetcher, find(target)!)
        else seek(this.#fetcher, target.topic, target.partition, { offset: committed.offset, leaderEpoch: committed.leaderEpoch })
        this.#step({ type: 'tick' })
      },
      fail: (target, failure) => {
        const held = find(target)
        if (held?.lookup === 'committed') held.failure = failure
      },
      polling: () => this.#polling,
      wake: () => this.#wake(),
    }
  }

  /** @param consumed  what the user has let go of by asking for more; so far: and what he has in hand, which counts as consumed from now on */
  #positions(consumed: 'surely' | 'so far'): OffsetToCommit[] {
    const lent = this.#lent ?? { records: [], consumed: 0, committed: 0 }
    if (consumed === 'so far') lent.committed = lent.consumed + 1
    const waiting = firstOffsets(lent.records.slice(Math.max(lent.consumed, lent.committed)))
    return [...this.#fetcher.partitions].flatMap(([key, { topic, partition, position, positionEpoch }]) =>
      position === undefined ? [] : [{ topic, partition, offset: waiting.get(key)?.offset ?? position, leaderEpoch: positionEpoch }],
    )
  }

  /** What was not consumed is given out again by the next poll. */
  #giveBack(records: readonly ConsumedRecord[]): void {
    for (const [key, { topic, partition, offset }] of firstOffsets(records)) {
      if (this.#fetcher.partitions.has(key)) seek(this.#fetcher, topic, partition, { offset })
    }
    this.#step({ type: 'tick' })
  }

  #checked(position: Position): Position {
    if (position === 'committed') this.#groupSession()
    else if (typeof position === 'object' && 'offset' in position && !(Number.isSafeInteger(position.offset) && position.offset >= 0)) {
      throw new RangeError(`an offset is an integer from 0 on, not ${position.offset}`)
    }
    return position
  }

  #wantTopics(): void {
    this.#wantedAtMs = this.#cluster.env.clock.now()
    this.#session?.wantTopics()
    for (const topic of new Set([...this.#fetcher.partitions.values()].map(target => target.topic))) this.#cluster.want(topic)
  }

  async #lookUp(queries: readonly (TopicPartition & { readonly spec: OffsetSpec })[]): Promise<FoundOffset[]> {
    this.#checkOpen()
    const deadline = new Deadline(this.#cluster.env.clock, this.#options.operationTimeoutMs)
    const results = await lookUpOffsets(this.#cluster, queries, { isolationLevel: this.#options.isolationLevel, deadline })
    return results.map(result => {
      if (result instanceof Error) throw result
      return result
    })
  }

  #woken(timeoutMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#cluster.env.clock.setTimer(timeoutMs, () => waker())
      const waker = (): void => {
        this.#wakers.delete(waker)
        timer.cancel()
        resolve()
      }
      this.#wakers.add(waker)
    })
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker()
  }

  #step(event: FetcherEvent): void {
    if (this.#closed) return
    for (const effect of step(this.#fetcher, event, this.#cluster.env.clock.now())) this.#perform(effect)
    this.#alarm.set(this.#fetcher.wakeAtMs)
  }

  #perform(effect: FetcherEffect): void {
    switch (effect.type) {
      case 'fetch':
        void this.#fetch(effect.nodeId, effect.requestId, effect.partitions)
        break
      case 'lookUp':
        void this.#lookUpPositions(effect.requestId, effect.queries)
        break
      case 'stale':
        this.#cluster.stale()
        break
      case 'available':
        this.#wake()
        break
    }
  }

  async #fetch(nodeId: number, requestId: number, partitions: readonly PartitionFetch[]): Promise<void> {
    const { fetchMaxWaitMs, fetchMinBytes, fetchMaxBytes, isolationLevel, requestTimeoutMs } = this.#options
    try {
      const connection = await this.#cluster.connection(nodeId, 'fetch')
      const topics = this.#fetchTopics(partitions)
      const version = topics.some(({ topicId }) => topicId === ZERO_UUID) ? { version: LAST_VERSION_WITH_NAMES } : {}
      const request = {
        maxWaitMs: fetchMaxWaitMs,
        minBytes: fetchMinBytes,
        maxBytes: fetchMaxBytes,
        isolationLevel: isolationLevel === 'read_committed' ? 1 : 0,
        topics,
        forgottenTopicsData: [],
        rackId: '',
      }
      const answer = await connection.request(Fetch, request, { ...version, timeoutMs: fetchMaxWaitMs + requestTimeoutMs })
      if (!this.#closed) {
        this.#step({ type: 'fetched', requestId, errorCode: answer.errorCode, partitions: this.#readAnswer(answer, topics) })
      }
    } catch (error) {
      const failure = asFailure(error)
      // Nothing was sent: the broker speaks no version of ours.
      const refused = failure instanceof KafkaError && !failure.retriable
      this.#step(refused ? { type: 'fetched', requestId, errorCode: failure.code, partitions: [] } : { type: 'unfetched', requestId })
    }
  }

  #fetchTopics(partitions: readonly PartitionFetch[]) {
    const topics = new Map<string, PartitionFetch[]>()
    for (const partition of partitions) {
      const group = topics.get(partition.topic)
      if (group === undefined) topics.set(partition.topic, [partition])
      else group.push(partition)
    }
    const partitionMaxBytes = this.#options.partitionMaxBytes
    return [...topics].map(([topic, group]) => ({
      topic,
      topicId: this.#cluster.metadata.topics.get(topic)?.topicId ?? ZERO_UUID,
      partitions: group.map(({ partition, fetchOffset, currentLeaderEpoch }) => ({
        partition,
        fetchOffset,
        currentLeaderEpoch,
        partitionMaxBytes,
      })),
    }))
  }

  #readAnswer(
    answer: ResponseOut<typeof Fetch>,
    asked: readonly { readonly topic: string; readonly topicId: string }[],
  ): PartitionFetched[] {
    const fetched: PartitionFetched[] = []
    for (const { topic, topicId, partitions } of answer.responses) {
      const name = topic === '' ? asked.find(candidate => candidate.topicId === topicId)?.topic : topic
      if (name === undefined) continue
      for (const { partitionIndex, errorCode, highWatermark, records, abortedTransactions, currentLeader } of partitions) {
        fetched.push({ topic: name, partition: partitionIndex, errorCode, highWatermark, records, aborted: abortedTransactions })
        if (currentLeader.leaderId < 0) continue
        this.#cluster.leaderNamed(name, partitionIndex, { ...currentLeader, endpoints: answer.nodeEndpoints })
      }
    }
    return fetched
  }

  async #lookUpPositions(requestId: number, queries: readonly (TopicPartition & { readonly spec: OffsetSpec })[]): Promise<void> {
    const { isolationLevel, operationTimeoutMs } = this.#options
    const deadline = new Deadline(this.#cluster.env.clock, operationTimeoutMs)
    const found = await lookUpOffsets(this.#cluster, queries, { isolationLevel, deadline }).catch(asFailure)
    // Closed: nobody waits for the answer.
    if (this.#closed || found instanceof Error) return
    const results = found.map(result => (result instanceof Error ? kafkaError(result) : result.offset))
    this.#step({ type: 'lookedUp', requestId, results })
  }
}

function kafkaError(error: Error): KafkaError {
  if (error instanceof KafkaError) return error
  return new KafkaError(NETWORK_EXCEPTION, error.message, { cause: error })
}

/** By partition. */
function firstOffsets(records: readonly ConsumedRecord[]): Map<string, ConsumedRecord> {
  const first = new Map<string, ConsumedRecord>()
  for (const record of records) {
    const key = `${record.topic}-${record.partition}`
    if (!first.has(key)) first.set(key, record)
  }
  return first
}
