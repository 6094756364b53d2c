// Records on their way to one partition, in batches, in order. Pure.
// Facts: a batch is the unit of compression, of a sequence number and of failure. A broker remembers the last five batches of a producer in a
// partition (KIP-98): a batch sent again is known only while no more than four newer ones were written. Sequence numbers count records and wrap from 2^31 - 1 to 0.
import { BATCH_HEADER_BYTES, incrementSequence } from '../protocol/batch.ts'
import type { RecordInput } from '../protocol/records.ts'
import { sizeOfVarint, sizeOfVarlong } from '../util/varint.ts'

/** Whom a record's fate is told. `index` is what was given with the record. */
export interface Ticket {
  delivered(index: number, result: DeliveredRecord): void
  failed(index: number, error: Error): void
}

export interface DeliveredRecord {
  readonly topic: string
  readonly partition: number
  /** -1 when the broker names none (acks=0). */
  readonly offset: number
  readonly timestamp: number
}

export interface Batch {
  readonly topic: string
  readonly partition: number
  readonly records: RecordInput[]
  readonly tickets: Ticket[]
  readonly indexes: number[]
  /** Uncompressed, with the batch header. */
  sizeBytes: number
  readonly deadlineMs: number
  /** A batch that is neither full nor flushed waits until then for more records. */
  lingerUntilMs: number
  state: 'queued' | 'inFlight' | 'done'
  attempts: number
  /** A retry waits until then, unless the partition has another leader by then than the one that failed. */
  retryAtMs: number
  failedLeader: { leaderId: number; leaderEpoch: number } | undefined
  /** Why the last try failed, for the message of a delivery timeout. */
  lastError: string | undefined
  /** -1 until first sent by an idempotent producer; kept over retries, so that a broker knows a batch it has. */
  baseSequence: number
  producerId: number
  producerEpoch: number
  /** Counts the batches of its partition that were numbered. */
  ordinal: number
  /** Some try may have been written: the batch must not be sent again under another identity before a broker has judged this one. */
  maybeAppended: boolean
}

export interface PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Oldest first; batches with a sequence number come before those without. */
  readonly batches: Batch[]
  inFlightCount: number
  /** The identity under which new batches are numbered; -1: to be taken from the producer. Epochs rise per partition, which brokers allow. */
  producerId: number
  producerEpoch: number
  nextSequence: number
  nextOrdinal: number
  /** A batch under this identity was acknowledged. Before that a broker that holds nothing of it takes any number for the first. */
  established: boolean
  /** A number was given out that will never be written: numbering starts again, under a new epoch, once nothing old is unjudged. */
  needsReset: boolean
  /** The reset takes a new producer id: the epochs of this one are used up, or a broker knows a higher one. */
  needsNewId: boolean
}

/** How many batches of a producer a broker can recognize in a partition. */
export const REMEMBERED_BATCHES = 5
export const MAX_EPOCH = 0x7fff

export function emptyQueue(topic: string, partition: number): PartitionQueue {
  return {
    topic,
    partition,
    batches: [],
    inFlightCount: 0,
    producerId: -1,
    producerEpoch: -1,
    nextSequence: 0,
    nextOrdinal: 0,
    established: false,
    needsReset: false,
    needsNewId: false,
  }
}

/** An upper bound of the record's size inside a batch, uncompressed. */
export function recordSizeBytes(record: RecordInput): number {
  const keyBytes = record.key?.length ?? 0
  const valueBytes = record.value?.length ?? 0
  let size = 1 + 10 + 5 + sizeOfVarint(keyBytes) + keyBytes + sizeOfVarint(valueBytes) + valueBytes
  const headers = record.headers ?? []
  size += sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    const headerKeyBytes = Buffer.byteLength(key)
    size += sizeOfVarint(headerKeyBytes) + headerKeyBytes + sizeOfVarint(value?.length ?? 0) + (value?.length ?? 0)
  }
  return size + sizeOfVarlong(size)
}

/** Puts a record into the last batch of the queue, or into a new one when it is full, sent, or numbered. */
export function appendToQueue(
  queue: PartitionQueue,
  item: { readonly record: RecordInput; readonly ticket: Ticket; readonly index: number; readonly sizeBytes: number },
  limits: { readonly batchBytes: number; readonly lingerUntilMs: number; readonly deadlineMs: number },
): Batch {
  const last = queue.batches.at(-1)
  const open = last !== undefined && last.state === 'queued' && last.attempts === 0 && last.sizeBytes + item.sizeBytes <= limits.batchBytes
  const batch = open ? last : newBatch(queue.topic, queue.partition, limits)
  if (!open) {
    // What stands before a newer batch waits no longer.
    if (last !== undefined) last.lingerUntilMs = Number.NEGATIVE_INFINITY
    queue.batches.push(batch)
  }
  batch.records.push(item.record)
  batch.tickets.push(item.ticket)
  batch.indexes.push(item.index)
  batch.sizeBytes += item.sizeBytes
  if (batch.sizeBytes >= limits.batchBytes) batch.lingerUntilMs = Number.NEGATIVE_INFINITY
  return batch
}

function newBatch(topic: string, partition: number, limits: { readonly lingerUntilMs: number; readonly deadlineMs: number }): Batch {
  return {
    topic,
    partition,
    records: [],
    tickets: [],
    indexes: [],
    sizeBytes: BATCH_HEADER_BYTES,
    deadlineMs: limits.deadlineMs,
    lingerUntilMs: limits.lingerUntilMs,
    state: 'queued',
    attempts: 0,
    retryAtMs: Number.NEGATIVE_INFINITY,
    failedLeader: undefined,
    lastError: undefined,
    baseSequence: -1,
    producerId: -1,
    producerEpoch: -1,
    ordinal: -1,
    maybeAppended: false,
  }
}

/** Two batches of half the records each, in the place of one that the broker finds too large. */
export function splitBatch(queue: PartitionQueue, batch: Batch): void {
  const middle = batch.records.length >>> 1
  const halves = [
    [0, middle],
    [middle, batch.records.length],
  ].map(([start, end]) => {
    const half = newBatch(batch.topic, batch.partition, { lingerUntilMs: Number.NEGATIVE_INFINITY, deadlineMs: batch.deadlineMs })
    half.records.push(...batch.records.slice(start, end))
    half.tickets.push(...batch.tickets.slice(start, end))
    half.indexes.push(...batch.indexes.slice(start, end))
    for (const record of half.records) half.sizeBytes += recordSizeBytes(record)
    return half
  })
  queue.batches.splice(queue.batches.indexOf(batch), 1, ...halves)
}

/** Gives the batch its identity and number, for good. */
export function numberBatch(queue: PartitionQueue, batch: Batch): void {
  batch.producerId = queue.producerId
  batch.producerEpoch = queue.producerEpoch
  batch.baseSequence = queue.nextSequence
  batch.ordinal = queue.nextOrdinal++
  queue.nextSequence = incrementSequence(queue.nextSequence, batch.records.length)
}

/** Another number may be given out: a broker will still know the oldest unacknowledged batch when it sees it again. */
export function mayNumber(queue: PartitionQueue): boolean {
  const oldest = queue.batches[0]
  return oldest === undefined || oldest.baseSequence < 0 || queue.nextOrdinal - oldest.ordinal < REMEMBERED_BATCHES
}

/** Nothing of the old numbering is in flight or unjudged. */
export function mayReset(queue: PartitionQueue): boolean {
  return queue.inFlightCount === 0 && !queue.batches.some(batch => batch.baseSequence >= 0 && batch.maybeAppended)
}

/** Starts numbering again at 0: under the next epoch, or (returns true) under a new producer id. */
export function resetQueue(queue: PartitionQueue): boolean {
  for (const batch of queue.batches) {
    batch.baseSequence = -1
    batch.producerId = -1
    batch.producerEpoch = -1
  }
  const takesNewId = queue.needsNewId || queue.producerEpoch >= MAX_EPOCH
  if (takesNewId) queue.producerId = queue.producerEpoch = -1
  else queue.producerEpoch++
  queue.nextSequence = 0
  queue.established = false
  queue.needsReset = false
  queue.needsNewId = false
  return takesNewId
}
