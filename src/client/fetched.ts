// The bytes of one fetched partition, given out record by record. Pure.
// Facts: an answer holds whole batches as the broker stores them. The first may begin before the offset asked for, the last may be cut off; a
// batch may be empty (compaction keeps the last one of a producer), its records are stepped over by its last offset. Control batches (transaction markers) are for us,
// never for the user. With read_committed the broker names the aborted transactions: what their producers wrote from firstOffset on, up to
// their abort marker, is left out (KIP-98).
import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES, BATCH_MAGIC, LOG_OVERHEAD } from '../protocol/batch.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { type DecodedRecord, decodeBatch, type RecordHeader } from '../protocol/records.ts'

export interface ConsumedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970: when it was produced, or appended (message.timestamp.type). */
  readonly timestamp: number
  /** A view of the fetched bytes, like `value`: copy what is kept for long, or it holds all that came with it in memory. */
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  /** Of the leader that wrote it; -1 when not known. */
  readonly leaderEpoch: number
}

export interface FetchedBytes {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
  /** Where the next batch begins, and where the last whole one ends. */
  p: number
  readonly end: number
  /** Records below it were asked for by nobody, or were given out. */
  nextOffset: number
  /** Ordered by firstOffset; null with read_uncommitted. */
  readonly aborted: AbortedTransaction[] | null
  /** Producers inside an aborted transaction at `p`. */
  readonly abortedProducers: Set<number>
  /** The rest of the batch that was opened last. */
  opened: readonly DecodedRecord[]
  openedNext: number
  openedLastOffset: number
  openedEpoch: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

const ABORT_MARKER = 0

/**
 * @param records  as in the Fetch answer
 * @returns what can be given out, and the offset to fetch from next; undefined when no whole batch is there
 */
export function openFetched(
  of: { readonly topic: string; readonly partition: number; readonly fetchOffset: number },
  records: Buffer,
  aborted: readonly AbortedTransaction[] | null,
): { fetched: FetchedBytes; nextFetchOffset: number } | undefined {
  let end = 0
  let nextFetchOffset = of.fetchOffset
  while (records.length - end >= LOG_OVERHEAD) {
    const size = batch.batchSize(records, end)
    if (size > records.length - end) break
    if (size < BATCH_HEADER_BYTES || batch.magic(records, end) !== BATCH_MAGIC) {
      throw new ProtocolError(`no batch of format 2 in the answer for ${of.topic}-${of.partition} at offset ${nextFetchOffset}`)
    }
    nextFetchOffset = Math.max(nextFetchOffset, batch.lastOffset(records, end) + 1)
    end += size
  }
  if (end === 0) return undefined
  const fetched: FetchedBytes = {
    topic: of.topic,
    partition: of.partition,
    bytes: records,
    p: 0,
    end,
    nextOffset: of.fetchOffset,
    aborted: aborted === null ? null : [...aborted].sort((a, b) => a.firstOffset - b.firstOffset),
    abortedProducers: new Set(),
    opened: [],
    openedNext: 0,
    openedLastOffset: -1,
    openedEpoch: -1,
  }
  return { fetched, nextFetchOffset }
}

export function isExhausted(fetched: FetchedBytes): boolean {
  return fetched.openedNext >= fetched.opened.length && fetched.p >= fetched.end
}

/**
 * Adds up to `maxRecords` records to `out`. Afterwards `nextOffset` is the position behind the last one, or behind what was stepped over.
 * @throws ProtocolError when a batch is damaged; `nextOffset` is then its first offset that was not given out
 */
export function takeRecords(fetched: FetchedBytes, maxRecords: number, maxBatchBytes: number, out: ConsumedRecord[]): void {
  let left = maxRecords
  while (left > 0) {
    while (left > 0 && fetched.openedNext < fetched.opened.length) {
      const record = fetched.opened[fetched.openedNext++]!
      if (record.offset < fetched.nextOffset) continue
      out.push({
        topic: fetched.topic,
        partition: fetched.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers,
        leaderEpoch: fetched.openedEpoch,
      })
      fetched.nextOffset = record.offset + 1
      left--
    }
    if (fetched.openedNext < fetched.opened.length) return
    // Compaction may have left nothing at the end of the batch.
    fetched.nextOffset = Math.max(fetched.nextOffset, fetched.openedLastOffset + 1)
    if (fetched.p >= fetched.end) return
    openNext(fetched, maxBatchBytes)
  }
}

function openNext(fetched: FetchedBytes, maxBatchBytes: number): void {
  const { bytes, p } = fetched
  fetched.opened = holdsUserData(fetched) ? decodeBatch(bytes, p, { maxBytes: maxBatchBytes }) : []
  fetched.openedNext = 0
  fetched.openedLastOffset = batch.lastOffset(bytes, p)
  fetched.openedEpoch = batch.leaderEpoch(bytes, p)
  fetched.p += batch.batchSize(bytes, p)
}

function holdsUserData(fetched: FetchedBytes): boolean {
  const { bytes, p, aborted, abortedProducers } = fetched
  const lastOffset = batch.lastOffset(bytes, p)
  const producerId = batch.producerId(bytes, p)
  while (aborted !== null && aborted.length > 0 && aborted[0]!.firstOffset <= lastOffset) abortedProducers.add(aborted.shift()!.producerId)
  if (batch.isControl(bytes, p)) {
    if (abortedProducers.has(producerId) && isAbortMarker(bytes, p)) abortedProducers.delete(producerId)
    return false
  }
  if (batch.isTransactional(bytes, p) && abortedProducers.has(producerId)) return false
  return batch.recordCount(bytes, p) > 0 && lastOffset >= fetched.nextOffset
}

/** A marker is one record with the key: version i16, type i16. */
function isAbortMarker(bytes: Buffer, p: number): boolean {
  const key = decodeBatch(bytes, p, { maxBytes: bytes.length })[0]?.key
  return key !== undefined && key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER
}
