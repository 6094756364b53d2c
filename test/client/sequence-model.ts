// How the leader of a partition judges the batches of an idempotent producer (KIP-98, KIP-360), for the brokers that tests make up.
import { incrementSequence } from '../../src/protocol/batch.ts'
import * as errors from '../../src/protocol/errors.ts'

export interface NumberedBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly count: number
}

interface Known {
  epoch: number
  lastSequence: number
  recent: { first: number; last: number; offset: number }[]
}

export type Verdict =
  | { readonly type: 'append' }
  | { readonly type: 'duplicate'; readonly offset: number }
  | { readonly type: 'refuse'; readonly errorCode: number }

export class SequenceModel {
  readonly #producers = new Map<number, Known>()

  judge(batch: NumberedBatch): Verdict {
    const known = this.#producers.get(batch.producerId)
    if (batch.producerId < 0 || known === undefined) return { type: 'append' }
    const first = batch.baseSequence
    const last = incrementSequence(first, batch.count - 1)
    const twin = known.epoch === batch.producerEpoch && known.recent.find(recent => recent.first === first && recent.last === last)
    if (twin) return { type: 'duplicate', offset: twin.offset }
    if (batch.producerEpoch < known.epoch) return { type: 'refuse', errorCode: errors.INVALID_PRODUCER_EPOCH }
    const expected = batch.producerEpoch > known.epoch ? 0 : incrementSequence(known.lastSequence, 1)
    return first === expected ? { type: 'append' } : { type: 'refuse', errorCode: errors.OUT_OF_ORDER_SEQUENCE_NUMBER }
  }

  appended(batch: NumberedBatch, offset: number): void {
    if (batch.producerId < 0) return
    const known = this.#producers.get(batch.producerId)
    const first = batch.baseSequence
    const last = incrementSequence(first, batch.count - 1)
    const recent = known?.epoch === batch.producerEpoch ? known.recent : []
    this.#producers.set(batch.producerId, {
      epoch: batch.producerEpoch,
      lastSequence: last,
      recent: [...recent, { first, last, offset }].slice(-5),
    })
  }
}
