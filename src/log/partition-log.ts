// The log of one partition: appends, reads, lookups and the offsets that say how far it is written and flushed. A thin shell: the rules are in
// validate.ts, producer-state.ts, epochs.ts and retention.ts, the bytes in writer.ts and segment.ts, the opening in recovery.ts.

import type { EnvError } from '../env/env.ts'
import * as batch from '../protocol/batch.ts'
import { KAFKA_STORAGE_ERROR, KafkaError, OFFSET_OUT_OF_RANGE, RECORD_LIST_TOO_LARGE } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'
import { type AppendResult, rejected } from './append-result.ts'
import { Checkpoints } from './checkpoints.ts'
import { ColdReader } from './cold-reader.ts'
import { type CompactedLog, LogCompaction } from './compaction/log-compaction.ts'
import type { LogConfig } from './config.ts'
import { findCut } from './cut.ts'
import { LeaderEpochs } from './epochs.ts'
import type { LogHome } from './home.ts'
import { HotTail } from './hot-tail.ts'
import type { LogEvents } from './log-events.ts'
import type { LogWorld } from './log-world.ts'
import { LooseMark } from './loose-mark.ts'
import { type ProducerBatch, readProducerBatch } from './producer-batch.ts'
import { encodeProducers } from './producer-snapshot.ts'
import type { ProducerState } from './producer-state.ts'
import { ReadGuard } from './read-guard.ts'
import { type LoadedLog, type RecoveredLog, type RecoveryOptions, recoverLog, type Verdict } from './recovery.ts'
import { rebuildProducers } from './replay.ts'
import { expiredCount } from './retention.ts'
import { mustRoll } from './roll.ts'
import type { Segment } from './segment.ts'
import { StoredEpochs } from './stored-epochs.ts'
import { firstAtOrAfter, firstWithMaxTimestamp, type OffsetRange, type TimestampedOffset } from './time-lookup.ts'
import { type CutLog, cutLog, emptyLog } from './truncation.ts'
import { type UnpackBudget, validateBatch } from './validate.ts'
import { readSent } from './verify.ts'
import { DamagedLogError, type LogSlice, type ReadBounds } from './walk.ts'
import { isFull, LogWriter, type WriterOwner } from './writer.ts'

export type { AppendResult } from './append-result.ts'

export class PartitionLog {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly epochs: LeaderEpochs
  readonly compaction: LogCompaction
  readonly #storedEpochs: StoredEpochs
  readonly #world: LogWorld
  readonly #home: LogHome
  readonly #events: LogEvents
  readonly #writer: LogWriter
  readonly #checkpoints: Checkpoints
  readonly #hotTail: HotTail
  readonly #loose: LooseMark
  readonly #reads: ReadGuard
  #config: LogConfig
  #segments: Segment[]
  #producers: ProducerState
  #logStartOffset: number
  #logEndOffset: number
  /** Why nothing is appended any more. */
  #refusal: Error | undefined
  /** The files are about to be deleted: what goes wrong with them is no matter. */
  #abandoned = false
  #closed = false
  /** flushedOffset stays at or below it: something the records behind it depend on is not durable yet. */
  #barrier = Number.POSITIVE_INFINITY
  #isNamed: boolean
  #hasGaps: boolean
  readonly #coldReader = new ColdReader({
    hasGaps: () => this.#hasGaps,
    leaderEpochOf: lastOffset => (lastOffset < this.#logEndOffset ? this.epochs.epochAt(lastOffset) : -1),
  })
  /** Cuts, deletions and the close happen one after another. */
  #exclusive: Promise<unknown> = Promise.resolve()

  static async open(
    world: LogWorld,
    home: LogHome,
    o: LoadedLog & RecoveryOptions & { config: LogConfig } & LogEvents,
  ): Promise<{ log: PartitionLog; verdict: Verdict; loose: boolean }> {
    const recovered = await recoverLog(home, o.config, o)
    const log = new PartitionLog(world, home, recovered, o)
    return { log, verdict: recovered.verdict, loose: recovered.state.marks.has('loose') }
  }

  private constructor(world: LogWorld, home: LogHome, recovered: RecoveredLog, o: { config: LogConfig } & LogEvents) {
    const { env } = world
    const { state, segments, endOffset, checkpoint: stored, cleanedTo } = recovered
    this.topic = home.topic
    this.topicId = home.topicId
    this.partition = home.partition
    this.#world = world
    this.#home = home
    this.#events = o
    this.#config = o.config
    this.#segments = segments
    this.#logStartOffset = state.logStartOffset
    this.#logEndOffset = endOffset
    this.#isNamed = state.marks.has('created')
    this.#hasGaps = state.marks.has('gaps')
    this.#producers = recovered.producers
    world.producers.note(this.#producers)
    this.epochs = new LeaderEpochs(recovered.epochs).follow(this)
    this.#hotTail = new HotTail(world.hotTails, { clock: env.clock, isAwaited: o.isAwaited })
    this.#writer = new LogWriter(env.clock, this.#writerOwner(), endOffset)
    const fail = (error: Error) => this.#fail(error)
    this.#storedEpochs = new StoredEpochs({ epochs: this.epochs, durable: home.durable, stored: () => this.#progressed(), fail })
    this.#checkpoints = new Checkpoints({ catalog: home.catalog, pace: world.pace, logger: env.logger, fail, stored, cleanedTo })
    this.#reads = new ReadGuard({ logger: env.logger, name: home.name, damaged: error => this.#damaged(error) })
    this.compaction = new LogCompaction(this.#compacted())
    const wanted = o.config.flushMessages !== 1
    this.#loose = new LooseMark({
      durable: home.durable,
      marked: state.marks.has('loose'),
      wanted,
      changed: () => this.#progressed(),
      fail,
    })
    if (!recovered.catalogIsRight) this.#checkpoints.rebuild(recovered, encodeProducers(this.#producers))
  }

  // ---------------------------------------------------------------------------------------------------------------------------- offsets

  get config(): LogConfig {
    return this.#config
  }

  /** The first record there is. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** The offset the next record gets. Like all end offsets: exclusive. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Reads see up to here. */
  get writtenOffset(): number {
    return this.#writer.writtenOffset
  }

  /** Ever, in this life: how much has come between two looks. */
  get totalWrittenBytes(): number {
    return this.#writer.totalWrittenBytes
  }

  /** On disk up to here. */
  get flushedOffset(): number {
    return Math.min(this.#writer.flushedOffset, this.#barrier)
  }

  /** What may be promised: flushed when flush.messages is 1, else written. */
  get ackableOffset(): number {
    return this.#loose.allowsPromises ? Math.min(this.#writer.writtenOffset, this.#barrier) : this.flushedOffset
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
  }

  /** Oldest first. */
  get segments(): readonly {
    readonly baseOffset: number
    readonly endOffset: number
    readonly sizeBytes: number
    readonly maxTimestamp: number
  }[] {
    return this.#segments
  }

  get producers(): ProducerState {
    return this.#producers
  }

  /** Why appends are refused (the disk is full, the node fails, the log is closed); what was appended behind `writtenOffset` is given up then. */
  get refusal(): Error | undefined {
    return this.#refusal
  }

  /** -1: unknown. */
  leaderEpochAt(offset: number): number {
    return this.epochs.epochAt(offset)
  }

  configure(config: LogConfig): void {
    this.#config = config
    this.#loose.want(config.flushMessages !== 1, this.#writer.writtenOffset)
    this.#writer.reconsider()
  }

  // ----------------------------------------------------------------------------------------------------------------------------- append

  /**
   * Validates one batch, judges its producer's sequence, assigns offsets and queues it for this turn's write. `onProgress` tells when it is
   * written and flushed; there is no promise per append.
   * @param b  exactly one batch, baseOffset 0; patched in place (or replaced when it must be rebuilt), and kept by reference
   * @param o  lease: of the memory `b` lies in, retained while it is kept
   */
  appendAsLeader(
    b: Buffer,
    o: { leaderEpoch: number; origin: 'client' | 'coordinator'; unpacking?: UnpackBudget | undefined; lease?: Lease | undefined },
  ): AppendResult {
    if (this.#refusal !== undefined) return rejected(KAFKA_STORAGE_ERROR, `The log takes no records: ${this.#refusal.message}`)
    const validated = validateBatch(b, this.#config, { now: this.#world.env.clock.wallTime(), origin: o.origin, unpacking: o.unpacking })
    if (!validated.ok) return validated
    const stored = validated.batch
    const baseOffset = this.#logEndOffset
    batch.setBaseOffset(stored, 0, baseOffset)
    batch.setLeaderEpoch(stored, 0, o.leaderEpoch)
    const it = readProducerBatch(stored, 0)
    const answer = it === undefined ? undefined : this.#judge(it, o.origin)
    if (answer !== undefined) return answer
    // After duplicates: what stands in the log is told so, though segments got smaller meanwhile.
    if (stored.length > this.#config.segmentBytes) {
      const limit = this.#config.segmentBytes
      return rejected(RECORD_LIST_TOO_LARGE, `The record batch has ${stored.length} bytes, a segment has at most ${limit}`)
    }

    this.#storedEpochs.note(o.leaderEpoch, baseOffset)
    this.#push(stored, it, stored === b ? o.lease : undefined)
    return {
      ok: true,
      baseOffset,
      lastOffset: this.#logEndOffset - 1,
      logAppendTimeMs: validated.logAppendTimeMs,
      duplicate: false,
      sizeBytes: stored.length,
    }
  }

  /**
   * Appends what the leader sent, byte for byte.
   * @param records  one or more whole batches; kept by reference
   * @param o  leaderEpoch: under which they were fetched; from a batch of a later one on nothing is taken (KAFKA-18723). lease: of the memory the
   *   records lie in, retained while they are kept
   * @throws KafkaError CORRUPT_MESSAGE | OFFSET_OUT_OF_RANGE (they do not follow the log's end) | KAFKA_STORAGE_ERROR; the batches before stay
   */
  appendAsFollower(records: Buffer, o: { readonly leaderEpoch?: number; readonly lease?: Lease | undefined } = {}): void {
    const { leaderEpoch = Number.POSITIVE_INFINITY, lease } = o
    if (this.#refusal !== undefined) throw new KafkaError(KAFKA_STORAGE_ERROR, `The log takes no records: ${this.#refusal.message}`)
    for (let p = 0; p < records.length; ) {
      if (p + batch.BATCH_HEADER_BYTES <= records.length && batch.leaderEpoch(records, p) > leaderEpoch) return
      const producer = readSent(records, p, this, this.#segments.length === 0)
      const baseOffset = batch.baseOffset(records, p)
      const epoch = batch.leaderEpoch(records, p)
      if (baseOffset > this.#logEndOffset) this.#noteGap()
      if (epoch >= 0) this.#storedEpochs.note(epoch, Math.max(baseOffset, this.#logEndOffset))
      this.#push(records.subarray(p, (p += batch.batchSize(records, p))), producer, lease)
    }
  }

  /** A leader epoch begins at the log's end. It counts at once; durable when it settles. */
  beginEpoch(epoch: number): Promise<void> {
    assert(epoch >= this.epochs.latestEpoch, `leader epoch ${epoch} after ${this.epochs.latestEpoch}`)
    this.#storedEpochs.note(epoch, this.#logEndOffset)
    return this.#storedEpochs.settled()
  }

  #judge(it: ProducerBatch, origin: 'client' | 'coordinator'): AppendResult | undefined {
    const judgement = this.#producers.judge(it, { origin })
    if (judgement.type === 'reject') return rejected(judgement.errorCode, judgement.errorMessage)
    if (judgement.type === 'append') return undefined
    const { baseOffset, lastOffset, timestamp } = judgement.of
    const logAppendTimeMs = this.#config.messageTimestampType === 'LogAppendTime' ? timestamp : -1
    return { ok: true, baseOffset, lastOffset, logAppendTimeMs, duplicate: true, sizeBytes: 0 }
  }

  #push(b: Buffer, it: ProducerBatch | undefined, lease?: Lease): void {
    const baseOffset = this.#logEndOffset
    const segment = this.#activeSegment(b)
    segment.append(b, 0, b.length)
    this.#writer.push(segment, { bytes: b, lease }, baseOffset, segment.endOffset)
    this.#logEndOffset = segment.endOffset
    if (it !== undefined) this.#world.producers.apply(this.#producers, it)
    this.#loose.appending()
    if (this.#checkpoints.appended(b.length)) this.#checkpoints.capture(segment, encodeProducers(this.#producers))
  }

  /** The segment that takes this batch: the last one, or a new one. */
  #activeSegment(b: Buffer): Segment {
    const active = this.#segments[this.#segments.length - 1]
    return active === undefined || mustRoll(active, b, this.#config) ? this.#roll(active, b) : active
  }

  /** @param b  comes first; of a log that begins within a batch it may begin before the log's end */
  #roll(closed: Segment | undefined, b?: Buffer): Segment {
    const { segmentJitterMs } = this.#config
    const jitterMs = segmentJitterMs > 0 ? this.#world.env.random.integer(Math.min(segmentJitterMs, 2 ** 32)) : 0
    const segment = this.#home.segment(Math.min(this.#logEndOffset, b === undefined ? Infinity : batch.baseOffset(b, 0)), jitterMs)
    this.#segments.push(segment)
    if (closed !== undefined) this.#checkpoints.capture(segment, encodeProducers(this.#producers), closed)
    return segment
  }

  /** Behind the first gap nothing is promised until `meta` says that this log has gaps: else recovery takes the gap for damage. */
  #noteGap(): void {
    if (this.#hasGaps) return
    this.#hasGaps = true
    this.#barrier = this.#logEndOffset
    this.#home.durable.setMark('gaps', true).then(
      () => {
        this.#barrier = Number.POSITIVE_INFINITY
        this.#progressed()
      },
      (error: Error) => this.#fail(error),
    )
  }

  #writerOwner(): WriterOwner {
    const strict = () => !this.#loose.allowsPromises
    const config = () => this.#config
    return {
      get strict() {
        return strict()
      },
      get flushMessages() {
        return config().flushMessages
      },
      get flushMs() {
        return config().flushMs
      },
      prepareFolder: () => this.#home.prepare(),
      makeNameDurable: async () => {
        await this.#home.makeNamesDurable(!this.#isNamed)
        this.#isNamed = true
      },
      keepsWritten: () => this.#hotTail.isWanted,
      wrote: group => this.#hotTail.wrote(group),
      progressed: () => this.#progressed(),
      full: (error, cut) => this.#full(error, cut),
      failed: error => this.#fail(error),
    }
  }

  #compacted(): CompactedLog {
    return {
      env: this.#world.env,
      home: this.#home,
      checkpoints: this.#checkpoints,
      config: () => this.#config,
      segments: () => this.#segments,
      logStartOffset: () => this.#logStartOffset,
      producers: () => this.#producers,
      isOver: () => this.#closed || (this.#refusal !== undefined && !isFull(this.#refusal)),
      alone: work => this.#alone(work),
      allowGaps: async () => {
        if (!this.#hasGaps) await this.#home.durable.setMark('gaps', true)
        this.#hasGaps = true
      },
      replacing: old => this.#replacing(old),
      damaged: error => this.#damaged(error),
    }
  }

  #replacing(old: readonly Segment[]): (by: Segment) => void {
    const replaced = this.#reads.replacing()
    return by => {
      this.#segments = this.#segments.flatMap(segment => (segment === old[0] ? [by] : old.includes(segment) ? [] : [segment]))
      this.#coldReader.forget()
      replaced()
    }
  }

  #progressed(): void {
    const { flushedOffset } = this
    if (this.#storedEpochs.isStored) this.#checkpoints.flushed(flushedOffset)
    this.#loose.flushed(flushedOffset)
    this.#events.onProgress(this)
  }

  /** The disk is full: the log ends at what is written, and takes nothing more until `resume`. */
  #full(error: EnvError, cut: Promise<void>): void {
    this.#refusal = error
    this.#world.env.logger.log('error', 'refused produce: the disk is full', { ...this.#home.name, error })
    const endOffset = this.#writer.writtenOffset
    this.#logEndOffset = endOffset
    const unwritten = this.#segments.filter(segment => segment.writtenBytes === 0)
    this.#checkpoints.drop(unwritten)
    this.#segments = this.#segments.filter(segment => segment.writtenBytes > 0)
    this.#storedEpochs.change(epochs => epochs.truncateFromEnd(endOffset + 1))
    this.#alone(async () => {
      await cut
      const isNamed = unwritten.some(segment => segment.exists)
      for (const segment of unwritten) await segment.remove()
      // An orderly close lets the next open trust the catalog: no name it does not know may come back in a power cut.
      if (isNamed) await this.#home.disk.syncDirectory(this.#home.directory)
      const active = this.#segments.at(-1)
      if (active !== undefined) {
        active.forgetUnwritten(this.#logEndOffset)
        active.cut(await findCut(active, this.#logEndOffset))
      }
      this.#followProducers(await this.#rebuildProducers(this.#logEndOffset))
    }).catch(() => {})
    this.#events.onProgress(this)
  }

  /** The disk has room again: a log that met its end takes records again, once it is cut. */
  resume(): void {
    if (!isFull(this.#refusal)) return
    void this.#alone(async () => {
      if (isFull(this.#refusal)) this.#refusal = undefined
    })
  }

  #followProducers(state: ProducerState): void {
    this.#world.producers.drop(this.#producers)
    this.#producers = state
    this.#world.producers.note(state)
  }

  async #rebuildProducers(endOffset: number): Promise<ProducerState> {
    const stored = await this.#home.catalog.loadProducerState(endOffset)
    return rebuildProducers(this.#segments, endOffset, stored === undefined ? [] : [stored])
  }

  #fail(error: Error): void {
    if (this.#closed || this.#abandoned) return
    this.#refusal ??= error
    this.#writer.stop(error)
    this.#world.fail(error)
  }

  // ------------------------------------------------------------------------------------------------------------------------------- read

  /**
   * Whole batches from the one that holds `offset`, by reference, up to the bounds; what one segment, or the hot tail, gives. Synchronous when the
   * hot tail has them.
   * @throws KafkaError OFFSET_OUT_OF_RANGE | KAFKA_STORAGE_ERROR | CORRUPT_MESSAGE
   */
  read(o: ReadBounds): LogSlice | Promise<LogSlice> {
    if (this.#closed) throw new KafkaError(KAFKA_STORAGE_ERROR, 'The log is closed')
    if (o.offset < this.#logStartOffset || o.offset > this.#logEndOffset) {
      throw new KafkaError(OFFSET_OUT_OF_RANGE, `Offset ${o.offset} is not within [${this.#logStartOffset}, ${this.#logEndOffset}]`)
    }
    const endOffset = Math.min(o.endOffset, this.#writer.writtenOffset)
    if (o.offset >= endOffset) return { chunks: [], sizeBytes: 0, nextOffset: o.offset }
    const bounds = endOffset === o.endOffset ? o : { ...o, endOffset }
    if (this.#hotTail.holds(o.offset)) return this.#hotTail.noteRead(this.#hotTail.read(bounds), this.flushedOffset)
    return this.#reads.run(async () => this.#hotTail.noteRead(await this.#coldReader.read(this.#segments, bounds), this.flushedOffset))
  }

  /** The first record of the log, below endOffset, whose timestamp is at or after this one. @throws KafkaError KAFKA_STORAGE_ERROR | CORRUPT_MESSAGE */
  offsetForTimestamp(timestamp: number, endOffset: number): Promise<TimestampedOffset | undefined> {
    return this.#reads.run(() => firstAtOrAfter([...this.#segments], timestamp, this.#range(endOffset)))
  }

  /** The first record with the largest timestamp below endOffset; undefined when none has one. @throws as offsetForTimestamp */
  offsetOfMaxTimestamp(endOffset: number): Promise<TimestampedOffset | undefined> {
    return this.#reads.run(() => firstWithMaxTimestamp([...this.#segments], this.#range(endOffset)))
  }

  /** Stored bytes are not what was written: nothing is appended behind them. */
  #damaged(error: DamagedLogError): void {
    this.#refusal ??= error
    this.#events.onDamage?.(this, error)
  }

  #range(endOffset: number): OffsetRange {
    return { startOffset: this.#logStartOffset, endOffset: Math.min(endOffset, this.#writer.writtenOffset) }
  }

  // --------------------------------------------------------------------------------------------------------------------- start and end

  /**
   * Records below are gone from now on; durable when it settles. Their segments go with the next retention run.
   * @param offset  at most the written offset
   */
  setLogStartOffset(offset: number): Promise<void> {
    return this.#alone(() => this.#moveStart(offset))
  }

  async #moveStart(offset: number): Promise<void> {
    if (offset <= this.#logStartOffset) return
    assert(offset <= this.#writer.writtenOffset, `log start ${offset}, written is up to ${this.#writer.writtenOffset}`)
    await this.#writer.flush(offset)
    await this.#home.durable.setLogStartOffset(offset)
    this.#logStartOffset = offset
    this.#storedEpochs.change(epochs => epochs.truncateFromStart(offset))
    this.#producers.replicatedUpTo(offset)
  }

  /** Deletes the segments that retention gives up, and forgets expired producers. @returns how many segments */
  deleteExpiredSegments(highWatermark: number, nowMs: number): Promise<number> {
    return this.#alone(async () => {
      if (this.#refusal === undefined) this.#producers.removeExpired({ now: nowMs, expirationMs: this.#config.producerIdExpirationMs })
      this.#world.producers.note(this.#producers)
      const rule = { ...this.#config, logStartOffset: this.#logStartOffset, highWatermark, nowMs }
      const count = expiredCount(this.#segments, rule)
      if (count === 0) return 0
      if (count === this.#segments.length) this.#roll(this.#segments[count - 1])
      const expired = this.#segments.slice(0, count)
      const startOffset = this.#segments[count]!.baseOffset
      await this.#writer.flush(expired[count - 1]!.endOffset)
      await this.#moveStart(startOffset)
      this.#segments = this.#segments.filter(segment => !expired.includes(segment))
      this.#world.env.logger.log('info', 'deleted segments', { ...this.#home.name, count, logStartOffset: this.#logStartOffset })
      await this.#storedEpochs.settled()
      this.#checkpoints.flushed(this.flushedOffset)
      await this.#checkpoints.removeSegments(expired)
      for (const segment of expired) await segment.remove()
      return count
    })
  }

  /**
   * Cuts the log so that it ends at `offset`, or before the batch that holds it. Nothing may be appended meanwhile. An epoch that begins at the end
   * without records is forgotten.
   */
  truncateTo(offset: number): Promise<void> {
    return this.#alone(() => cutLog(this.#cuttable(), offset))
  }

  /** Gives up all records: the log is empty and begins at `offset`, behind its end, or before it when it is empty. Nothing may be appended meanwhile. */
  startAnewAt(offset: number): Promise<void> {
    return this.#alone(() => emptyLog(this.#cuttable(), offset))
  }

  #cuttable(): CutLog {
    return {
      home: this.#home,
      writer: this.#writer,
      checkpoints: this.#checkpoints,
      epochs: this.#storedEpochs,
      segments: this.#segments,
      logStartOffset: this.#logStartOffset,
      logEndOffset: this.#logEndOffset,
      rebuildProducers: endOffset => this.#rebuildProducers(endOffset),
      become: now => {
        this.#segments = now.segments
        this.#logStartOffset = now.logStartOffset
        this.#logEndOffset = now.logEndOffset
        this.#followProducers(now.producers)
        this.#hotTail.truncate(now.logEndOffset)
        if (now.segments.length === 0) this.#hotTail.clear()
        this.#coldReader.forget()
      },
    }
  }

  /** What is left of a damaged log is the log from now on: the operator elected it, or it is being filled from a leader. */
  acceptDamage(): Promise<void> {
    return this.#home.durable.setMark('damaged', false)
  }

  /** Settles when everything appended so far is on disk. */
  flush(): Promise<void> {
    return this.#writer.flush()
  }

  /** Flushes, writes a checkpoint that says so, and closes the files. */
  async close(): Promise<void> {
    await this.compaction.stop()
    return this.#alone(async () => {
      if (this.#closed) return
      const failed = this.#refusal !== undefined && !isFull(this.#refusal)
      this.#refusal ??= new Error('the log is closed')
      if (!failed) {
        await this.#writer.flush()
        await this.#writer.settled()
        await this.#storedEpochs.settled()
        const active = this.#segments.at(-1) ?? this.#home.segment(this.#logEndOffset)
        if (this.#isNamed) await this.#checkpoints.close(active, encodeProducers(this.#producers))
      }
      await this.#closeFiles()
    })
  }

  /** Lets go of everything without writing: the files are about to be deleted. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    this.#refusal ??= new Error('the log is deleted')
    this.#writer.stop(this.#refusal)
    await this.compaction.stop()
    return this.#alone(async () => {
      await this.#writer.rested()
      await this.#closeFiles()
    })
  }

  async #closeFiles(): Promise<void> {
    this.#closed = true
    this.#world.producers.drop(this.#producers)
    this.#writer.stop(new Error('the log is closed'))
    this.#checkpoints.drop()
    await this.#checkpoints.settled()
    this.#hotTail.clear()
    for (const segment of this.#segments) await segment.retire()
  }

  /** An error leaves the log half changed: the node stops. But damage that was there is met before anything is changed. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(work)
    this.#exclusive = result.catch((error: Error) => (error instanceof DamagedLogError ? this.#damaged(error) : this.#fail(error)))
    return result
  }
}
