// What a follower promises its leaders: up to where its logs are durable (DESIGN rule 1). One notice a turn to each leader, for all partitions that
// moved. On the wire (util/pack.ts): [1, 1, broker epoch, [[topic id, partition, leader epoch, ackable offset] …]].
import type { Clock } from '../env/env.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { PackError, pack, type Unpacked, unpack } from '../util/pack.ts'
import type { Uuid } from '../util/uuid.ts'

export interface PartitionPromise {
  readonly topicId: Uuid
  readonly partition: number
  readonly leaderEpoch: number
  readonly ackableOffset: number
}

const TYPE = 1
const VERSION = 1
const MAX_BYTES = 4 * 1024 * 1024

export function encodePromises(brokerEpoch: number, promises: readonly PartitionPromise[]): Buffer {
  const list = promises.map(({ topicId, partition, leaderEpoch, ackableOffset }) => [topicId, partition, leaderEpoch, ackableOffset])
  return pack(TYPE, VERSION, [brokerEpoch, list])
}

/** @throws ProtocolError */
export function decodePromises(payload: Buffer): { brokerEpoch: number; promises: PartitionPromise[] } {
  try {
    const { type, version, fields } = unpack(payload, 'promises', MAX_BYTES)
    const [brokerEpoch, list] = fields
    if (type !== TYPE || version !== VERSION || !isInteger(brokerEpoch) || !Array.isArray(list)) throw new PackError('promises: malformed')
    return { brokerEpoch, promises: (list as readonly Unpacked[]).map(readPromise) }
  } catch (error) {
    if (error instanceof PackError) throw new ProtocolError(error.message)
    throw error
  }
}

function readPromise(fields: Unpacked): PartitionPromise {
  const [topicId, partition, leaderEpoch, ackableOffset] = Array.isArray(fields) ? (fields as readonly Unpacked[]) : []
  if (typeof topicId !== 'string' || !isInteger(partition) || !isInteger(leaderEpoch) || !isInteger(ackableOffset))
    throw new PackError('promises: malformed')
  return { topicId, partition, leaderEpoch, ackableOffset }
}

function isInteger(value: Unpacked | undefined): value is number {
  return Number.isSafeInteger(value)
}

/** Gathers what an event brings: things by destination, given away once at the end of its work. */
export class Gathering<T> {
  readonly #clock: Clock
  readonly #give: (to: number, things: ReadonlySet<T>) => void
  #things = new Map<number, Set<T>>()

  constructor(clock: Clock, give: (to: number, things: ReadonlySet<T>) => void) {
    this.#clock = clock
    this.#give = give
  }

  add(to: number, thing: T): void {
    if (this.#things.size === 0) this.#clock.turn(() => this.#giveAll())
    const things = this.#things.get(to)
    if (things === undefined) this.#things.set(to, new Set([thing]))
    else things.add(thing)
  }

  #giveAll(): void {
    const all = this.#things
    this.#things = new Map()
    for (const [to, things] of all) this.#give(to, things)
  }
}
