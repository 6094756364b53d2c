// Going through stored batches: in a buffer for reads, in a file for recovery and lookups. Bytes from disk are not trusted: every step checks
// the header before it is followed, because a file may end in zeros, garbage or half a batch after a power cut.

import type { DiskFile } from '../env/env.ts'
import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES, BATCH_MAGIC } from '../protocol/batch.ts'
import type { Lease } from '../util/buffer-pool.ts'

export interface ReadBounds {
  readonly offset: number
  readonly maxBytes: number
  /** Exclusive: no batch reaches it. */
  readonly endOffset: number
  /** The first batch is handed out even if it is larger than maxBytes. */
  readonly minOneBatch: boolean
  /** Whether offsets may be missing between batches; undefined: nobody knows. */
  readonly hasGaps?: boolean
  /**
   * As followers read: also batches that compaction left without records. Else they are stepped over where others follow: kafkajs does not step over them, and asks for
   * them for ever.
   */
  readonly withEmpty?: boolean
  /** For bytes that come from a file; without it they get memory of their own. */
  readonly memory?: { take(bytes: number): Lease | undefined } | undefined
}

/** Whole batches, one after another over the chunks. */
export interface LogSlice {
  readonly chunks: Buffer[]
  readonly sizeBytes: number
  /** After the last batch; the offset asked for when there is none. */
  readonly nextOffset: number
  /** Of the memory the chunks lie in: held for the reader, who releases them when nobody looks at the chunks any more (or never does). */
  readonly leases?: readonly Lease[] | undefined
  /** A follower read it: `withEmpty` said so. */
  readonly isFollowers?: boolean | undefined
}

/** Stored bytes that are not what was written: nobody goes on with them. */
export class DamagedLogError extends Error {
  override readonly name = 'DamagedLogError'
}

/** What is wrong with the header at `p`, of which BATCH_HEADER_BYTES are there; undefined when it may be followed. */
export function headerFault(b: Buffer, p: number): string | undefined {
  const size = batch.batchSize(b, p)
  if (size < BATCH_HEADER_BYTES) return `a batch of ${size} bytes`
  if (batch.magic(b, p) !== BATCH_MAGIC) return `magic ${batch.magic(b, p)}`
  const baseOffset = batch.baseOffset(b, p)
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset)) return `base offset ${baseOffset}`
  if (batch.lastOffsetDelta(b, p) < 0) return `last offset delta ${batch.lastOffsetDelta(b, p)}`
  return undefined
}

export interface Cut {
  readonly start: number
  readonly end: number
  readonly nextOffset: number
}

/**
 * The bytes start…end of the whole batches in `chunk` from the first that reaches `offset`, within the bounds. Batches before it are skipped;
 * an incomplete one at the end is left out. When that first batch is not wholly there, start = end = its position, which may lie behind the chunk.
 * @throws DamagedLogError
 */
export function cutWholeBatches(chunk: Buffer, o: ReadBounds): Cut {
  let p = 0
  while (p + BATCH_HEADER_BYTES <= chunk.length) {
    check(chunk, p)
    if (batch.lastOffset(chunk, p) >= o.offset) break
    p += batch.batchSize(chunk, p)
  }
  const start = p
  let nextOffset = o.offset
  while (p + BATCH_HEADER_BYTES <= chunk.length) {
    check(chunk, p)
    const next = batch.lastOffset(chunk, p) + 1
    const end = p + batch.batchSize(chunk, p)
    if (next > o.endOffset || end > chunk.length) break
    if (end - start > o.maxBytes && !(o.minOneBatch && p === start)) break
    p = end
    nextOffset = next
  }
  return { start, end: p, nextOffset }
}

function check(b: Buffer, p: number): void {
  const fault = headerFault(b, p)
  if (fault !== undefined) throw new DamagedLogError(fault)
}

const CHUNK_BYTES = 256 * 1024
/** No batch is larger (a request is at most 100 MiB by default): what claims to be is damage, and not read into memory. */
const MAX_BATCH_BYTES = 512 * 1024 * 1024

export interface FileRange {
  readonly from: number
  /** Exclusive; at most the file's size. */
  readonly to: number
  /** Whether the visitor gets whole batches, or at least their headers. */
  readonly whole: boolean
}

/**
 * Visits the batches of a file in order, until the visitor answers false, a header cannot be followed, or the range ends inside a batch.
 * @returns where the walk stopped, and why: undefined at the end of the range or at the visitor's wish
 */
export async function walkFile(
  file: DiskFile,
  range: FileRange,
  visit: (b: Buffer, p: number, position: number) => boolean,
): Promise<{ position: number; fault: string | undefined }> {
  let position = range.from
  let chunk: Buffer = EMPTY
  let chunkPosition = position
  while (position < range.to) {
    let p = position - chunkPosition
    const left = range.to - position
    if (left < BATCH_HEADER_BYTES) return { position, fault: `${left} bytes at the end` }
    if (p + BATCH_HEADER_BYTES > chunk.length) {
      chunk = await file.read(position, Math.min(CHUNK_BYTES, left))
      chunkPosition = position
      p = 0
      if (chunk.length < BATCH_HEADER_BYTES) return { position, fault: `the file ends at ${position + chunk.length}` }
    }
    const fault = headerFault(chunk, p)
    if (fault !== undefined) return { position, fault }
    const size = batch.batchSize(chunk, p)
    if (size > left) return { position, fault: `a batch of ${size} bytes where ${left} are left` }
    if (size > MAX_BATCH_BYTES) return { position, fault: `a batch of ${size} bytes` }
    if (range.whole && p + size > chunk.length) {
      chunk = await file.read(position, Math.min(Math.max(size, CHUNK_BYTES), left))
      chunkPosition = position
      p = 0
      if (chunk.length < size) return { position, fault: `the file ends at ${position + chunk.length}` }
    }
    if (!visit(chunk, p, position)) return { position, fault: undefined }
    position += size
  }
  return { position, fault: undefined }
}

const EMPTY = Buffer.alloc(0)
