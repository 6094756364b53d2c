// The group coordinator of a broker: for every partition of __consumer_offsets that it leads, the groups that live there. It follows the leaderships
// (roleChanged) and the metadata log (applied), sends each request to the partition of its group, and answers it when that has decided.
// Facts: GroupCoordinatorService. The topic itself is made by the first FindCoordinator.
import type { Config } from '../../config.ts'
import type { Env, Timer } from '../../env/env.ts'
import type { ImageChange, MetadataImage } from '../../metadata/image.ts'
import { COORDINATOR_LOAD_IN_PROGRESS, NONE, NOT_COORDINATOR } from '../../protocol/errors.ts'
import { assert } from '../../util/assert.ts'
import { ZERO_UUID } from '../../util/uuid.ts'
import type { LocalReplica } from '../local-replica.ts'
import type { Instant, RequestToken } from './classic/types.ts'
import { LedPartition, type PartitionWorld } from './led-partition.ts'
import { OFFSETS_TOPIC, partitionOfGroup } from './records.ts'
import type { ListedGroup, Shard, ShardEffect, ShardSettings } from './shard.ts'

/** What a shard makes of a request: its answer, now or later, goes to the token. */
export type Decision = (shard: Shard, request: RequestToken, at: Instant) => readonly ShardEffect[]

const MINUTE_MS = 60_000
/** For the members of all groups, as they stand in memory. Beyond, nobody new joins: COORDINATOR_NOT_AVAILABLE, so clients ask again. */
const MAX_MEMBER_BYTES = 128 * 1024 * 1024

export class GroupCoordinator {
  readonly #env: Env
  readonly #config: () => Config
  readonly #image: () => MetadataImage
  readonly #world: PartitionWorld
  readonly #partitions = new Map<number, LedPartition>()
  /** By token: requests that are not answered yet. */
  readonly #waiting = new Map<RequestToken, (body: unknown) => void>()
  #lastToken = 0
  #settings: { readonly of: Config; readonly settings: ShardSettings } | undefined
  #expiry: Timer | undefined
  #closed = false

  constructor(env: Env, o: { config: () => Config; image: () => MetadataImage; fail: (error: Error) => void }) {
    this.#env = env
    this.#config = o.config
    this.#image = o.image
    this.#world = {
      clock: env.clock,
      logger: env.logger,
      settings: maxRecordBytes => this.#shardSettings(maxRecordBytes),
      memory: { heldBytes: 0, maxBytes: MAX_MEMBER_BYTES },
      isGone: (topic, topicId) => this.#isGone(topic, topicId),
      answer: (request, body) => this.#answer(request, body),
      fail: o.fail,
    }
  }

  /** To be called when a replica's leadership began or ended. */
  roleChanged(replica: LocalReplica): void {
    if (replica.topic !== OFFSETS_TOPIC) return
    this.#partitions.get(replica.partition)?.close()
    this.#partitions.delete(replica.partition)
    if (replica.leader === undefined || this.#closed) return
    this.#partitions.set(replica.partition, new LedPartition(this.#world, replica))
    this.#expiry ??= this.#expireLater()
  }

  /** To be called with every committed change, after the image has it. */
  applied(changes: readonly ImageChange[]): void {
    const gone = new Map<string, string>()
    for (const change of changes) if (change.type === 'topicDeleted') gone.set(change.topic.name, change.topic.topicId)
    if (gone.size === 0) return
    const isGone = (topic: string, topicId: string) => gone.has(topic) && (topicId === ZERO_UUID || topicId === gone.get(topic))
    for (const partition of this.#partitions.values()) partition.decide(shard => shard.topicsDeleted(isGone))
  }

  /** Nothing is taken any more, and members that wait are told; what is appended is still answered when it is on disk. */
  close(): void {
    this.#closed = true
    this.#expiry?.cancel()
    for (const partition of this.#partitions.values()) partition.close()
    this.#partitions.clear()
  }

  /** In which partition of __consumer_offsets a group lives; undefined while there is no such topic. */
  partitionOf(groupId: string): number | undefined {
    const topic = this.#image().topics.get(OFFSETS_TOPIC)
    return topic === undefined ? undefined : partitionOfGroup(groupId, topic.partitions.length)
  }

  // ----------------------------------------------------------------------------------------------------------------------------- requests

  /**
   * Puts a request to the shard of a group.
   * @param o.refused  the answer when there is none to ask: NOT_COORDINATOR | COORDINATOR_LOAD_IN_PROGRESS
   * @param o.isCommit  what it writes may share a batch with other commits
   * @param o.parked  called when the answer waits for something; what it returns is called once it is given
   */
  ask<T>(
    groupId: string,
    o: { decide: Decision; refused: (errorCode: number) => T; isCommit?: boolean; parked?: (request: RequestToken) => () => void },
  ): T | Promise<T> {
    const partition = this.#leading(groupId)
    if (typeof partition === 'number') return o.refused(partition)
    const request = ++this.#lastToken
    let answer: { readonly body: unknown } | undefined
    let resolve: ((body: T) => void) | undefined
    this.#waiting.set(request, body => {
      answer = { body }
      resolve?.(body as T)
    })
    const decision = (shard: Shard, at: Instant) => o.decide(shard, request, at)
    if (o.isCommit === true) partition.decideCommit(decision)
    else partition.decide(decision)
    if (answer !== undefined) return (answer as { readonly body: unknown }).body as T
    const settled = new Promise<T>(give => (resolve = give))
    const unpark = o.parked?.(request)
    return unpark === undefined ? settled : settled.finally(unpark)
  }

  /** Reads from the shard of a group what is durable. */
  read<T>(groupId: string, o: { read: (shard: Shard) => T; refused: (errorCode: number) => T }): T {
    const partition = this.#leading(groupId)
    return typeof partition === 'number' ? o.refused(partition) : o.read(partition.shard)
  }

  /** The same, once everything decided before is durable. */
  async readStable<T>(groupId: string, o: { read: (shard: Shard) => T; refused: (errorCode: number) => T }): Promise<T> {
    const partition = this.#leading(groupId)
    if (typeof partition === 'number') return o.refused(partition)
    const errorCode = await partition.settled()
    if (errorCode !== NONE) return o.refused(errorCode)
    return partition.errorCode === NONE ? o.read(partition.shard) : o.refused(partition.errorCode)
  }

  /** All groups of this broker, or COORDINATOR_LOAD_IN_PROGRESS. */
  list(): ListedGroup[] | number {
    const groups: ListedGroup[] = []
    for (const partition of this.#partitions.values()) {
      if (partition.errorCode === COORDINATOR_LOAD_IN_PROGRESS) return COORDINATOR_LOAD_IN_PROGRESS
      if (partition.errorCode === NONE) for (const group of partition.shard.list()) groups.push(group)
    }
    return groups
  }

  /** The client of a parked request has gone. */
  gone(groupId: string, request: RequestToken): void {
    const partition = this.#leading(groupId)
    if (typeof partition !== 'number' && this.#waiting.has(request)) partition.decide((shard, at) => shard.gone(groupId, request, at))
  }

  #leading(groupId: string): LedPartition | number {
    const index = this.partitionOf(groupId)
    const partition = index === undefined ? undefined : this.#partitions.get(index)
    if (partition === undefined) return NOT_COORDINATOR
    return partition.errorCode === NONE ? partition : partition.errorCode
  }

  #answer(request: RequestToken, body: unknown): void {
    const give = this.#waiting.get(request)
    assert(give !== undefined, `request ${request} is answered twice`)
    this.#waiting.delete(request)
    give(body)
  }

  // ------------------------------------------------------------------------------------------------------------------------------- upkeep

  #expireLater(): Timer {
    return this.#env.clock.setTimer(this.#config()['offsets.retention.check.interval.ms'], () => {
      this.#expiry = undefined
      if (this.#partitions.size === 0) return
      for (const partition of this.#partitions.values()) partition.decide((shard, at) => shard.expire(at))
      this.#expiry = this.#expireLater()
    })
  }

  #isGone(topic: string, topicId: string): boolean {
    const { topics, topicsById } = this.#image()
    return topicId === ZERO_UUID ? !topics.has(topic) : !topicsById.has(topicId)
  }

  #shardSettings(maxRecordBytes: number): ShardSettings {
    const config = this.#config()
    if (this.#settings?.of !== config || this.#settings.settings.maxRecordBytes !== maxRecordBytes) {
      const settings: ShardSettings = {
        minSessionTimeoutMs: config['group.min.session.timeout.ms'],
        maxSessionTimeoutMs: config['group.max.session.timeout.ms'],
        maxSize: config['group.max.size'],
        initialRebalanceDelayMs: config['group.initial.rebalance.delay.ms'],
        maxRecordBytes,
        metadataMaxBytes: config['offset.metadata.max.bytes'],
        retentionMs: config['offsets.retention.minutes'] * MINUTE_MS,
      }
      this.#settings = { of: config, settings }
    }
    return this.#settings.settings
  }
}
