// This broker's copy of one partition: the log, what it knows while it leads or follows, and who waits for it.
import type { Clock } from '../env/env.ts'
import type { LogConfig } from '../log/config.ts'
import type { AppendResult, PartitionLog } from '../log/partition-log.ts'
import type { UnpackBudget } from '../log/validate.ts'
import { isFull } from '../log/writer.ts'
import type { PartitionImage } from '../metadata/image.ts'
import { KAFKA_STORAGE_ERROR, KafkaError, NOT_LEADER_OR_FOLLOWER } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'
import type { ProduceRoom } from './disk-room.ts'
import { type FetchSource, FetchWaits, OffsetWaits } from './purgatory.ts'
import {
  type BrokerState,
  becomeLeader,
  hasEnoughReplicas,
  type LeaderReplica,
  lowWatermark,
  type ReplicaEffect,
  type ReplicaEvent,
  step,
} from './replica.ts'

/** What a replica must know of its topic's configuration. */
export interface TopicSettings {
  readonly log: LogConfig
  readonly minInsyncReplicas: number
}

/** What all replicas of this broker share. */
export interface ReplicaWorld {
  readonly clock: Clock
  readonly room: ProduceRoom
  leaseUntil(): number
  /** A leadership began (`leader` is set then) or ended. */
  roleChanged(replica: LocalReplica): void
  /** The leader wants another in-sync set. */
  proposes(replica: LocalReplica, proposal: Extract<ReplicaEffect, { type: 'proposeIsr' }>): void
  /** Of a replica that follows: bytes were written or flushed. */
  followerProgressed(replica: LocalReplica): void
}

/** A follower's session that watches a partition led here. */
export interface FollowerWatch {
  /** Bytes were written. */
  written(): void
  highWatermarkMoved(): void
  logStartMoved(): void
  /** The leadership began or ended. */
  disturbed(): void
}

/** While this broker follows another. */
export interface Following {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export class LocalReplica implements FetchSource {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly log: PartitionLog
  /** Those who wait for the leader's own copy (acks=1). */
  readonly ackableWaits = new OffsetWaits()
  /** Those who wait for the high watermark (acks=all). */
  readonly highWatermarkWaits = new OffsetWaits()
  /** Those who wait for records to be gone everywhere. */
  readonly lowWatermarkWaits = new OffsetWaits()
  readonly fetchWaits = new FetchWaits()
  readonly followerWatches = new Set<FollowerWatch>()
  /** Settles when the log is as its leader wants it: nobody leads with a log that is being cut. */
  changing: Promise<void> = Promise.resolve()
  readonly #world: ReplicaWorld
  #leader: LeaderReplica | undefined
  #following: Following | undefined
  /** While not leading. */
  #highWatermark: number
  /** Of followed records: like the leader's. */
  #visibleBytes = 0
  #unseen: { readonly endOffset: number; readonly sizeBytes: number }[] = []
  #writtenOffset: number

  constructor(o: { topic: string; topicId: Uuid; partition: number; log: PartitionLog; world: ReplicaWorld }) {
    this.topic = o.topic
    this.topicId = o.topicId
    this.partition = o.partition
    this.log = o.log
    this.#world = o.world
    this.#highWatermark = o.log.logStartOffset
    this.#writtenOffset = o.log.writtenOffset
  }

  /** Set while this broker leads the partition and serves it. */
  get leader(): LeaderReplica | undefined {
    return this.#leader
  }

  /** Set while this broker follows the partition's leader. */
  get following(): Following | undefined {
    return this.#following
  }

  /** In force: of the leadership, or of the leader that is followed; -1: neither. */
  get leaderEpoch(): number {
    return this.#leader?.leaderEpoch ?? this.#following?.leaderEpoch ?? -1
  }

  /** -1: none is known. */
  get leaderId(): number {
    return this.#leader?.brokerId ?? this.#following?.leaderId ?? -1
  }

  /** As far as it is known here. */
  get highWatermark(): number {
    return this.#leader?.highWatermark ?? this.#highWatermark
  }

  get visibleBytes(): number {
    return this.#leader?.visibleBytes ?? this.#visibleBytes
  }

  /** Somebody reads what comes to the end of the log; `from`: followers alone, and those that live have what is below. */
  get isAwaited(): boolean | { readonly from: number } {
    if (this.fetchWaits.size > 0) return true
    if (this.followerWatches.size === 0) return false
    let from = Number.POSITIVE_INFINITY
    for (const { isLive, fetchOffset } of this.#leader?.followers.values() ?? []) if (isLive) from = Math.min(from, fetchOffset)
    return { from }
  }

  // ------------------------------------------------------------------------------------------------------------------------------- roles

  /** The log knows the epoch when this is called; recovery finds it in the batches until `meta` holds it. */
  lead(o: {
    brokerId: number
    brokerEpoch: number
    state: PartitionImage
    replicas: readonly BrokerState[]
    minInsyncReplicas: number
    lagTimeMaxMs: number
  }): void {
    this.resign()
    this.#leader = becomeLeader(
      {
        brokerId: o.brokerId,
        brokerEpoch: o.brokerEpoch,
        leaderEpoch: o.state.leaderEpoch,
        partitionEpoch: o.state.partitionEpoch,
        isr: o.state.isr,
        replicas: o.replicas,
        effectiveMinIsr: effectiveMinIsr(o.state, o.minInsyncReplicas),
        lagTimeMaxMs: o.lagTimeMaxMs,
        leaseUntilMs: this.#world.leaseUntil(),
        logStartOffset: this.log.logStartOffset,
        logEndOffset: this.log.logEndOffset,
        ackableOffset: this.log.ackableOffset,
        highWatermark: this.#highWatermark,
      },
      this.#world.clock.now(),
    )
    this.#writtenOffset = this.log.writtenOffset
    this.#changedRole()
  }

  follow(following: Following): void {
    this.resign()
    this.#following = following
    this.fetchWaits.disturbed()
  }

  /** Neither leads nor follows any more. */
  resign(): void {
    if (this.#following !== undefined) {
      this.#following = undefined
      this.#unseen = []
      this.fetchWaits.disturbed()
    }
    if (this.#leader === undefined) return
    this.#highWatermark = this.#leader.highWatermark
    this.#leader = undefined
    this.ackableWaits.failAll(NOT_LEADER_OR_FOLLOWER)
    this.highWatermarkWaits.failAll(NOT_LEADER_OR_FOLLOWER)
    this.lowWatermarkWaits.failAll(NOT_LEADER_OR_FOLLOWER)
    this.fetchWaits.disturbed()
    this.#changedRole()
  }

  #changedRole(): void {
    for (const watch of [...this.followerWatches]) watch.disturbed()
    this.#world.roleChanged(this)
  }

  // ------------------------------------------------------------------------------------------------------------------------------- leader

  /** A change of the in-sync set under the same leader epoch. */
  isrCommitted(state: PartitionImage, replicas: readonly BrokerState[], minInsyncReplicas: number): void {
    this.#step({ type: 'isrCommitted', isr: state.isr, partitionEpoch: state.partitionEpoch, replicas })
    this.#step({ type: 'minIsrChanged', effectiveMinIsr: effectiveMinIsr(state, minInsyncReplicas) })
  }

  isrRefused(partitionEpoch: number): void {
    this.#step({ type: 'isrRefused', partitionEpoch })
  }

  brokerChanged(broker: BrokerState): void {
    if (this.#leader?.followers.has(broker.brokerId) !== true) return
    this.#step({ type: 'brokerChanged', broker })
    this.#noteLowWatermark()
  }

  /** @returns false when it is of an incarnation that is over */
  followerFetched(o: { brokerId: number; brokerEpoch: number; fetchOffset: number; logStartOffset: number }): boolean {
    const { fetchOffset, logStartOffset } = o
    const isAccepted = this.#step({ type: 'followerFetched', follower: o, fetchOffset, logStartOffset })
    this.#noteLowWatermark()
    return isAccepted
  }

  /** No live replica has records below; only of a leader. KIP-107. */
  get lowWatermark(): number {
    return this.#leader === undefined ? -1 : lowWatermark(this.#leader, this.log.logStartOffset)
  }

  /** Records were deleted: followers hear of it at once. */
  logStartMoved(): void {
    for (const watch of this.followerWatches) watch.logStartMoved()
  }

  #noteLowWatermark(): void {
    if (this.lowWatermarkWaits.size > 0) this.lowWatermarkWaits.reached(this.lowWatermark)
  }

  followerPromised(o: { brokerId: number; brokerEpoch: number; leaderEpoch: number; ackableOffset: number }): void {
    const { leaderEpoch, ackableOffset } = o
    this.#step({ type: 'followerPromised', follower: o, leaderEpoch, ackableOffset })
  }

  /** To be called from time to time while it leads others. */
  tick(): void {
    if (this.#leader !== undefined && this.#leader.followers.size > 0) this.#step({ type: 'tick' })
  }

  /** The lease was over, and is not any more. */
  leaseRenewed(): void {
    this.#step({ type: 'leased', untilMs: this.#world.leaseUntil() })
  }

  /** Whether an acks=all append may begin now. */
  get takesAcksAll(): boolean {
    const leader = this.#leader
    if (leader === undefined) return false
    leader.leaseUntilMs = this.#world.leaseUntil()
    return hasEnoughReplicas(leader, this.#world.clock.now())
  }

  /** Whether the committed in-sync set has the size that acks=all asks for. */
  get hasMinIsr(): boolean {
    return this.#leader !== undefined && this.#leader.isr.length >= this.#leader.effectiveMinIsr
  }

  /** @param unpacking  of the request that brought the batch, like `lease`, which is of its memory */
  append(batch: Buffer, unpacking?: UnpackBudget, lease?: Lease): AppendResult {
    return this.#append(batch, { origin: 'client', unpacking, lease })
  }

  /** What a coordinator of this broker decided. */
  appendAsCoordinator(batch: Buffer): AppendResult {
    return this.#append(batch, { origin: 'coordinator' })
  }

  #append(batch: Buffer, o: { origin: 'client' | 'coordinator'; unpacking?: UnpackBudget | undefined; lease?: Lease | undefined }) {
    const leader = this.#leader
    assert(leader !== undefined, `append to ${this.topic}-${this.partition}, which is not led here`)
    if (this.#world.room.refusal !== undefined) return noRoom(this.#world.room.refusal)
    const result = this.log.appendAsLeader(batch, { leaderEpoch: leader.leaderEpoch, ...o })
    if (result.ok && !result.duplicate) {
      assert(
        result.lastOffset + 1 === this.log.logEndOffset,
        `appended up to ${result.lastOffset}, the log ends at ${this.log.logEndOffset}`,
      )
      this.#step({ type: 'appended', endOffset: result.lastOffset + 1, sizeBytes: result.sizeBytes })
      this.#world.room.appended(result.sizeBytes)
    }
    return result
  }

  // ----------------------------------------------------------------------------------------------------------------------------- follower

  /** @throws KafkaError as PartitionLog.appendAsFollower; KAFKA_STORAGE_ERROR also when the disk is nearly full */
  appendAsFollower(records: Buffer, leaderEpoch: number, lease?: Lease): void {
    const { logEndOffset } = this.log
    const { refusal } = this.#world.room
    if (refusal !== undefined) throw new KafkaError(KAFKA_STORAGE_ERROR, refusal)
    try {
      this.log.appendAsFollower(records, { leaderEpoch, lease })
    } finally {
      if (this.log.logEndOffset > logEndOffset) {
        this.#unseen.push({ endOffset: this.log.logEndOffset, sizeBytes: records.length })
        this.#world.room.appended(records.length)
      }
    }
  }

  /** What the leader says; at most what is here. */
  followHighWatermark(offset: number): void {
    const highWatermark = Math.min(offset, this.log.logEndOffset)
    if (highWatermark <= this.#highWatermark) return
    this.#highWatermark = highWatermark
    let seen = 0
    while (seen < this.#unseen.length && this.#unseen[seen]!.endOffset <= highWatermark)
      this.#visibleBytes += this.#unseen[seen++]!.sizeBytes
    if (seen > 0) this.#unseen.splice(0, seen)
    this.fetchWaits.progressed()
  }

  /** Records were given up at the end, or all of them. */
  truncated(): void {
    const { logStartOffset, logEndOffset } = this.log
    this.#unseen = []
    this.#highWatermark = Math.max(logStartOffset, Math.min(this.#highWatermark, logEndOffset))
    this.#writtenOffset = this.log.writtenOffset
    this.fetchWaits.disturbed()
  }

  // ------------------------------------------------------------------------------------------------------------------------------ progress

  /** Bytes of the log were written or flushed. Who waits for the high watermark hears of it before those who wait for the leader alone. */
  logProgressed(): void {
    const { logEndOffset, writtenOffset } = this.log
    if (this.#leader === undefined) {
      if (isFull(this.log.refusal)) {
        this.#world.room.metFullDisk()
        this.truncated()
      }
      this.#world.followerProgressed(this)
      return
    }
    if (logEndOffset < this.#leader.logEndOffset) this.#cut(logEndOffset)
    if (writtenOffset !== this.#writtenOffset) {
      this.#writtenOffset = writtenOffset
      for (const watch of this.followerWatches) watch.written()
    }
    const ackable = this.log.ackableOffset
    this.#step({ type: 'ackable', endOffset: ackable })
    this.ackableWaits.reached(ackable)
  }

  #cut(endOffset: number): void {
    this.#world.room.metFullDisk()
    this.#step({ type: 'cut', endOffset })
    this.ackableWaits.failBeyond(endOffset, KAFKA_STORAGE_ERROR)
    this.highWatermarkWaits.failBeyond(endOffset, KAFKA_STORAGE_ERROR)
  }

  /** @returns false when a follower was rejected */
  #step(event: ReplicaEvent): boolean {
    if (this.#leader === undefined) return true
    const now = this.#world.clock.now()
    this.#leader.leaseUntilMs = this.#world.leaseUntil()
    let isAccepted = true
    for (const effect of step(this.#leader, event, now)) {
      if (effect.type === 'rejectFollower') isAccepted = false
      else if (effect.type === 'proposeIsr') this.#world.proposes(this, effect)
      else {
        this.highWatermarkWaits.reached(effect.offset)
        this.fetchWaits.progressed()
        for (const watch of this.followerWatches) watch.highWatermarkMoved()
      }
    }
    return isAccepted
  }
}

function noRoom(errorMessage: string): AppendResult {
  return { ok: false, errorCode: KAFKA_STORAGE_ERROR, errorMessage, recordErrors: [] }
}

function effectiveMinIsr(state: PartitionImage, minInsyncReplicas: number): number {
  return Math.min(minInsyncReplicas, state.replicas.length)
}
