// The shapes of the producer's core (sender.ts): what it knows, what happens to it, what it wants done.
import type { Random } from '../env/env.ts'
import type { RecordInput } from '../protocol/records.ts'
import type { Batch, PartitionQueue, Ticket } from './accumulator.ts'
import type { MetadataState } from './metadata.ts'
import type { Partitioner, StickyState } from './partitioner.ts'
import type { Backoff } from './retry.ts'

export interface SenderOptions {
  readonly acks: -1 | 0 | 1
  /** Only with acks -1. */
  readonly idempotent: boolean
  /** A batch holds records up to this size, uncompressed; a larger record has one of its own. */
  readonly batchBytes: number
  /** How long a batch that is not full waits for more records. */
  readonly lingerMs: number
  /** Batches for one node travel together up to this size; a larger one travels alone. */
  readonly maxRequestBytes: number
  /** Per node; with idempotence also per partition, at most 5. */
  readonly maxInFlightRequests: number
  /** From `append` to the answer, retries included. */
  readonly deliveryTimeoutMs: number
  /** How long a record waits for its topic or partition to be known. */
  readonly metadataTimeoutMs: number
  readonly backoff: Backoff
  readonly partitioner: Partitioner | undefined
}

/** One record given to `append`. */
export interface SendItem {
  readonly topic: string
  /** undefined: the partitioner chooses. */
  readonly partition: number | undefined
  readonly record: RecordInput
  readonly ticket: Ticket
  readonly index: number
  /** `recordSizeBytes` of the record. */
  readonly sizeBytes: number
  readonly deadlineMs: number
  readonly metadataDeadlineMs: number
  /** Cleared by a flush. */
  lingers: boolean
}

export interface SenderState {
  readonly options: SenderOptions
  /** Shared with the shell, which keeps it fresh and tells of changes by `metadataChanged`. */
  readonly metadata: MetadataState
  readonly random: Pick<Random, 'integer' | 'fraction'>
  /** By topic, then partition. */
  readonly topics: Map<string, (PartitionQueue | undefined)[]>
  /** Records whose topic or partition is not known yet, oldest first. */
  readonly waiting: Map<string, SendItem[]>
  readonly sticky: Map<string, StickyState>
  /** Queues with batches; the one longest without a turn first. */
  readonly active: Set<PartitionQueue>
  readonly inFlight: Map<number, RequestInFlight>
  /** Requests in flight per node. */
  readonly nodeLoad: Map<number, number>
  lastRequestId: number
  /** For queues that have no identity yet; -1: has to be asked for. */
  producerId: number
  producerEpoch: number
  identityAsked: boolean
  identityRetryAtMs: number
  identityAttempts: number
  identityError: string | undefined
  /** When `tick` has something to do. */
  wakeAtMs: number
  /** Of all records without an outcome. */
  bufferedBytes: number
}

export interface RequestInFlight {
  readonly nodeId: number
  readonly batches: readonly Batch[]
  /** Those that were given to another leader meanwhile: the answer does not concern them any more. */
  readonly abandoned: Set<Batch>
  /** Without an answer by then, somebody else is asked who leads now. */
  doubtAtMs: number
}

/** What a broker said of one batch. */
export interface BatchResult {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly baseOffset: number
  /** -1: the records keep their own timestamps. */
  readonly logAppendTimeMs: number
  readonly recordErrors: readonly { readonly batchIndex: number; readonly batchIndexErrorMessage: string | null }[]
}

export interface Failure {
  readonly code: number
  readonly message: string
  /** Which records of a batch are to blame; empty: all or none. */
  readonly recordErrors: BatchResult['recordErrors']
}

export type SenderEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'metadataChanged' }
  /** What was appended so far lingers no longer. */
  | { readonly type: 'flush' }
  | { readonly type: 'identified'; readonly producerId: number; readonly producerEpoch: number }
  | { readonly type: 'unidentified'; readonly failure: Failure; readonly retriable: boolean }
  /** `results` in the order of the request's batches; undefined: the answer does not name the batch. */
  | { readonly type: 'answered'; readonly requestId: number; readonly results: readonly (BatchResult | undefined)[] }
  /** `written`: bytes of the request may have reached the broker. */
  | { readonly type: 'unanswered'; readonly requestId: number; readonly written: boolean; readonly reason: string }
  /** Everything that has no outcome yet fails now. */
  | { readonly type: 'abandon'; readonly failure: Failure }

export type SenderEffect =
  | { readonly type: 'send'; readonly nodeId: number; readonly requestId: number; readonly batches: readonly Batch[] }
  | { readonly type: 'askIdentity' }
  /** What we believe about leaders is old. */
  | { readonly type: 'stale' }
  | { readonly type: 'delivered'; readonly batch: Batch; readonly baseOffset: number; readonly logAppendTimeMs: number }
  | {
      readonly type: 'failed'
      readonly records: { readonly tickets: readonly Ticket[]; readonly indexes: readonly number[] }
      readonly failure: Failure
    }
