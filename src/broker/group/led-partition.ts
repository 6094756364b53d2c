// One partition of __consumer_offsets while this broker leads it: loads the shard from the log, then performs what it decides. A batch per decision is
// appended at once, but the commits of one event's work share one; waits end with the high watermark, and one timer stands for everything that is timed
// in its groups.
// A leadership that begins again gets a new object: nothing of the old one is used.
import type { Clock, Logger, Timer } from '../../env/env.ts'
import {
  COORDINATOR_LOAD_IN_PROGRESS,
  KafkaError,
  NONE,
  NOT_COORDINATOR,
  NOT_ENOUGH_REPLICAS,
  NOT_LEADER_OR_FOLLOWER,
} from '../../protocol/errors.ts'
import type { LocalReplica } from '../local-replica.ts'
import type { Instant, RequestToken } from './classic/types.ts'
import { encodeGroupRecords, GroupLogReader, roughBytes } from './records.ts'
import { type MemberMemory, Shard, type ShardEffect, type ShardSettings } from './shard.ts'

const LOAD_CHUNK_BYTES = 1024 * 1024
const MIN_TIMER_MS = 1

export interface PartitionWorld {
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: (maxRecordBytes: number) => ShardSettings
  /** Of all partitions together. */
  readonly memory: MemberMemory
  /** What is committed for such a topic is to be forgotten. */
  readonly isGone: (topic: string, topicId: string) => boolean
  readonly answer: (request: RequestToken, body: unknown) => void
  readonly fail: (error: Error) => void
}

type Append = Extract<ShardEffect, { readonly type: 'append' }>

export class LedPartition {
  readonly replica: LocalReplica
  readonly #world: PartitionWorld
  readonly #leaderEpoch: number
  #shard: Shard
  /** loading: the log is read · failed: it cannot be · active · closed: led elsewhere, or the node ends */
  #state: 'loading' | 'failed' | 'active' | 'closed' = 'loading'
  #timer: Timer | undefined
  #timerDueAt = Number.POSITIVE_INFINITY
  /** Effects still to be performed: what one of them brings about comes after the others. */
  #effects: ShardEffect[] | undefined
  /** The high watermark that the requests waiting here need, by how they go on. */
  readonly #waits = new Set<(errorCode: number) => void>()
  /** Commits that are decided and go to the log at the end of this event's work, or before whatever else is decided. */
  #gathered: Append[] = []
  #gatheredBytes = 0
  #turnAsked = false
  #isGathering = false

  constructor(world: PartitionWorld, replica: LocalReplica) {
    this.#world = world
    this.replica = replica
    this.#leaderEpoch = replica.leader!.leaderEpoch
    this.#shard = this.#newShard()
    this.#load().catch((error: Error) => this.#loadFailed(error))
  }

  #newShard(): Shard {
    return new Shard(() => this.#settings(), this.#world.memory)
  }

  /** What a request is answered at once with; NONE when the shard may be asked. */
  get errorCode(): number {
    if (this.#state === 'active') return NONE
    return this.#state === 'loading' ? COORDINATOR_LOAD_IN_PROGRESS : NOT_COORDINATOR
  }

  /** For reads. */
  get shard(): Shard {
    return this.#shard
  }

  /** Only when errorCode is NONE. */
  decide(decision: (shard: Shard, at: Instant) => readonly ShardEffect[]): void {
    if (this.#state !== 'active') return
    this.#appendGathered()
    this.#perform(decision(this.#shard, this.#now()))
    this.#arm()
  }

  /** The same for a commit: what it writes may share a batch with other commits. */
  decideCommit(decision: (shard: Shard, at: Instant) => readonly ShardEffect[]): void {
    if (this.#state !== 'active') return
    this.#isGathering = true
    try {
      this.#perform(decision(this.#shard, this.#now()))
    } finally {
      this.#isGathering = false
    }
    this.#arm()
  }

  /** Settles when everything appended so far is durable. @returns NONE or what is to be answered instead */
  settled(): Promise<number> {
    this.#appendGathered()
    const { leader, log } = this.replica
    if (leader === undefined) return Promise.resolve(NOT_COORDINATOR)
    if (leader.highWatermark >= log.logEndOffset) return Promise.resolve(NONE)
    return new Promise(resolve => this.#wait(log.logEndOffset, errorCode => resolve(errorCode === NONE ? NONE : NOT_COORDINATOR)))
  }

  /**
   * Nothing is decided any more, and members that wait are told so. Commits that are appended still get their answers when they are durable,
   * unless the leadership is over.
   */
  close(): void {
    if (this.#state === 'closed') return
    const isLed = this.replica.leader?.leaderEpoch === this.#leaderEpoch
    const wasActive = this.#state === 'active'
    this.#appendGathered()
    if (wasActive)
      this.#perform(isLed ? this.#shard.release(NOT_COORDINATOR, this.#now()) : this.#shard.unload(NOT_COORDINATOR, this.#now()))
    this.#state = 'closed'
    this.#timer?.cancel()
    if (!isLed) this.#endWaits()
  }

  #endWaits(): void {
    const waits = [...this.#waits]
    this.#waits.clear()
    for (const goOn of waits) goOn(NOT_LEADER_OR_FOLLOWER)
  }

  // -------------------------------------------------------------------------------------------------------------------------------- load

  /** Up to where the log ended when the leadership began, once that is committed. */
  async #load(): Promise<void> {
    const startedAt = this.#world.clock.now()
    const { log } = this.replica
    const endOffset = log.logEndOffset
    const reader = new GroupLogReader(this.#shard)
    for (let offset = log.logStartOffset; offset < endOffset; ) {
      const { chunks, nextOffset } = await log.read({ offset, maxBytes: LOAD_CHUNK_BYTES, endOffset, minOneBatch: true })
      if (this.#state !== 'loading') return
      // What a follower had appended when it was elected may still be on its way to the disk.
      if (nextOffset === offset && log.writtenOffset < endOffset) await log.flush()
      else if (nextOffset === offset) break
      reader.read(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
      offset = nextOffset
    }
    if (this.replica.leader !== undefined && this.replica.leader.highWatermark < endOffset) {
      await new Promise<void>(resolve => this.#wait(endOffset, () => resolve()))
    }
    if (this.#state !== 'loading') return
    const { groupCount } = this.#shard.loaded(this.#now())
    this.#state = 'active'
    if (endOffset > 0) {
      const durationMs = Math.round(this.#world.clock.now() - startedAt)
      this.#world.logger.log('info', 'loaded groups', { partition: this.replica.partition, groupCount, endOffset, durationMs })
    }
    this.decide(shard => shard.topicsDeleted((topic, topicId) => this.#world.isGone(topic, topicId)))
  }

  #loadFailed(error: Error): void {
    if (this.#state === 'closed') return
    this.#state = 'failed'
    this.#world.logger.log('error', 'failed to load groups', { partition: this.replica.partition, cause: error.stack ?? error.message })
    if (!(error instanceof KafkaError) && error.name === 'AssertionError') this.#world.fail(error)
  }

  // ------------------------------------------------------------------------------------------------------------------------------ effects

  #perform(effects: readonly ShardEffect[]): void {
    if (this.#effects !== undefined) {
      this.#effects.push(...effects)
      return
    }
    const shard = this.#shard
    const queue = (this.#effects = [...effects])
    try {
      for (let i = 0; i < queue.length; i++) {
        // A shard that is given up has answered for what it would have written.
        if (queue[i]!.type !== 'append' || shard === this.#shard) this.#performOne(queue[i]!)
      }
    } finally {
      this.#effects = undefined
    }
  }

  #performOne(effect: ShardEffect): void {
    if (effect.type === 'answer') this.#world.answer(effect.request, effect.body)
    else if (effect.type === 'log') this.#world.logger.log('info', effect.event, effect.fields)
    else if (this.#isGathering) this.#gather(effect)
    else {
      this.#appendGathered()
      this.#append([effect])
    }
  }

  #gather(append: Append): void {
    const { maxMessageBytes, segmentBytes } = this.replica.log.config
    const bytes = append.records.reduce((sum, record) => sum + roughBytes(record), 0)
    if (this.#gatheredBytes + bytes > Math.min(maxMessageBytes, segmentBytes)) this.#appendGathered()
    this.#gathered.push(append)
    this.#gatheredBytes += bytes
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#world.clock.turn(() => {
      this.#turnAsked = false
      this.#appendGathered()
      this.#arm()
    })
  }

  #appendGathered(): void {
    if (this.#gathered.length === 0) return
    const appends = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#append(appends)
  }

  /** As one batch, which the log takes or refuses as one. */
  #append(appends: readonly Append[]): void {
    const { replica } = this
    const { leader } = replica
    if (leader?.leaderEpoch !== this.#leaderEpoch) this.#failed(appends, NOT_LEADER_OR_FOLLOWER)
    else if (!replica.takesAcksAll) this.#failed(appends, NOT_ENOUGH_REPLICAS)
    else {
      const records = appends.length === 1 ? appends[0]!.records : appends.flatMap(append => append.records)
      const result = replica.appendAsCoordinator(encodeGroupRecords(records, this.#world.clock.wallTime()))
      if (!result.ok) {
        this.#failed(appends, result.errorCode)
        return
      }
      const endOffset = result.lastOffset + 1
      const shard = this.#shard
      for (const { id } of appends) shard.appended(id, endOffset)
      this.#wait(endOffset, errorCode => {
        if (shard !== this.#shard) return
        if (errorCode === NONE) this.#perform(shard.durable(endOffset, this.#now()))
        else this.#lost(errorCode)
        this.#arm()
      })
    }
  }

  #failed(appends: readonly Append[], errorCode: number): void {
    const ids = appends.map(append => append.id)
    this.#perform(this.#shard.failed(ids, errorCode, this.#now()))
  }

  /** What was appended is not in the log any more: memory is ahead of it. Leadership lost is told by `close`; else the log is read again. */
  #lost(errorCode: number): void {
    // The shard answers for them below, as for all that is not durable.
    this.#gathered = []
    this.#gatheredBytes = 0
    if (this.#state !== 'active') {
      this.#perform(this.#shard.unload(NOT_COORDINATOR, this.#now()))
      return
    }
    const isLed = this.replica.leader?.leaderEpoch === this.#leaderEpoch
    if (!isLed) {
      this.close()
      return
    }
    this.#world.logger.log('warn', 'lost appended group records', { partition: this.replica.partition, errorCode })
    this.#perform(this.#shard.unload(NOT_COORDINATOR, this.#now()))
    this.#shard = this.#newShard()
    this.#state = 'loading'
    this.#load().catch((error: Error) => this.#loadFailed(error))
  }

  #wait(offset: number, goOn: (errorCode: number) => void): void {
    this.#waits.add(goOn)
    this.replica.highWatermarkWaits.add(offset, { settle: (_slot, errorCode) => this.#waits.delete(goOn) && goOn(errorCode) }, 0)
  }

  // -------------------------------------------------------------------------------------------------------------------------------- time

  #settings(): ShardSettings {
    return this.#world.settings(this.replica.log.config.maxMessageBytes)
  }

  #now(): Instant {
    return { now: this.#world.clock.now(), wallTime: this.#world.clock.wallTime() }
  }

  #arm(): void {
    const { deadline } = this.#shard
    if (deadline === undefined || this.#state !== 'active') {
      this.#timer?.cancel()
      this.#timer = undefined
      this.#timerDueAt = Number.POSITIVE_INFINITY
      return
    }
    // A timer that comes too early finds nothing due and is set again: sessions are prolonged all the time.
    if (this.#timerDueAt <= deadline) return
    this.#timer?.cancel()
    this.#timerDueAt = deadline
    this.#timer = this.#world.clock.setTimer(Math.max(MIN_TIMER_MS, deadline - this.#world.clock.now()), () => {
      this.#timer = undefined
      this.#timerDueAt = Number.POSITIVE_INFINITY
      this.decide((shard, at) => shard.tick(at))
    })
  }
}
