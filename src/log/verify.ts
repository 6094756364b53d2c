// Bits flip on disks. Batches read from a segment file are looked at before anybody gets them: their checksum, and what lies outside of it.

import * as batch from '../protocol/batch.ts'
import { CORRUPT_MESSAGE, KafkaError, OFFSET_OUT_OF_RANGE, ProtocolError } from '../protocol/errors.ts'
import { type ProducerBatch, readProducerBatch } from './producer-batch.ts'
import { DamagedLogError, headerFault, type LogSlice } from './walk.ts'

/** What is known of the log whose bytes they are. */
export interface StoredLog {
  /** Offsets may be missing between batches. */
  hasGaps(): boolean
  /** The leader epoch of the batch that ends with this offset; -1: unknown, or it was cut off meanwhile. */
  leaderEpochOf(lastOffset: number): number
}

/**
 * The sound batches at the beginning of what was read for `offset`.
 * @param slice  whole batches whose headers were followed
 * @throws DamagedLogError when there is none
 */
export function soundPart(slice: LogSlice, offset: number, log: StoredLog): LogSlice {
  let nextOffset = offset
  let sizeBytes = 0
  for (const [i, chunk] of slice.chunks.entries()) {
    for (let p = 0; p < chunk.length; p += batch.batchSize(chunk, p)) {
      const fault = faultOf(chunk, p, nextOffset, log)
      if (fault === undefined) {
        nextOffset = batch.lastOffset(chunk, p) + 1
        continue
      }
      sizeBytes += p
      if (sizeBytes === 0) throw new DamagedLogError(fault)
      return { chunks: [...slice.chunks.slice(0, i), chunk.subarray(0, p)], sizeBytes, nextOffset }
    }
    sizeBytes += chunk.length
  }
  return slice
}

function faultOf(b: Buffer, p: number, offset: number, log: StoredLog): string | undefined {
  const baseOffset = batch.baseOffset(b, p)
  const lastOffset = batch.lastOffset(b, p)
  if (!batch.crcIsValid(b, p)) return `the batch at offset ${baseOffset} has a wrong checksum`
  if (lastOffset < offset || (baseOffset > offset && !log.hasGaps()))
    return `the batch for offset ${offset} says it begins at ${baseOffset}`
  const epoch = batch.leaderEpoch(b, p)
  const expected = log.leaderEpochOf(lastOffset)
  if (expected >= 0 && epoch !== expected) return `the batch at offset ${baseOffset} is of leader epoch ${epoch}, not ${expected}`
  return undefined
}

interface ReceivingLog {
  readonly logEndOffset: number
  readonly epochs: { readonly latestEpoch: number }
}

/**
 * The batch at `p` of what a leader sent, as the rules about producers see it, once it is known to be sound and to follow on the log. An empty log may
 * begin within its first batch.
 * @throws KafkaError CORRUPT_MESSAGE | OFFSET_OUT_OF_RANGE
 */
export function readSent(records: Buffer, p: number, log: ReceivingLog, isEmpty: boolean): ProducerBatch | undefined {
  const fault = sentFault(records, p)
  if (fault !== undefined) throw new KafkaError(CORRUPT_MESSAGE, `The leader sent ${fault}`)
  const baseOffset = batch.baseOffset(records, p)
  const epoch = batch.leaderEpoch(records, p)
  if (baseOffset < log.logEndOffset && !(isEmpty && batch.lastOffset(records, p) >= log.logEndOffset))
    throw new KafkaError(OFFSET_OUT_OF_RANGE, `The leader sent offset ${baseOffset}, the log ends at ${log.logEndOffset}`)
  if (epoch >= 0 && epoch < log.epochs.latestEpoch)
    throw new KafkaError(CORRUPT_MESSAGE, `The leader sent a batch of leader epoch ${epoch} after ${log.epochs.latestEpoch}`)
  try {
    return readProducerBatch(records, p)
  } catch (error) {
    if (error instanceof ProtocolError) throw new KafkaError(CORRUPT_MESSAGE, `The leader sent ${error.message}`)
    throw error
  }
}

function sentFault(records: Buffer, p: number): string | undefined {
  if (p + batch.BATCH_HEADER_BYTES > records.length) return `${records.length - p} bytes`
  const fault = headerFault(records, p)
  if (fault !== undefined) return fault
  const isWhole = p + batch.batchSize(records, p) <= records.length
  return isWhole && batch.crcIsValid(records, p) ? undefined : `a damaged batch at offset ${batch.baseOffset(records, p)}`
}
