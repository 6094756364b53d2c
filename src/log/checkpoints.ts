// Recovery checkpoints of one log: "up to here everything is flushed, and index and producer state stand in the catalog". After a crash only
// what lies behind the checkpoint is read again. The state is captured at the log's end, while it is at hand, and stored once that is flushed.

import type { KvOperation, Logger } from '../env/env.ts'
import type { Catalog, Checkpoint } from './catalog.ts'
import type { RecoveredLog } from './recovery.ts'
import type { Segment } from './segment.ts'

/** Bytes behind the checkpoints of all logs of a node together, roughly: what recovery may have to read. */
const NODE_BYTES = 64 * 1024 * 1024
const MIN_BYTES = 1024 * 1024
const MAX_BYTES = 32 * 1024 * 1024
/** A producer state is not written more often than this many times its own size of log. */
const PRODUCER_STATE_FACTOR = 20

/** Shares what a node allows itself behind its checkpoints among the logs that are written to. */
export class CheckpointPace {
  #dirtyLogs = 0

  get bytesPerLog(): number {
    return Math.min(MAX_BYTES, Math.max(MIN_BYTES, NODE_BYTES / Math.max(1, this.#dirtyLogs)))
  }

  change(by: 1 | -1): void {
    this.#dirtyLogs += by
  }
}

interface Capture {
  readonly offset: number
  readonly segment: Segment
  readonly position: number
  readonly maxTimestamp: number
  readonly firstTimestamp: number
  readonly producerState: Buffer
  /** Captured where `segment` begins: its producer state is kept as long as the segment. */
  readonly isRoll: boolean
}

export class Checkpoints {
  readonly #catalog: Catalog
  readonly #pace: CheckpointPace
  readonly #logger: Logger
  readonly #fail: (error: Error) => void
  #captured: Capture[] = []
  /** Closed segments that the catalog does not list as such yet. */
  #unstored: Segment[] = []
  #bytesSince = 0
  #producerStateBytes = 0
  /** Offset of the stored producer state that stands at no segment's base: the next one replaces it. */
  #floatingState: number | undefined
  #stored: Checkpoint | undefined
  #cleanedTo: number
  /** The disk is full: the index database is left as it is, which costs time at the next open, not data. */
  #suspended = false
  #writing: Promise<void> = Promise.resolve()

  constructor(o: {
    catalog: Catalog
    pace: CheckpointPace
    logger: Logger
    fail: (error: Error) => void
    stored: Checkpoint | undefined
    cleanedTo: number
  }) {
    this.#catalog = o.catalog
    this.#pace = o.pace
    this.#logger = o.logger
    this.#fail = o.fail
    this.#stored = o.stored
    this.#cleanedTo = o.cleanedTo
    if (o.stored !== undefined && o.stored.position > 0) this.#floatingState = o.stored.nextOffset
  }

  /** Up to here the log was compacted. What is lost of it costs a cleaning. */
  get cleanedTo(): number {
    return this.#cleanedTo
  }

  noteCleaned(offset: number): void {
    this.#cleanedTo = offset
    if (!this.#suspended) this.#write([this.#catalog.putCleaned(offset)], false)
  }

  /** The closed segments below are listed as such, and no recovery reads on in the middle of one of them. */
  get sealedOffset(): number {
    return this.#stored?.segmentBase ?? 0
  }

  /** Closed segments whose files are about to be replaced: of what stands there an opening must believe nothing. Durable when it settles. @throws EnvError */
  async unlist(segments: readonly Segment[]): Promise<void> {
    const operations = await this.#catalog.deleteProducerStates(segments[0]!.baseOffset + 1, segments.at(-1)!.endOffset)
    for (const { baseOffset } of segments)
      operations.push(this.#catalog.deleteSegment(baseOffset), ...(await this.#catalog.deletePages(baseOffset)))
    await this.#catalog.write(operations, { sync: true })
  }

  /** Closed segments that are not listed, with all of their index. */
  list(segments: readonly Segment[]): void {
    for (const segment of segments) {
      segment.freshIndex.noteStored(0)
      this.#write(
        [...this.#catalog.putPage(segment.baseOffset, segment.freshIndex, segment.sizeBytes), this.#catalog.putSegment(segment)],
        false,
      )
    }
  }

  /** @returns whether a capture is due */
  appended(bytes: number): boolean {
    if (this.#bytesSince === 0) this.#pace.change(1)
    this.#bytesSince += bytes
    if (this.#bytesSince < this.#pace.bytesPerLog || this.#captured.length > 0) return false
    return this.#bytesSince >= PRODUCER_STATE_FACTOR * this.#producerStateBytes
  }

  /** Remembers the log as it ends now, in `segment`. */
  capture(segment: Segment, producerState: Buffer, closed?: Segment): void {
    this.#noteClean()
    this.#producerStateBytes = producerState.length
    if (closed !== undefined && !this.#unstored.includes(closed)) this.#unstored.push(closed)
    const { endOffset: offset, sizeBytes: position, maxTimestamp, firstTimestamp } = segment
    this.#captured.push({ offset, segment, position, maxTimestamp, firstTimestamp, producerState, isRoll: closed !== undefined })
  }

  /** Everything below this offset is flushed. */
  flushed(offset: number): void {
    if (this.#captured.length === 0 || this.#captured[0]!.offset > offset) return
    const ready = this.#captured.filter(capture => capture.offset <= offset)
    this.#captured = this.#captured.slice(ready.length)
    if (!this.#suspended) this.#write(this.#operations(ready, false), false)
  }

  /** The log is flushed to its end, and closes. */
  close(segment: Segment, producerState: Buffer): Promise<void> {
    this.capture(segment, producerState)
    const ready = this.#captured.splice(0)
    if (!this.#suspended) this.#write(this.#operations(ready, true), false)
    return this.#writing
  }

  /** The log was read through at its opening: the catalog is brought in line with what was found. */
  rebuild(recovered: RecoveredLog, producerState: Buffer): void {
    const { segments, stale, endOffset } = recovered
    const operations: KvOperation[] = [
      ...stale.segmentBases.map(base => this.#catalog.deleteSegment(base)),
      ...stale.producerStates.map(offset => this.#catalog.deleteProducerState(offset)),
    ]
    for (const segment of segments.slice(0, -1)) {
      operations.push(
        ...this.#catalog.putPage(segment.baseOffset, segment.freshIndex, segment.sizeBytes),
        this.#catalog.putSegment(segment),
      )
    }
    this.#write(operations, false)
    const active = segments.at(-1)
    if (active === undefined) return
    this.capture(active, producerState)
    this.flushed(endOffset)
  }

  /** Forgets what was captured: the log is going away, or its end was cut. @param removed  segments that are none any more */
  drop(removed: readonly Segment[] = []): void {
    this.#captured = []
    this.#unstored = this.#unstored.filter(segment => !removed.includes(segment))
    this.#noteClean()
  }

  /** Settles when nothing is being written. */
  settled(): Promise<void> {
    return this.#writing
  }

  /**
   * The log is about to be cut: what is stored must not claim more than is left. Settles when that is durable.
   * @param segment  holds the new end, already cut; its index is complete
   */
  async lower(segment: Segment, o: { removed: readonly Segment[]; producerState: Buffer }): Promise<void> {
    this.drop()
    this.#unstored = this.#unstored.filter(unstored => unstored !== segment && !o.removed.includes(unstored))
    await this.#writing
    const operations: KvOperation[] = await this.#catalog.deleteProducerStates(segment.endOffset + 1, Number.MAX_SAFE_INTEGER)
    for (const gone of o.removed)
      operations.push(this.#catalog.deleteSegment(gone.baseOffset), ...(await this.#catalog.deletePages(gone.baseOffset)))
    operations.push(this.#catalog.deleteSegment(segment.baseOffset), ...(await this.#catalog.deletePages(segment.baseOffset)))
    segment.freshIndex.noteStored(0)
    operations.push(...this.#catalog.putPage(segment.baseOffset, segment.freshIndex, segment.sizeBytes))
    if (this.#stored !== undefined && this.#stored.nextOffset > segment.endOffset) {
      const { baseOffset: segmentBase, sizeBytes: position, endOffset: nextOffset, maxTimestamp, firstTimestamp } = segment
      this.#stored = { closed: false, segmentBase, position, nextOffset, maxTimestamp, firstTimestamp }
      operations.push(this.#catalog.putCheckpoint(this.#stored))
    }
    if (this.#cleanedTo > segment.endOffset) {
      this.#cleanedTo = segment.endOffset
      operations.push(this.#catalog.putCleaned(this.#cleanedTo))
    }
    if (this.#floatingState !== undefined && this.#floatingState < segment.endOffset)
      operations.push(this.#catalog.deleteProducerState(this.#floatingState))
    this.#floatingState = segment.sizeBytes > 0 ? segment.endOffset : undefined
    operations.push(this.#catalog.putProducerState(segment.endOffset, o.producerState))
    await this.#catalog.write(operations, { sync: true })
  }

  /** The segments' files are about to go. Durable when it settles, with the producer state that they would otherwise be needed for. */
  async removeSegments(removed: readonly Segment[]): Promise<void> {
    this.#unstored = this.#unstored.filter(segment => !removed.includes(segment))
    const operations = await this.#catalog.deleteProducerStates(0, removed.at(-1)!.endOffset)
    for (const { baseOffset } of removed)
      operations.push(this.#catalog.deleteSegment(baseOffset), ...(await this.#catalog.deletePages(baseOffset)))
    this.#write(operations, true)
    await this.#writing
  }

  /** The log is empty and begins elsewhere: nothing of what is stored may be believed of files to come. Durable when it settles. */
  async reset(): Promise<void> {
    await this.#writing
    const operations = await this.#catalog.deleteProducerStates(0, Number.MAX_SAFE_INTEGER)
    this.#stored = this.#floatingState = undefined
    this.#cleanedTo = 0
    const nothing = { closed: false, segmentBase: 0, position: 0, nextOffset: 0, maxTimestamp: -1, firstTimestamp: -1 }
    operations.push(this.#catalog.putCheckpoint(nothing), this.#catalog.putCleaned(0))
    this.#write(operations, true)
    await this.#writing
  }

  #noteClean(): void {
    if (this.#bytesSince > 0) this.#pace.change(-1)
    this.#bytesSince = 0
  }

  #operations(ready: readonly Capture[], closed: boolean): KvOperation[] {
    const catalog = this.#catalog
    const operations: KvOperation[] = []
    const last = ready[ready.length - 1]!
    const closedBefore = this.#unstored.filter(segment => segment.endOffset <= last.segment.baseOffset)
    this.#unstored = this.#unstored.filter(segment => !closedBefore.includes(segment))
    for (const segment of closedBefore) {
      operations.push(...catalog.putPage(segment.baseOffset, segment.freshIndex, segment.sizeBytes), catalog.putSegment(segment))
    }
    for (const capture of ready) if (capture.isRoll) operations.push(catalog.putProducerState(capture.offset, capture.producerState))
    const replaced = this.#floatingState
    const stays = ready.some(capture => capture.offset === replaced && (capture.isRoll || capture === last))
    if (replaced !== undefined && !stays) operations.push(catalog.deleteProducerState(replaced))
    this.#floatingState = last.position > 0 ? last.offset : undefined
    operations.push(catalog.putProducerState(last.offset, last.producerState))
    operations.push(...catalog.putPage(last.segment.baseOffset, last.segment.freshIndex, last.position))
    const { position, offset: nextOffset, maxTimestamp, firstTimestamp } = last
    this.#stored = { closed, segmentBase: last.segment.baseOffset, position, nextOffset, maxTimestamp, firstTimestamp }
    operations.push(catalog.putCheckpoint(this.#stored))
    return operations
  }

  #write(operations: readonly KvOperation[], sync: boolean): void {
    if (operations.length === 0) return
    const write = this.#catalog.write(operations, { sync }).catch((error: Error) => {
      const code = 'code' in error ? error.code : undefined
      if (code !== 'ENOSPC' && code !== 'EDQUOT') return this.#fail(error)
      this.#suspended = true
      this.#logger.log('warn', 'suspended checkpoints', { error })
    })
    this.#writing = Promise.all([this.#writing, write]).then(() => {})
  }
}
