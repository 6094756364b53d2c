// This broker's copy of one partition: the log, what it knows while it leads, and who waits for it.
import type { LogConfig } from '../log/config.ts'
import type { AppendResult, PartitionLog } from '../log/partition-log.ts'
import type { UnpackBudget } from '../log/validate.ts'
import type { PartitionImage } from '../metadata/image.ts'
import { KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'
import type { ProduceRoom } from './disk-room.ts'
import { type FetchSource, FetchWaits, OffsetWaits } from './purgatory.ts'
import { becomeLeader, type LeaderReplica, type ReplicaEvent, step } from './replica.ts'

/** What a replica must know of its topic's configuration. */
export interface TopicSettings {
  readonly log: LogConfig
  readonly minInsyncReplicas: number
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
  readonly fetchWaits = new FetchWaits()
  /** Told when a leadership begins (`leader` is set then) or ends. */
  onRole: ((replica: LocalReplica) => void) | undefined
  readonly #room: ProduceRoom
  #leader: LeaderReplica | undefined

  constructor(o: { topic: string; topicId: Uuid; partition: number; log: PartitionLog; room: ProduceRoom }) {
    this.topic = o.topic
    this.topicId = o.topicId
    this.partition = o.partition
    this.log = o.log
    this.#room = o.room
  }

  /** Set while this broker leads the partition and serves it. */
  get leader(): LeaderReplica | undefined {
    return this.#leader
  }

  get visibleBytes(): number {
    return this.#leader?.visibleBytes ?? 0
  }

  /** The log knows the epoch when this is called; recovery finds it in the batches until `meta` holds it. */
  lead(o: { brokerId: number; state: PartitionImage; minInsyncReplicas: number }): void {
    this.resign()
    this.#leader = becomeLeader({
      brokerId: o.brokerId,
      leaderEpoch: o.state.leaderEpoch,
      partitionEpoch: o.state.partitionEpoch,
      isr: o.state.isr,
      effectiveMinIsr: effectiveMinIsr(o.state, o.minInsyncReplicas),
      logEndOffset: this.log.logEndOffset,
      ackableOffset: this.log.ackableOffset,
      highWatermark: 0,
    })
    this.onRole?.(this)
  }

  resign(): void {
    if (this.#leader === undefined) return
    this.#leader = undefined
    this.ackableWaits.failAll(NOT_LEADER_OR_FOLLOWER)
    this.highWatermarkWaits.failAll(NOT_LEADER_OR_FOLLOWER)
    this.fetchWaits.disturbed()
    this.onRole?.(this)
  }

  /** A change of the in-sync set under the same leader epoch. */
  isrCommitted(state: PartitionImage, minInsyncReplicas: number): void {
    this.#step({ type: 'isrCommitted', isr: state.isr, partitionEpoch: state.partitionEpoch })
    this.#step({ type: 'minIsrChanged', effectiveMinIsr: effectiveMinIsr(state, minInsyncReplicas) })
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
    if (this.#room.refusal !== undefined) return noRoom(this.#room.refusal)
    const result = this.log.appendAsLeader(batch, { leaderEpoch: leader.leaderEpoch, ...o })
    if (result.ok && !result.duplicate) {
      assert(
        result.lastOffset + 1 === this.log.logEndOffset,
        `appended up to ${result.lastOffset}, the log ends at ${this.log.logEndOffset}`,
      )
      this.#step({ type: 'appended', endOffset: result.lastOffset + 1, sizeBytes: result.sizeBytes })
      this.#room.appended(result.sizeBytes)
    }
    return result
  }

  /** Bytes of the log were written or flushed. Who waits for the high watermark hears of it before those who wait for the leader alone. */
  logProgressed(): void {
    const { logEndOffset } = this.log
    if (this.#leader !== undefined && logEndOffset < this.#leader.logEndOffset) this.#cut(logEndOffset)
    const ackable = this.log.ackableOffset
    this.#step({ type: 'ackable', endOffset: ackable })
    this.ackableWaits.reached(ackable)
  }

  #cut(endOffset: number): void {
    this.#room.metFullDisk()
    this.#step({ type: 'cut', endOffset })
    this.ackableWaits.failBeyond(endOffset, KAFKA_STORAGE_ERROR)
    this.highWatermarkWaits.failBeyond(endOffset, KAFKA_STORAGE_ERROR)
  }

  #step(event: ReplicaEvent): void {
    if (this.#leader === undefined) return
    for (const effect of step(this.#leader, event)) {
      this.highWatermarkWaits.reached(effect.offset)
      this.fetchWaits.progressed()
    }
  }
}

function noRoom(errorMessage: string): AppendResult {
  return { ok: false, errorCode: KAFKA_STORAGE_ERROR, errorMessage, recordErrors: [] }
}

function effectiveMinIsr(state: PartitionImage, minInsyncReplicas: number): number {
  return Math.min(minInsyncReplicas, state.replicas.length)
}
