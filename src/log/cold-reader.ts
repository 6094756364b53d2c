// Reads of a log's older bytes: finds the segment, and remembers where sequential readers were.

import * as batch from '../protocol/batch.ts'
import { readSegment } from './cold-read.ts'
import type { Segment } from './segment.ts'
import { type StoredLog, soundPart } from './verify.ts'
import type { LogSlice, ReadBounds } from './walk.ts'

/** How many sequential readers are remembered. */
const CURSORS = 16

export class ColdReader {
  readonly #log: StoredLog
  /** By the offset at which a read ended: most go on there. */
  #cursors: Map<number, { readonly segment: Segment; readonly position: number }> | undefined

  constructor(log: StoredLog) {
    this.#log = log
  }

  /** @throws DamagedLogError, EnvError */
  async read(segments: readonly Segment[], bounds: ReadBounds): Promise<LogSlice> {
    const hasGaps = this.#log.hasGaps()
    let slice = await this.#readOn(segments, { ...bounds, hasGaps })
    while (hasGaps && bounds.withEmpty !== true && slice.sizeBytes > 0 && isEmpty(slice)) {
      const next = await this.#readOn(segments, { ...bounds, hasGaps, offset: slice.nextOffset })
      // Nothing but such batches up to the end: better than nothing, for who steps over them.
      if (next.sizeBytes === 0) break
      releaseAll(slice)
      slice = next
    }
    return slice
  }

  async #readOn(segments: readonly Segment[], o: ReadBounds): Promise<LogSlice> {
    for (let at = segmentAt(segments, o.offset); at < segments.length; at++) {
      const segment = segments[at]!
      const cursor = this.#cursors?.get(o.offset)
      this.#cursors?.delete(o.offset)
      const { cutCount } = segment
      const { endPosition, ...slice } = await readSegment(segment, o, cursor?.segment === segment ? cursor.position : undefined)
      if (slice.sizeBytes > 0) {
        const sound = { ...soundPart(slice, o.offset, this.#log), leases: slice.leases }
        if (segment.cutCount === cutCount) this.#remember(slice.nextOffset, segment, endPosition)
        return sound
      }
      // Compaction may have taken a segment's end away; else the bounds say that there is nothing.
      if (endPosition < segment.writtenBytes) break
    }
    return { chunks: [], sizeBytes: 0, nextOffset: o.offset }
  }

  /** The log was cut, or segments of it are others now. */
  forget(): void {
    this.#cursors = undefined
  }

  #remember(nextOffset: number, segment: Segment, position: number): void {
    const cursors = (this.#cursors ??= new Map())
    cursors.set(nextOffset, { segment, position })
    for (const oldest of cursors.keys()) {
      if (cursors.size <= CURSORS) break
      cursors.delete(oldest)
    }
  }
}

/** Whether no batch of it holds a record. */
function isEmpty({ chunks }: LogSlice): boolean {
  for (const chunk of chunks) {
    for (let p = 0; p < chunk.length; p += batch.batchSize(chunk, p)) if (batch.recordCount(chunk, p) > 0) return false
  }
  return true
}

function releaseAll({ leases = [] }: LogSlice): void {
  for (const lease of leases) lease.release()
}

/** The last segment that starts at or before the offset. */
export function segmentAt(segments: readonly Segment[], offset: number): number {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (segments[middle]!.baseOffset <= offset) low = middle + 1
    else high = middle
  }
  return Math.max(0, low - 1)
}
