// What must be true of a broker between any two events. Throws at the first that is not.

import type { Broker } from '../../broker/broker.ts'
import type { LocalReplica } from '../../broker/local-replica.ts'
import { assert } from '../../util/assert.ts'

/** Remembers over the broker's lives what may never go back, or come again. */
export class Invariants {
  /** The life that led under an epoch, and the high watermark it came to, by topic id, partition and epoch. */
  readonly #leaderships = new Map<string, { readonly life: number; highWatermark: number }>()
  readonly #logStartOffsets = new Map<string, number>()

  check(broker: Broker, life: number): void {
    for (const replica of broker.replicas.all()) this.#checkReplica(replica, life)
  }

  #checkReplica(replica: LocalReplica, life: number): void {
    const { log, leader } = replica
    const name = `${replica.topic}-${replica.partition}`
    const { logStartOffset, flushedOffset, ackableOffset, writtenOffset, logEndOffset } = log
    assert(logStartOffset <= logEndOffset, `${name} starts at ${logStartOffset} behind its end ${logEndOffset}`)
    assert(flushedOffset <= writtenOffset, `${name} is flushed up to ${flushedOffset}, written up to ${writtenOffset}`)
    assert(writtenOffset <= logEndOffset, `${name} is written up to ${writtenOffset}, its end is ${logEndOffset}`)
    assert(ackableOffset <= writtenOffset, `${name} may be acknowledged up to ${ackableOffset}, written up to ${writtenOffset}`)
    const key = `${replica.topicId} ${replica.partition}`
    assert(logStartOffset >= (this.#logStartOffsets.get(key) ?? 0), `${name}: its log start went back to ${logStartOffset}`)
    this.#logStartOffsets.set(key, logStartOffset)
    if (leader === undefined) return

    const { leaderEpoch, highWatermark } = leader
    assert(highWatermark <= ackableOffset, `${name} shows offsets up to ${highWatermark}, and may acknowledge up to ${ackableOffset}`)
    const leadership = this.#leaderships.get(`${key} ${leaderEpoch}`)
    if (leadership === undefined) {
      this.#leaderships.set(`${key} ${leaderEpoch}`, { life, highWatermark })
      return
    }
    assert(leadership.life === life, `${name} is led under epoch ${leaderEpoch} by life ${life}, as before by life ${leadership.life}`)
    assert(
      highWatermark >= leadership.highWatermark,
      `${name}: high watermark from ${leadership.highWatermark} to ${highWatermark} in epoch ${leaderEpoch}`,
    )
    leadership.highWatermark = highWatermark
  }
}
