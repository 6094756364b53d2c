// What must be true of a broker between any two events. Throws at the first that is not. It runs some ten thousand times a simulation: numbers first,
// texts only when something is wrong or new.

import type { Broker } from '../../broker/broker.ts'
import type { LocalReplica } from '../../broker/local-replica.ts'
import { AssertionError } from '../../util/assert.ts'

/** What a replica showed when it was last looked at. */
interface Look {
  logStartOffset: number
  /** -1: it did not lead. */
  leaderEpoch: number
  highWatermark: number
}

/** Which life of which broker led under an epoch, by topic id, partition and epoch. */
export type Leaders = Map<string, string>

/** Remembers over one broker's lives what may never go back, or come again. */
export class Invariants {
  readonly #looks = new WeakMap<LocalReplica, Look>()
  readonly #leaders: Leaders
  /** By topic id and partition. */
  readonly #logStartOffsets = new Map<string, number>()

  /** @param leaders  shared by all brokers of a cluster */
  constructor(leaders: Leaders = new Map()) {
    this.#leaders = leaders
  }

  check(broker: Pick<Broker, 'nodeId' | 'replicas'>, life: number): void {
    for (const replica of broker.replicas.all()) {
      const last = this.#looks.get(replica)
      if (last === undefined) this.#looks.set(replica, this.#firstLook(replica))
      else this.#checkReplica(replica, last, { life, brokerId: broker.nodeId })
    }
  }

  #firstLook(replica: LocalReplica): Look {
    const key = `${replica.topicId} ${replica.partition}`
    const { logStartOffset } = replica.log
    const before = this.#logStartOffsets.get(key) ?? 0
    if (logStartOffset < before) broken(replica, `its log start went back from ${before} to ${logStartOffset} in a new life`)
    return { logStartOffset, leaderEpoch: -1, highWatermark: 0 }
  }

  #checkReplica(replica: LocalReplica, last: Look, { life, brokerId }: { life: number; brokerId: number }): void {
    const { log, leader } = replica
    const { logStartOffset, flushedOffset, ackableOffset, writtenOffset, logEndOffset } = log
    if (logStartOffset > logEndOffset) broken(replica, `starts at ${logStartOffset} behind its end ${logEndOffset}`)
    if (flushedOffset > writtenOffset) broken(replica, `is flushed up to ${flushedOffset}, written up to ${writtenOffset}`)
    if (writtenOffset > logEndOffset) broken(replica, `is written up to ${writtenOffset}, its end is ${logEndOffset}`)
    if (ackableOffset > writtenOffset) broken(replica, `may be acknowledged up to ${ackableOffset}, written up to ${writtenOffset}`)
    if (logStartOffset !== last.logStartOffset) {
      if (logStartOffset < last.logStartOffset) broken(replica, `its log start went back from ${last.logStartOffset} to ${logStartOffset}`)
      last.logStartOffset = logStartOffset
      this.#logStartOffsets.set(`${replica.topicId} ${replica.partition}`, logStartOffset)
    }
    if (leader === undefined) return

    const { leaderEpoch, highWatermark } = leader
    if (highWatermark > ackableOffset) broken(replica, `shows offsets up to ${highWatermark}, and may acknowledge up to ${ackableOffset}`)
    if (leaderEpoch !== last.leaderEpoch) this.#noteLeader(replica, leaderEpoch, `${life} of broker ${brokerId}`)
    else if (highWatermark < last.highWatermark)
      broken(replica, `high watermark from ${last.highWatermark} to ${highWatermark} in epoch ${leaderEpoch}`)
    last.leaderEpoch = leaderEpoch
    last.highWatermark = highWatermark
  }

  #noteLeader(replica: LocalReplica, leaderEpoch: number, life: string): void {
    const key = `${replica.topicId} ${replica.partition} ${leaderEpoch}`
    const before = this.#leaders.get(key) ?? life
    if (before !== life) broken(replica, `is led under epoch ${leaderEpoch} by life ${life}, as before by life ${before}`)
    this.#leaders.set(key, life)
  }
}

function broken(replica: LocalReplica, how: string): never {
  throw new AssertionError(`${replica.topic}-${replica.partition}: ${how}`)
}
