// Reading a segment file: one read of about as many bytes as were asked for, from where the sparse index points. Records are never decoded.

import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../protocol/batch.ts'
import type { Segment } from './segment.ts'
import { cutWholeBatches, DamagedLogError, headerFault, type LogSlice, type ReadBounds, walkFile } from './walk.ts'

/** One read asks for no more than this, whatever the reader would take: it comes back for the rest. */
const MAX_READ_BYTES = 4 * 1024 * 1024
const MIN_READ_BYTES = 16 * 1024
/** On top when the position is only near the batch wanted. */
const SEARCH_BYTES = 32 * 1024

export interface ColdSlice extends LogSlice {
  /** Of the byte after the slice: where the next read of `nextOffset` starts. */
  readonly endPosition: number
}

/**
 * The whole batches of the segment from the one that holds `offset`, within the bounds; empty when there is none.
 * @param exactPosition  of the batch that holds `offset`, when an earlier read told
 * @throws DamagedLogError
 */
export async function readSegment(segment: Segment, o: ReadBounds, exactPosition: number | undefined): Promise<ColdSlice> {
  const hint = exactPosition ?? (await segment.floor(o.offset)).position
  try {
    return await readFrom(segment, o, hint, exactPosition !== undefined)
  } catch (error) {
    // A hint may lie; the segment's start does not.
    if (hint > 0 && error instanceof DamagedLogError) return readFrom(segment, o, 0, false)
    throw error
  }
}

function readFrom(segment: Segment, o: ReadBounds, from: number, exact: boolean): Promise<ColdSlice> {
  const to = segment.writtenBytes
  const wantedBytes = Math.min(Math.max(o.maxBytes, MIN_READ_BYTES) + (exact ? 0 : SEARCH_BYTES), MAX_READ_BYTES)
  return segment.use(async file => {
    let position = from
    const nothing = () => ({ chunks: [], sizeBytes: 0, nextOffset: o.offset, endPosition: position })
    const readAt = async (length: number) => {
      const chunk = await file.read(position, length)
      if (chunk.length < length) throw new DamagedLogError(`${segment.path} ends at ${position + chunk.length}, ${to} bytes were written`)
      return chunk
    }
    while (position < to) {
      if (to - position < BATCH_HEADER_BYTES) throw new DamagedLogError(`${segment.path} holds half a batch at ${position}`)
      const chunk = await readAt(Math.min(wantedBytes, to - position))
      if (headerFault(chunk, 0) === undefined && position > 0 && batch.baseOffset(chunk, 0) > o.offset && !exact && from === position) {
        throw new DamagedLogError(`${segment.path} holds offset ${batch.baseOffset(chunk, 0)} at ${position}`)
      }
      const cut = cutWholeBatches(chunk, o)
      if (cut.end > cut.start) {
        const bytes = cut.start === 0 && cut.end === chunk.length ? chunk : chunk.subarray(cut.start, cut.end)
        return { chunks: [bytes], sizeBytes: bytes.length, nextOffset: cut.nextOffset, endPosition: position + cut.end }
      }
      if (cut.start > 0) {
        if (cut.start + BATCH_HEADER_BYTES <= chunk.length && !isWanted(chunk, cut.start, o)) return nothing()
        position += cut.start
        continue
      }
      // The batch that holds the offset lies at `position`: too large for the chunk, or out of bounds.
      if (!isWanted(chunk, 0, o)) return nothing()
      const size = batch.batchSize(chunk, 0)
      if (size > to - position) throw new DamagedLogError(`${segment.path} holds half a batch at ${position}`)
      const whole = await readAt(size)
      return { chunks: [whole], sizeBytes: size, nextOffset: batch.lastOffset(whole, 0) + 1, endPosition: position + size }
    }
    return nothing()
  })
}

function isWanted(b: Buffer, p: number, o: ReadBounds): boolean {
  return batch.lastOffset(b, p) < o.endOffset && (o.minOneBatch || batch.batchSize(b, p) <= o.maxBytes)
}

/**
 * Visits the headers of the segment's written batches from the hint on, until the visitor answers false.
 * @throws DamagedLogError
 */
export async function walkSegment(
  segment: Segment,
  hint: number,
  visit: (b: Buffer, p: number, position: number) => boolean,
): Promise<void> {
  const to = segment.writtenBytes
  if (to === 0) return
  let visited = false
  const from = (position: number) =>
    segment.use(file =>
      walkFile(file, { from: position, to, whole: false }, (b, p, at) => {
        visited = true
        return visit(b, p, at)
      }),
    )
  let walk = await from(hint)
  if (walk.fault !== undefined && !visited && hint > 0) walk = await from(0)
  if (walk.fault !== undefined) throw new DamagedLogError(`${segment.path} at ${walk.position}: ${walk.fault}`)
}

/** One batch, whole. */
export async function readBatch(segment: Segment, position: number, size: number): Promise<Buffer> {
  const bytes = await segment.use(file => file.read(position, size))
  if (bytes.length < size)
    throw new DamagedLogError(`${segment.path} ends at ${position + bytes.length}, ${segment.writtenBytes} bytes were written`)
  return bytes
}
