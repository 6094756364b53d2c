// What a partition remembers of its idempotent and transactional producers, so that a retried batch is not stored twice and none is stored out
// of order (KIP-98, KIP-360; Kafka's ProducerAppendInfo, ProducerStateEntry, ProducerStateManager).
//
// A leader judges a batch (judge) before it writes and applies it (apply). Followers and recovery only apply: what stands in the log was judged.
//   - A batch whose sequences are exactly those of one of the producer's last 10 batches, in the same epoch, is a duplicate: the producer gets the
//     first answer again, and nothing is stored.
//   - A lower epoch than the known one is fenced. A higher one starts at sequence 0 and forgets the batches of the old.
//   - In one epoch each batch starts where the last one ended; after 2^31-1 comes 0. After a transaction marker that raised the epoch: at 0.
//   - A producer nobody remembers may start anywhere: its state may have expired, or its records may be gone.
//   - While a producer has a transaction open here, its batches must be transactional.
// A moved log start forgets no producer, as in Kafka since KIP-360. We differ from Kafka: 10 batches are remembered, not 5, since a producer whose leader
// moves may have five in flight to the old one and five to the new; a snapshot keeps all of them (Kafka: the last) and the
// transactions whose marker is not replicated yet (Kafka: none), so a restart answers retries like the process before it.

import {
  INVALID_PRODUCER_EPOCH,
  INVALID_TXN_STATE,
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  TRANSACTION_COORDINATOR_FENCED,
} from '../protocol/errors.ts'
import { type DataBatch, type MarkerBatch, type ProducerBatch, readProducerBatch } from './producer-batch.ts'

export { type DataBatch, type MarkerBatch, type ProducerBatch, readProducerBatch } from './producer-batch.ts'

export interface Producer {
  readonly producerId: number
  epoch: number
  /** Of the last transaction marker; -1 before the first. */
  coordinatorEpoch: number
  /** Milliseconds since 1970, of the producer's last batch or marker, by its records' time. */
  lastTimestamp: number
  /** -1: no transaction open. */
  transactionFirstOffset: number
  /** The last batches of this epoch, oldest first, at most REMEMBERED_BATCHES. */
  batches: readonly RememberedBatch[]
}

export interface RememberedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
}

export interface OpenTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface EndedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Of its marker. */
  readonly lastOffset: number
}

export interface CompletedTransaction extends EndedTransaction {
  readonly aborted: boolean
  /** Of the log up to the marker, when the marker counts. */
  readonly lastStableOffset: number
}

export type Judgement =
  | { readonly type: 'append' }
  | { readonly type: 'duplicate'; readonly of: RememberedBatch }
  | { readonly type: 'reject'; readonly errorCode: number; readonly errorMessage: string }

export const REMEMBERED_BATCHES = 10
/** With fewer producers none is forgotten for want of room (producer-budget.ts), and nobody asks which was silent longest. */
const ORDERED_FROM = 500
const MAX_SEQUENCE = 0x7fffffff
const MAX_EPOCH = 0x7fff
const APPEND: Judgement = { type: 'append' }

export class ProducerState {
  /** The longest silent first, once there are many. */
  readonly producers = new Map<number, Producer>()
  /** Open transactions by first offset, ascending. */
  readonly openTransactions = new Map<number, OpenTransaction>()
  /** Ended by a marker that the high watermark has not passed: read_committed consumers do not read them yet. */
  unreplicatedTransactions: readonly EndedTransaction[] = []

  /**
   * Whether a leader may append the batch. Changes nothing; its offsets are not looked at.
   * @param o  origin: a coordinator's batches have no sequence to check. transactionVersion: of the coordinator that sends a marker; from 2 on
   *   each transaction ends under a raised epoch
   */
  judge(it: ProducerBatch, o: { origin: 'client' | 'coordinator'; transactionVersion?: number }): Judgement {
    const producer = this.producers.get(it.producerId)
    if (producer === undefined) return APPEND
    if (it.type === 'marker') return judgeMarker(producer, it, o.transactionVersion ?? 0)
    if (o.origin === 'client') {
      const duplicate = findDuplicate(producer, it)
      if (duplicate !== undefined) return { type: 'duplicate', of: duplicate }
    }
    if (it.producerEpoch < producer.epoch) return fenced(producer, it)
    if (o.origin === 'client') {
      const expected = expectedSequence(producer, it.producerEpoch)
      if (it.firstSequence !== expected) return outOfOrder(producer, it, expected)
    }
    if (producer.transactionFirstOffset >= 0 && !it.transactional) return outsideTransaction(producer)
    return APPEND
  }

  /**
   * The batch stands in the log, or is about to, at these offsets, which are behind all applied before.
   * @returns the transaction that a marker ended, if it had records here
   */
  apply(it: ProducerBatch): CompletedTransaction | undefined {
    const producer = this.#findOrAdd(it)
    if (producer.epoch !== it.producerEpoch) {
      producer.epoch = it.producerEpoch
      producer.batches = []
    }
    producer.lastTimestamp = it.timestamp
    if (it.type === 'marker') return this.#endTransaction(producer, it)

    const { firstSequence, lastSequence, baseOffset, lastOffset, timestamp } = it
    const remembered = { firstSequence, lastSequence, baseOffset, lastOffset, timestamp }
    producer.batches = [...producer.batches.slice(1 - REMEMBERED_BATCHES), remembered]
    if (it.transactional && producer.transactionFirstOffset < 0) {
      producer.transactionFirstOffset = baseOffset
      this.openTransactions.set(baseOffset, { producerId: it.producerId, firstOffset: baseOffset })
    }
    return undefined
  }

  /** Applies the stored batch at `p`, if it is a producer's. @throws ProtocolError when a control batch cannot be read */
  replay(b: Buffer, p: number): CompletedTransaction | undefined {
    const it = readProducerBatch(b, p)
    return it === undefined ? undefined : this.apply(it)
  }

  /** read_committed consumers may read up to here, or up to the high watermark when this is undefined or above it. */
  get firstUnstableOffset(): number | undefined {
    let [first] = this.openTransactions.keys()
    for (const ended of this.unreplicatedTransactions) {
      if (first === undefined || ended.firstOffset < first) first = ended.firstOffset
    }
    return first
  }

  /** The high watermark, or the log start, moved there: transactions whose marker lies below count from now on. No producer is forgotten. */
  replicatedUpTo(offset: number): void {
    const ended = this.unreplicatedTransactions
    if (ended.some(transaction => transaction.lastOffset < offset)) {
      this.unreplicatedTransactions = ended.filter(transaction => transaction.lastOffset >= offset)
    }
  }

  /** Forgets at most so many producers without an open transaction, those silent longest. @returns how many */
  forgetSilent(count: number): number {
    let removed = 0
    for (const producer of this.producers.values()) {
      if (removed === count) break
      if (producer.transactionFirstOffset >= 0) continue
      this.producers.delete(producer.producerId)
      removed++
    }
    return removed
  }

  /** Forgets producers without an open transaction that have been silent for expirationMs. @returns how many */
  removeExpired(o: { now: number; expirationMs: number }): number {
    let removed = 0
    for (const producer of this.producers.values()) {
      if (producer.transactionFirstOffset >= 0 || o.now - producer.lastTimestamp < o.expirationMs) continue
      this.producers.delete(producer.producerId)
      removed++
    }
    return removed
  }

  #findOrAdd({ producerId, producerEpoch: epoch }: ProducerBatch): Producer {
    const known = this.producers.get(producerId)
    if (known !== undefined) {
      if (this.producers.size > ORDERED_FROM) {
        this.producers.delete(producerId)
        this.producers.set(producerId, known)
      }
      return known
    }
    const producer: Producer = { producerId, epoch, coordinatorEpoch: -1, lastTimestamp: -1, transactionFirstOffset: -1, batches: [] }
    this.producers.set(producerId, producer)
    return producer
  }

  #endTransaction(producer: Producer, marker: MarkerBatch): CompletedTransaction | undefined {
    const firstOffset = producer.transactionFirstOffset
    producer.coordinatorEpoch = marker.coordinatorEpoch
    producer.transactionFirstOffset = -1
    if (firstOffset < 0) return undefined
    this.openTransactions.delete(firstOffset)
    const ended = { producerId: marker.producerId, firstOffset, lastOffset: marker.offset }
    this.unreplicatedTransactions = [...this.unreplicatedTransactions, ended]
    const [nextOpen] = this.openTransactions.keys()
    return { ...ended, aborted: marker.aborts, lastStableOffset: nextOpen ?? marker.offset + 1 }
  }
}

function findDuplicate(producer: Producer, it: DataBatch): RememberedBatch | undefined {
  if (it.producerEpoch !== producer.epoch) return undefined
  return producer.batches.find(known => known.firstSequence === it.firstSequence && known.lastSequence === it.lastSequence)
}

function expectedSequence(producer: Producer, epoch: number): number {
  const last = epoch === producer.epoch ? producer.batches.at(-1) : undefined
  if (last === undefined || last.lastSequence === MAX_SEQUENCE) return 0
  return last.lastSequence + 1
}

/**
 * A coordinator of transaction version 2 or later raises the epoch before each marker, so one of the known epoch is late or repeated. Repeated
 * after its transaction ended it is harmless and let through (KAFKA-19999); so is the largest epoch, which cannot be raised.
 */
function judgeMarker(producer: Producer, it: MarkerBatch, transactionVersion: number): Judgement {
  const repeated = it.producerEpoch === producer.epoch && (producer.transactionFirstOffset < 0 || producer.epoch === MAX_EPOCH)
  const raised = transactionVersion < 2 || it.producerEpoch > producer.epoch || repeated
  if (it.producerEpoch < producer.epoch || !raised) return fenced(producer, it)
  if (it.coordinatorEpoch < producer.coordinatorEpoch) {
    return reject(
      TRANSACTION_COORDINATOR_FENCED,
      `The marker for producer ${it.producerId} has coordinator epoch ${it.coordinatorEpoch}, one of epoch ${producer.coordinatorEpoch} was seen`,
    )
  }
  return APPEND
}

function outsideTransaction(producer: Producer): Judgement {
  return reject(
    INVALID_TXN_STATE,
    `Producer ${producer.producerId} has a transaction open from offset ${producer.transactionFirstOffset}, the batch is not part of it`,
  )
}

function fenced(producer: Producer, it: ProducerBatch): Judgement {
  return reject(INVALID_PRODUCER_EPOCH, `Producer ${it.producerId} has epoch ${producer.epoch}, the batch has ${it.producerEpoch}`)
}

function outOfOrder(producer: Producer, it: DataBatch, expected: number): Judgement {
  const where = it.producerEpoch === producer.epoch ? '' : `, the first of its epoch ${it.producerEpoch}`
  return reject(
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    `Producer ${it.producerId} sent sequence ${it.firstSequence}, expected is ${expected}${where}`,
  )
}

function reject(errorCode: number, errorMessage: string): Judgement {
  return { type: 'reject', errorCode, errorMessage }
}
