// The one hand that writes a log's segment files. Batches queued in one turn of the event loop leave as one write; at most one write and one
// flush of a log are under way, and whatever was written during a flush is covered by the next one (group commit).
// Order is kept: offsets become written, and flushed, without gaps, also across a roll.

import type { Clock, DiskFile, EnvError, Timer } from '../env/env.ts'
import { assert } from '../util/assert.ts'
import type { Lease } from '../util/buffer-pool.ts'
import { flushFile } from './home.ts'
import type { Segment } from './segment.ts'

/**
 * No more than this is ever written and not flushed while only flushed records are promised: recovery takes damage further from the end for
 * corruption. A larger batch is written alone.
 */
export const UNFLUSHED_WINDOW_BYTES = 8 * 1024 * 1024
/** Bytes of one write. A larger batch is a write of its own. */
const WRITE_BYTES = 1024 * 1024
/**
 * Chunks whose average is at most this are copied into one: cheaper to write, to keep and to send than many small ones. A single one too, whose
 * memory the hot tail would hold.
 */
const SMALL_CHUNK_BYTES = 4096
/** The door to the disk joins a few small chunks better. */
const MANY_CHUNKS = 256
/** Even a log that promises unflushed records is flushed after so many bytes, to bound recovery and what a power cut takes. */
const BACKGROUND_FLUSH_BYTES = 64 * 1024 * 1024

export interface WriterOwner {
  /** Whether only flushed records are ackable now. */
  readonly strict: boolean
  readonly flushMessages: number
  readonly flushMs: number
  /** Makes the name of this new segment file, and of the folders above it, durable. Its bytes count as flushed only then. */
  makeNameDurable(segment: Segment): Promise<void>
  /** Called before the first file is made. */
  prepareFolder(): Promise<void>
  /** Whether the bytes written now will be kept by `wrote`. */
  keepsWritten(): boolean
  /** These bytes are in the file, and `writtenOffset` has moved. Their leases are the owner's from now on. */
  wrote(group: WrittenGroup): void
  /** `writtenOffset` or `flushedOffset` moved. */
  progressed(): void
  /** The disk is full: everything behind `writtenOffset` is given up. The file is being cut back to it; `cut` settles then. */
  full(error: EnvError, cut: Promise<void>): void
  /** A write or flush failed: nothing is written any more. */
  failed(error: Error): void
}

/** Whole batches, and of what memory each chunk of them is. */
export interface WrittenGroup {
  readonly chunks: readonly Buffer[]
  readonly leases: readonly (Lease | undefined)[]
  /** As `keepsWritten` said. */
  readonly isKept: boolean
  readonly baseOffset: number
  readonly endOffset: number
}

class WriteGroup implements WrittenGroup {
  readonly segment: Segment
  readonly baseOffset: number
  endOffset: number
  chunks: Buffer[] = []
  /** Given up, not released, when the write fails: the disk may still have its hands on the bytes. */
  leases: (Lease | undefined)[] = []
  isKept = false
  sizeBytes = 0

  constructor(segment: Segment, baseOffset: number) {
    this.segment = segment
    this.baseOffset = baseOffset
    this.endOffset = baseOffset
  }
}

interface Waiter {
  /** The offset that must be flushed, or undefined for a log at rest. */
  readonly goal: number | undefined
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class LogWriter {
  readonly #clock: Clock
  readonly #owner: WriterOwner
  #queue: WriteGroup[] = []
  #turnAsked = false
  #writing = false
  #opening = false
  #flushing = false
  #stopped: Error | undefined
  /** Segments with written and unflushed bytes, oldest first; the last one is the one being written. Empty when the log rests: no file need be open. */
  readonly #dirty: Segment[] = []
  #unflushedBytes = 0
  #flushGoal = 0
  #flushTimer: Timer | undefined
  #waiters: Waiter[] = []
  #resting: (() => void)[] = []
  /** The end offset of the last write that was started. */
  #startedOffset: number
  /** New files whose names are not durable yet. */
  readonly #unnamed: { readonly segment: Segment; readonly naming: Promise<void> }[] = []

  writtenOffset: number
  flushedOffset: number
  totalWrittenBytes = 0

  constructor(clock: Clock, owner: WriterOwner, endOffset: number) {
    this.#clock = clock
    this.#owner = owner
    this.writtenOffset = endOffset
    this.flushedOffset = endOffset
    this.#startedOffset = endOffset
  }

  /** Queues whole batches for this turn's write. Offsets follow on those queued before. */
  push(
    segment: Segment,
    { bytes: chunk, lease }: { bytes: Buffer; lease: Lease | undefined },
    baseOffset: number,
    endOffset: number,
  ): void {
    let group = this.#queue[this.#queue.length - 1]
    if (group === undefined || group.segment !== segment || group.sizeBytes + chunk.length > WRITE_BYTES) {
      group = new WriteGroup(segment, baseOffset)
      this.#queue.push(group)
    }
    lease?.retain()
    group.chunks.push(chunk)
    group.leases.push(lease)
    group.sizeBytes += chunk.length
    group.endOffset = endOffset
    segment.pinned = true
    if (this.#turnAsked || this.#writing) return
    this.#turnAsked = true
    this.#clock.turn(this.#turn)
  }

  /** Settles when everything queued so far, or below `goal`, is flushed; rejects when the log fails or gives it up first. */
  flush(goal = this.#queue[this.#queue.length - 1]?.endOffset ?? this.#startedOffset): Promise<void> {
    this.#flushGoal = Math.max(this.#flushGoal, goal)
    this.#maybeFlush()
    return this.#wait(goal)
  }

  /** Settles when nothing is queued or under way. */
  settled(): Promise<void> {
    return this.#wait(undefined)
  }

  /** Settles when no call to the disk is under way, whatever became of the log. */
  rested(): Promise<void> {
    return this.#isAtWork || this.#unnamed.length > 0 ? new Promise(resolve => void this.#resting.push(resolve)) : Promise.resolve()
  }

  /** What the owner says about flushing has changed. */
  reconsider(): void {
    this.#maybeFlush()
  }

  /** The log now ends at `offset`, and consists of these segments. Nothing is queued or under way. */
  cutTo(offset: number, segments: readonly Segment[]): void {
    this.writtenOffset = this.flushedOffset = this.#startedOffset = offset
    this.#flushGoal = 0
    const left = this.#dirty.filter(segment => segments.includes(segment))
    this.#dirty.splice(0, this.#dirty.length, ...left)
    this.#unflushedBytes = left.reduce((sum, segment) => sum + segment.writtenBytes - segment.flushedBytes, 0)
  }

  /** Nothing is written or flushed any more; who waits is told why. */
  stop(why: Error): void {
    if (this.#stopped !== undefined) return
    this.#stopped = why
    this.#queue = []
    this.#flushTimer?.cancel()
    for (const waiter of this.#waiters.splice(0)) waiter.reject(why)
  }

  // ------------------------------------------------------------------------------------------------------------------------------ write

  readonly #turn = (): void => {
    this.#turnAsked = false
    this.#writeNext()
  }

  #writeNext(): void {
    if (this.#writing || this.#opening || this.#stopped !== undefined) return
    const group = this.#queue[0]
    if (group === undefined) return
    if (this.#unflushedBytes > 0 && this.#unflushedBytes + group.sizeBytes > UNFLUSHED_WINDOW_BYTES && this.#owner.strict) {
      this.#flushGoal = Math.max(this.#flushGoal, this.writtenOffset)
      this.#maybeFlush()
      return
    }
    const file = group.segment.file
    if (file === undefined) void this.#openFile(group)
    else this.#write(file, group)
  }

  #write(file: DiskFile, group: WriteGroup): void {
    this.#queue.shift()
    this.#writing = true
    this.#startedOffset = group.endOffset
    group.isKept = this.#owner.keepsWritten()
    if (group.sizeBytes <= group.chunks.length * SMALL_CHUNK_BYTES && (group.isKept || group.chunks.length > MANY_CHUNKS)) join(group)
    file.write(group.chunks, group.segment.writtenBytes, error => {
      this.#writing = false
      if (this.#stopped !== undefined) this.#rest()
      else if (error === undefined) this.#wrote(group)
      else if (isFull(error)) this.#full(error, cutFile(group.segment))
      else this.#fail(error)
    })
  }

  #wrote(group: WriteGroup): void {
    const { segment } = group
    segment.writtenBytes += group.sizeBytes
    this.totalWrittenBytes += group.sizeBytes
    this.#unflushedBytes += group.sizeBytes
    if (this.#dirty[this.#dirty.length - 1] !== segment) this.#dirty.push(segment)
    this.writtenOffset = group.endOffset
    this.#owner.wrote(group)
    this.#maybeFlush()
    this.#writeNext()
    this.#owner.progressed()
    this.#wake()
  }

  async #openFile({ segment }: WriteGroup): Promise<void> {
    this.#opening = true
    try {
      await segment.admitted()
      if (!segment.exists) await this.#owner.prepareFolder()
      const isNew = !segment.exists
      await segment.open()
      if (isNew) this.#nameNew(segment)
      this.#opening = false
      if (this.#stopped !== undefined) this.#rest()
      this.#writeNext()
      this.#wake()
    } catch (error) {
      this.#opening = false
      if (this.#stopped !== undefined) this.#rest()
      else if (isFull(error)) this.#full(error, Promise.resolve())
      else this.#fail(error as Error)
    }
  }

  #nameNew(segment: Segment): void {
    const named = () => {
      const at = this.#unnamed.findIndex(unnamed => unnamed.segment === segment)
      this.#unnamed.splice(at, 1)
    }
    const naming = this.#owner.makeNameDurable(segment).then(
      () => {
        named()
        this.#rest()
      },
      (error: Error) => {
        named()
        this.#fail(error)
        this.#rest()
      },
    )
    this.#unnamed.push({ segment, naming })
  }

  #full(error: EnvError, cut: Promise<void>): void {
    this.#queue = []
    this.#startedOffset = this.writtenOffset
    this.#flushGoal = Math.min(this.#flushGoal, this.writtenOffset)
    this.#release(waiter => (waiter.goal !== undefined && waiter.goal > this.writtenOffset ? error : undefined))
    this.#owner.full(
      error,
      cut.catch((cause: Error) => {
        this.#fail(cause)
        throw cause
      }),
    )
    this.#maybeFlush()
    this.#wake()
  }

  // ------------------------------------------------------------------------------------------------------------------------------ flush

  #maybeFlush(): void {
    if (this.#flushing || this.#stopped !== undefined || this.flushedOffset >= this.writtenOffset) return
    if (this.#flushIsDue()) this.#startFlush()
    else this.#armFlushTimer()
  }

  #flushIsDue(): boolean {
    if (this.#owner.strict || this.#flushGoal > this.flushedOffset || this.#dirty.length > 1) return true
    return this.writtenOffset - this.flushedOffset >= this.#owner.flushMessages || this.#unflushedBytes >= BACKGROUND_FLUSH_BYTES
  }

  #armFlushTimer(): void {
    const { flushMs } = this.#owner
    if (this.#flushTimer !== undefined || flushMs === Number.MAX_SAFE_INTEGER) return
    this.#flushTimer = this.#clock.setTimer(flushMs, () => {
      this.#flushTimer = undefined
      this.#flushGoal = Math.max(this.#flushGoal, this.writtenOffset)
      this.#maybeFlush()
    })
  }

  #startFlush(): void {
    while (this.#dirty.length > 1 && this.#dirty[0]!.flushedBytes === this.#dirty[0]!.writtenBytes) this.#dirty.shift()!.unpin()
    const segment = this.#dirty[0]!
    const { file } = segment
    assert(file !== undefined, `${segment.path} has unflushed bytes and is closed`)
    const bytes = segment.writtenBytes
    const target = this.#dirty.length > 1 ? segment.endOffset : this.writtenOffset
    this.#flushing = true
    file.flush(error => {
      if (error !== undefined) {
        this.#flushing = false
        this.#fail(error)
        this.#rest()
        return
      }
      const naming = this.#unnamed.find(unnamed => unnamed.segment === segment)?.naming
      if (naming === undefined) this.#flushed(segment, bytes, target)
      else void naming.then(() => this.#flushed(segment, bytes, target))
    })
  }

  #flushed(segment: Segment, bytes: number, target: number): void {
    this.#flushing = false
    if (this.#stopped !== undefined) {
      this.#rest()
      return
    }
    this.#unflushedBytes -= bytes - segment.flushedBytes
    segment.flushedBytes = bytes
    const rests = this.#queue.length === 0 && !this.#writing && !this.#opening
    if ((this.#dirty.length > 1 || rests) && segment.flushedBytes === segment.writtenBytes) this.#dirty.shift()!.unpin()
    this.flushedOffset = target
    if (this.flushedOffset >= this.writtenOffset) {
      this.#flushTimer?.cancel()
      this.#flushTimer = undefined
    }
    this.#maybeFlush()
    this.#writeNext()
    this.#owner.progressed()
    this.#wake()
  }

  // ------------------------------------------------------------------------------------------------------------------------------- rest

  #fail(error: Error): void {
    if (this.#stopped !== undefined) return
    this.stop(error)
    this.#owner.failed(error)
  }

  get #isAtWork(): boolean {
    return this.#writing || this.#opening || this.#flushing
  }

  #rest(): void {
    if (!this.#isAtWork && this.#unnamed.length === 0) for (const wake of this.#resting.splice(0)) wake()
  }

  #isReached(goal: number | undefined): boolean {
    if (goal !== undefined) return this.flushedOffset >= goal
    return this.#queue.length === 0 && !this.#isAtWork
  }

  #wait(goal: number | undefined): Promise<void> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
    if (this.#isReached(goal)) return Promise.resolve()
    return new Promise((resolve, reject) => void this.#waiters.push({ goal, resolve, reject }))
  }

  #wake(): void {
    if (this.#waiters.length > 0) this.#release(waiter => (this.#isReached(waiter.goal) ? 'reached' : undefined))
  }

  #release(verdict: (waiter: Waiter) => 'reached' | Error | undefined): void {
    const waiting = this.#waiters
    this.#waiters = []
    for (const waiter of waiting) {
      const result = verdict(waiter)
      if (result === undefined) this.#waiters.push(waiter)
      else if (result === 'reached') waiter.resolve()
      else waiter.reject(result)
    }
  }
}

function join(group: WriteGroup): void {
  group.chunks = [Buffer.concat(group.chunks, group.sizeBytes)]
  for (const lease of group.leases) lease?.release()
  group.leases = [undefined]
}

/** Durably: what a failed write left behind must not come back. */
function cutFile(segment: Segment): Promise<void> {
  return segment.use(async file => {
    await file.truncate(segment.writtenBytes)
    await flushFile(file)
  })
}

/** Of the disk, or of the quota on it. */
export function isFull(error: unknown): error is EnvError {
  const code = (error as Partial<EnvError> | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}
