// How a producer's callers learn what became of their records: one promise per record, or one for many. Part of the shell in producer.ts.
import { KafkaError } from '../protocol/errors.ts'
import type { Batch, DeliveredRecord, Ticket } from './accumulator.ts'
import type { Occupancy } from './operation.ts'
import type { SenderEffect } from './sender-state.ts'

/** The records given between two flushes. */
export interface Wave {
  readonly occupancy: Occupancy
  unsettled: number
  onSettled: (() => void) | undefined
}

function settle(wave: Wave, count: number): void {
  wave.unsettled -= count
  wave.occupancy.leave(count)
  if (wave.unsettled === 0) wave.onSettled?.()
}

/** Counts records that are about to be given. */
export function expectRecords(wave: Wave, count: number): void {
  wave.unsettled += count
  wave.occupancy.enter(count)
}

export class RecordTicket implements Ticket {
  readonly #wave: Wave
  readonly #resolve: (result: DeliveredRecord) => void
  readonly #reject: (error: Error) => void

  constructor(wave: Wave, resolve: (result: DeliveredRecord) => void, reject: (error: Error) => void) {
    this.#wave = wave
    this.#resolve = resolve
    this.#reject = reject
  }

  delivered(_index: number, result: DeliveredRecord): void {
    this.#resolve(result)
    settle(this.#wave, 1)
  }

  failed(_index: number, error: Error): void {
    this.#reject(error)
    settle(this.#wave, 1)
  }
}

export class BatchTicket implements Ticket {
  readonly #wave: Wave
  readonly #results: DeliveredRecord[]
  readonly #resolve: (results: DeliveredRecord[]) => void
  readonly #reject: (error: Error) => void
  #unsettled: number
  #failedCount = 0
  #failure: Error | undefined

  constructor(wave: Wave, count: number, resolve: (results: DeliveredRecord[]) => void, reject: (error: Error) => void) {
    this.#wave = wave
    this.#results = new Array(count)
    this.#unsettled = count
    this.#resolve = resolve
    this.#reject = reject
  }

  delivered(index: number, result: DeliveredRecord): void {
    this.#results[index] = result
    this.#count()
  }

  failed(_index: number, error: Error): void {
    this.#failure ??= error
    this.#failedCount++
    this.#count()
  }

  #count(): void {
    if (--this.#unsettled > 0) return
    const count = this.#results.length
    if (this.#failure === undefined) this.#resolve(this.#results)
    else this.#reject(this.#failedCount === 1 ? this.#failure : withCount(this.#failure, this.#failedCount, count))
    settle(this.#wave, count)
  }
}

export function tellDelivered(batch: Batch, baseOffset: number, logAppendTimeMs: number): void {
  const { topic, partition, records, tickets, indexes } = batch
  for (let i = 0; i < records.length; i++) {
    const offset = baseOffset < 0 ? -1 : baseOffset + i
    const timestamp = logAppendTimeMs < 0 ? records[i]!.timestamp : logAppendTimeMs
    tickets[i]!.delivered(indexes[i]!, { topic, partition, offset, timestamp })
  }
}

export function tellFailed({ records, failure }: Extract<SenderEffect, { type: 'failed' }>): void {
  const { tickets, indexes } = records
  const blamed = new Map(failure.recordErrors.map(({ batchIndex, batchIndexErrorMessage }) => [batchIndex, batchIndexErrorMessage]))
  for (let i = 0; i < tickets.length; i++) {
    const own = blamed.get(i)
    const message =
      blamed.size === 0 ? failure.message : own === undefined ? 'another record of the same batch was refused' : (own ?? failure.message)
    tickets[i]!.failed(indexes[i]!, new KafkaError(failure.code, message))
  }
}

function withCount(failure: Error, failedCount: number, count: number): Error {
  if (!(failure instanceof KafkaError)) return failure
  return new KafkaError(failure.code, `${failedCount} of ${count} records failed, the first: ${failure.message}`, { cause: failure })
}
