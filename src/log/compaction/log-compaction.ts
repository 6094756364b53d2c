// Compaction of one log: which part of it is dirty, and a cleaning. Two passes, as in Kafka's Cleaner: the first takes the newest offset of each key of the
// dirty part into a map, as far as that has room; the second writes the segments anew, from the oldest, without the records the map knows newer ones
// for. Each group of segments is swapped in by itself, in order: a crash leaves a log in which some segments are clean, and no key without its value.
// Where we differ from Kafka: the last batch of each new segment stays (Kafka: of each cleaning), if need be without records. So a segment ends where the next
// one begins, as it did before, and an opening still sees when one is missing.

import type { Env } from '../../env/env.ts'
import * as batch from '../../protocol/batch.ts'
import type { Checkpoints } from '../checkpoints.ts'
import type { LogConfig } from '../config.ts'
import type { LogHome } from '../home.ts'
import type { ProducerState } from '../producer-state.ts'
import type { Segment } from '../segment.ts'
import { DamagedLogError } from '../walk.ts'
import { isFull } from '../writer.ts'
import { cleanBatch, noteKeys } from './clean-batch.ts'
import { CleanedFile } from './cleaned-file.ts'
import { type Dirtiness, dirtinessOf, groupsOf } from './eligibility.ts'
import { KeyMap } from './key-map.ts'
import { Interrupted, Scanner } from './scan.ts'
import { cleanedFileName, commitSwap, completeSwap } from './swap.ts'

/** The log, as far as its compaction must know it. */
export interface CompactedLog {
  readonly env: Env
  readonly home: LogHome
  readonly checkpoints: Checkpoints
  config(): LogConfig
  segments(): readonly Segment[]
  logStartOffset(): number
  producers(): ProducerState
  /** Nothing is written any more. */
  isOver(): boolean
  /** One after another with cuts, deletions and the close. */
  alone<T>(work: () => Promise<T>): Promise<T>
  /** Offsets may be missing from now on; durable when it settles. */
  allowGaps(): Promise<void>
  /** Reads of these segments wait, or begin again, until `done` has said what stands in their place. */
  replacing(old: readonly Segment[]): (by: Segment) => void
  damaged(error: DamagedLogError): void
}

export interface CleaningLimits {
  /** The high watermark. */
  readonly highWatermark: number
  /** For the map of keys. */
  readonly mapBytes: number
  readonly mapLoadFactor: number
  /** Read and written together; Number.MAX_SAFE_INTEGER: no limit. */
  readonly maxBytesPerSecond: number
  /** A cleaning leaves so much of the disk free. */
  readonly leaveFreeBytes: number
}

export interface Cleaned {
  /** done · interrupted: the log changed or closed under it · no room: the disk has none for the new file */
  readonly outcome: 'done' | 'interrupted' | 'no room'
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly keyCount: number
}

const MAX_OFFSETS = 0x7fffffff
const SECRET_BYTES = 16

export class LogCompaction {
  readonly #log: CompactedLog
  #running: Promise<Cleaned> | undefined
  #stopping = false

  constructor(log: CompactedLog) {
    this.#log = log
  }

  /** Of what may be cleaned now. */
  dirtiness(highWatermark: number): Dirtiness {
    const log = this.#log
    const { checkpoints, env } = log
    return dirtinessOf(log.segments().slice(0, -1), log.config(), {
      firstDirtyOffset: Math.max(checkpoints.cleanedTo, log.logStartOffset()),
      // What a recovery would read again must lie in the files that it knows.
      boundOffset: Math.min(highWatermark, log.producers().firstUnstableOffset ?? highWatermark, checkpoints.sealedOffset),
      now: env.clock.wallTime(),
    })
  }

  /** Settles when nothing is under way; nothing begins any more. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running?.catch(() => {})
  }

  /** Cleans what may be cleaned now. @throws UnreadableError, DamagedLogError (the log knows already), EnvError when a write or flush failed */
  async clean(limits: CleaningLimits): Promise<Cleaned> {
    if (this.#stopping || this.#log.isOver()) return { outcome: 'interrupted', bytesBefore: 0, bytesAfter: 0, keyCount: 0 }
    this.#running = this.#clean(limits).finally(() => (this.#running = undefined))
    return this.#running
  }

  async #clean(limits: CleaningLimits): Promise<Cleaned> {
    const result = { bytesBefore: 0, bytesAfter: 0, keyCount: 0 }
    try {
      return { outcome: await this.#passes(limits, result), ...result }
    } catch (error) {
      if (error instanceof DamagedLogError) this.#log.damaged(error)
      if (error instanceof Interrupted) return { outcome: 'interrupted', ...result }
      if (isFull(error)) return { outcome: 'no room', ...result }
      throw error
    }
  }

  async #passes(
    limits: CleaningLimits,
    result: { bytesBefore: number; bytesAfter: number; keyCount: number },
  ): Promise<Cleaned['outcome']> {
    const log = this.#log
    const { clock } = log.env
    const { firstDirtyOffset, endOffset } = this.dirtiness(limits.highWatermark)
    const isOver = () => this.#stopping || log.isOver()
    const scanner = new Scanner(clock, { maxBytesPerSecond: limits.maxBytesPerSecond, isOver })
    const segments = log.segments().filter(segment => segment.endOffset <= endOffset)
    const map = this.#newMap(limits, endOffset - firstDirtyOffset)
    const cleanedTo = (await this.#fill(map, segments, { scanner, firstDirtyOffset })) ? endOffset : map.latestOffset + 1
    result.keyCount = map.size
    const rule = { map, now: clock.wallTime(), deleteRetentionMs: log.config().deleteRetentionMs }
    const last = lastBatches(log.producers())
    const groups = groupsOf(
      segments.filter(segment => segment.baseOffset < cleanedTo),
      { segmentBytes: log.config().segmentBytes, maxOffsets: MAX_OFFSETS },
    )
    for (const group of groups) {
      const sizeBytes = group.reduce((sum, segment) => sum + segment.sizeBytes, 0)
      const { freeBytes } = await log.env.disk.space(log.home.directory)
      if (freeBytes < sizeBytes + limits.leaveFreeBytes) return 'no room'
      const cleaned = await this.#write(group, { scanner, rule, last })
      if (!(await this.#swap(group, cleaned))) return 'interrupted'
      result.bytesBefore += sizeBytes
      result.bytesAfter += cleaned.sizeBytes
    }
    log.checkpoints.noteCleaned(cleanedTo)
    return 'done'
  }

  #newMap({ mapBytes, mapLoadFactor: loadFactor }: CleaningLimits, offsets: number): KeyMap {
    const bytes = Math.min(mapBytes, KeyMap.bytesFor(offsets, loadFactor))
    return new KeyMap({ bytes, loadFactor, secret: this.#log.env.random.bytes(SECRET_BYTES) })
  }

  /** @returns whether all of the dirty part found room in the map */
  async #fill(map: KeyMap, segments: readonly Segment[], o: { scanner: Scanner; firstDirtyOffset: number }): Promise<boolean> {
    let hasRoom = true
    for (const segment of segments) {
      if (segment.endOffset <= o.firstDirtyOffset) continue
      await o.scanner.run(segment, (b, p) => (hasRoom = noteKeys(b, p, map, o.firstDirtyOffset)))
      if (!hasRoom) break
    }
    return hasRoom
  }

  async #write(
    group: readonly Segment[],
    { scanner, rule, last }: { scanner: Scanner; rule: Parameters<typeof cleanBatch>[2]; last: LastBatches },
  ): Promise<Segment> {
    const cleaned = await CleanedFile.create(this.#log.home, group[0]!.baseOffset)
    try {
      for (const segment of group) {
        const isLastSegment = segment === group[group.length - 1]
        await scanner.run(
          segment,
          (b, p, { size, isLast }) => {
            const mayBeEmpty = (isLast && isLastSegment) || last.get(batch.producerId(b, p)) === batch.lastOffset(b, p)
            const result = cleanBatch(b, p, rule, mayBeEmpty)
            if (result === undefined) cleaned.keep(b, p, size)
            else if (result !== 'drop') cleaned.add(result)
            return true
          },
          async () => scanner.paced(await cleaned.write()),
        )
      }
      return await cleaned.finish()
    } catch (error) {
      await cleaned.discard()
      throw error
    }
  }

  /** @returns false when the log is not any more what was cleaned */
  #swap(group: readonly Segment[], cleaned: Segment): Promise<boolean> {
    const log = this.#log
    const { checkpoints, home } = log
    const { baseOffset, endOffset } = cleaned
    const cutCounts = group.map(segment => segment.cutCount)
    return log.alone(async () => {
      const now = log.segments()
      const at = now.indexOf(group[0]!)
      const isSame = at >= 0 && group.every((segment, i) => now[at + i] === segment && segment.cutCount === cutCounts[i])
      if (!isSame || log.isOver() || !(await this.#prepare(group))) {
        await home.disk.remove(`${home.directory}/${cleanedFileName(baseOffset)}`)
        return false
      }
      await commitSwap(home.disk, home.directory, { baseOffset, endOffset })
      const done = log.replacing(group)
      for (const old of group) await old.retire()
      const others = group.slice(1).map(({ fileName }) => fileName)
      await completeSwap(home.disk, home.directory, { baseOffset, endOffset, others })
      done(cleaned)
      checkpoints.list([cleaned])
      return true
    })
  }

  /** What the catalog says of the old files must not be believed of the new one. @returns false when the disk is full */
  async #prepare(group: readonly Segment[]): Promise<boolean> {
    const { checkpoints } = this.#log
    try {
      await this.#log.allowGaps()
      await checkpoints.unlist(group)
      return true
    } catch (error) {
      if (!isFull(error)) throw error
      checkpoints.list(group)
      return false
    }
  }
}

type LastBatches = ReadonlyMap<number, number>

/** The last offset of the newest batch of each producer: it says which sequence comes next, and stays. */
function lastBatches(producers: ProducerState): LastBatches {
  const last = new Map<number, number>()
  for (const { producerId, batches } of producers.producers.values()) {
    const newest = batches.at(-1)
    if (newest !== undefined) last.set(producerId, newest.lastOffset)
  }
  return last
}
