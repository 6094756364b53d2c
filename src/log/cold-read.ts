// Reading a segment file: one read of about as many bytes as were asked for, from where the sparse index points. Records are never decoded.

import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../protocol/batch.ts'
import { KAFKA_STORAGE_ERROR, KafkaError } from '../protocol/errors.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Segment } from './segment.ts'
import { type Cut, cutWholeBatches, DamagedLogError, headerFault, type LogSlice, type ReadBounds, walkFile } from './walk.ts'

/** One read asks for no more than this, whatever the reader would take: it comes back for the rest. */
const MAX_READ_BYTES = 4 * 1024 * 1024
const MIN_READ_BYTES = 16 * 1024
/** Reads of a segment that is cut again and again; then whoever wants the bytes may ask again. */
const CUT_TRIES = 3
/** A slice holds at most so many times its own bytes. */
const MAX_HELD_PER_BYTE = 4
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
  for (let tries = 1; ; tries++) {
    const { cutCount } = segment
    try {
      return await readOnce(segment, o, tries === 1 ? exactPosition : undefined)
    } catch (error) {
      // Cut under the reader: what looks like damage is bytes of two times, or none.
      if (segment.cutCount === cutCount || !(error instanceof DamagedLogError)) throw error
      if (tries === CUT_TRIES) return nothingAt(o, segment.writtenBytes)
    }
  }
}

async function readOnce(segment: Segment, o: ReadBounds, exactPosition: number | undefined): Promise<ColdSlice> {
  const hint = exactPosition ?? (await segment.floor(o.offset)).position
  try {
    return await readFrom(segment, o, hint, exactPosition !== undefined)
  } catch (error) {
    // A hint may lie; the segment's start does not.
    if (hint > 0 && error instanceof DamagedLogError) return readFrom(segment, o, 0, false)
    throw error
  }
}

function nothingAt(o: ReadBounds, endPosition: number): ColdSlice {
  return { chunks: [], sizeBytes: 0, nextOffset: o.offset, endPosition }
}

function readFrom(segment: Segment, o: ReadBounds, from: number, exact: boolean): Promise<ColdSlice> {
  const to = segment.writtenBytes
  const { cutCount } = segment
  const wantedBytes = Math.min(Math.max(o.maxBytes, MIN_READ_BYTES) + (exact ? 0 : SEARCH_BYTES), MAX_READ_BYTES)
  return segment.use(async file => {
    let position = from
    const readAt = async (length: number): Promise<ReadChunk> => {
      const lease = o.memory?.take(length)
      const bytes = await file.read(position, length, lease?.bytes)
      const isShort = bytes.length < length
      if (!isShort && segment.cutCount === cutCount) return { bytes, lease }
      lease?.release()
      throw new DamagedLogError(
        isShort ? `${segment.path} ends at ${position + bytes.length}, ${to} bytes were written` : `${segment.path} was cut`,
      )
    }
    while (position < to) {
      if (to - position < BATCH_HEADER_BYTES) throw new DamagedLogError(`${segment.path} holds half a batch at ${position}`)
      const chunk = await readAt(Math.min(wantedBytes, to - position))
      const step = look(chunk.bytes, o, { isHint: from === position && position > 0 && !exact, path: segment.path, position })
      if (step.type === 'slice') {
        const { start, end, nextOffset } = step.cut
        const bytes = start === 0 && end === chunk.bytes.length ? chunk.bytes : chunk.bytes.subarray(start, end)
        return sliceOf({ bytes, lease: chunk.lease }, nextOffset, position + end)
      }
      chunk.lease?.release()
      if (step.type === 'nothing') return nothingAt(o, position)
      if (step.type === 'further') {
        position += step.bytes
        continue
      }
      // The batch that holds the offset lies at `position`, and is too large for the chunk.
      if (step.sizeBytes > to - position) throw new DamagedLogError(`${segment.path} holds half a batch at ${position}`)
      const whole = await readAt(step.sizeBytes)
      return sliceOf(whole, batch.lastOffset(whole.bytes, 0) + 1, position + step.sizeBytes)
    }
    return nothingAt(o, position)
  })
}

interface ReadChunk {
  readonly bytes: Buffer
  readonly lease: Lease | undefined
}

function sliceOf({ bytes, lease }: ReadChunk, nextOffset: number, endPosition: number): ColdSlice {
  if (bytes.buffer.byteLength > MAX_HELD_PER_BYTE * bytes.length) {
    const own = Buffer.from(bytes)
    lease?.release()
    return { chunks: [own], sizeBytes: own.length, nextOffset, endPosition }
  }
  return { chunks: [bytes], sizeBytes: bytes.length, nextOffset, endPosition, leases: lease === undefined ? undefined : [lease] }
}

type Step =
  | { readonly type: 'slice'; readonly cut: Cut }
  | { readonly type: 'nothing' }
  | { readonly type: 'further'; readonly bytes: number }
  | { readonly type: 'large'; readonly sizeBytes: number }

/** What a chunk of the file holds of what is wanted. @throws DamagedLogError */
function look(chunk: Buffer, o: ReadBounds, at: { isHint: boolean; path: string; position: number }): Step {
  if (at.isHint && headerFault(chunk, 0) === undefined && batch.baseOffset(chunk, 0) > o.offset) {
    throw new DamagedLogError(`${at.path} holds offset ${batch.baseOffset(chunk, 0)} at ${at.position}`)
  }
  const cut = cutWholeBatches(chunk, o)
  if (o.hasGaps === false) checkOrder(chunk, cut.start, { offset: o.offset, path: at.path })
  if (cut.end > cut.start) return { type: 'slice', cut }
  checkEnd(chunk, cut.start, o)
  if (cut.start > 0) {
    const isOut = cut.start + BATCH_HEADER_BYTES <= chunk.length && !isWanted(chunk, cut.start, o)
    return isOut ? { type: 'nothing' } : { type: 'further', bytes: cut.start }
  }
  return isWanted(chunk, 0, o) ? { type: 'large', sizeBytes: batch.batchSize(chunk, 0) } : { type: 'nothing' }
}

/** The batches up to the one wanted follow on each other, and it does not begin behind the offset: their offsets are under no checksum. */
function checkOrder(chunk: Buffer, start: number, { offset, path }: { offset: number; path: string }): void {
  let expected: number | undefined
  for (let p = 0; p <= start && p + BATCH_HEADER_BYTES <= chunk.length; p += batch.batchSize(chunk, p)) {
    const baseOffset = batch.baseOffset(chunk, p)
    if (baseOffset !== (expected ?? baseOffset) || (p === start && baseOffset > offset))
      throw new DamagedLogError(`${path} holds offset ${baseOffset} where ${expected ?? offset} was expected`)
    expected = batch.lastOffset(chunk, p) + 1
  }
}

/** A batch may be left out because it says that it reaches the bound: then it must be sound. */
function checkEnd(chunk: Buffer, p: number, o: ReadBounds): void {
  if (p + BATCH_HEADER_BYTES > chunk.length || batch.lastOffset(chunk, p) < o.endOffset) return
  if (p + batch.batchSize(chunk, p) <= chunk.length && !batch.crcIsValid(chunk, p))
    throw new DamagedLogError(`the batch at offset ${batch.baseOffset(chunk, p)} has a wrong checksum`)
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

/** One batch, whole and sound. @throws DamagedLogError, KafkaError KAFKA_STORAGE_ERROR: cut under the reader */
export async function readBatch(segment: Segment, position: number, size: number): Promise<Buffer> {
  const { cutCount } = segment
  const bytes = await segment.use(file => file.read(position, size))
  if (segment.cutCount !== cutCount) throw new KafkaError(KAFKA_STORAGE_ERROR, `${segment.path} was cut`)
  if (bytes.length < size)
    throw new DamagedLogError(`${segment.path} ends at ${position + bytes.length}, ${segment.writtenBytes} bytes were written`)
  if (!batch.crcIsValid(bytes, 0)) throw new DamagedLogError(`the batch at offset ${batch.baseOffset(bytes, 0)} has a wrong checksum`)
  return bytes
}
