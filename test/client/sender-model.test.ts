// The producer's core against a broker of a hundred lines that loses requests and answers, refuses, moves leaders and resets connections.
// Whatever the seed: no record stands twice in a log, the order is the order of `append`, what was acknowledged is there.
import { describe, expect, test } from 'vitest'
import { type Batch, recordSizeBytes, type Ticket } from '../../src/client/accumulator.ts'
import { emptyMetadata, leaderOf, step as stepMetadata } from '../../src/client/metadata.ts'
import { append, openSender, step } from '../../src/client/sender.ts'
import type { BatchResult, SenderEvent } from '../../src/client/sender-state.ts'
import * as errors from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { seeded } from '../net/fake-world.ts'
import { SequenceModel } from './sequence-model.ts'

type Random = (bound: number) => number
interface Sent {
  readonly requestId: number
  readonly copies: readonly Copy[]
}
/** What left on the wire: the batch in flight may be changed later. */
type Copy = Pick<Batch, 'topic' | 'partition' | 'producerId' | 'producerEpoch' | 'baseSequence'> & { readonly values: readonly number[] }

/** One partition as its leader keeps it. */
class LogModel {
  readonly values: number[] = []
  readonly #sequences = new SequenceModel()

  append(copy: Copy): { errorCode: number; baseOffset: number } {
    const batch = { ...copy, count: copy.values.length }
    const verdict = this.#sequences.judge(batch)
    if (verdict.type === 'refuse') return { errorCode: verdict.errorCode, baseOffset: -1 }
    if (verdict.type === 'duplicate') return { errorCode: 0, baseOffset: verdict.offset }
    const baseOffset = this.values.length
    this.values.push(...copy.values)
    this.#sequences.appended(batch, baseOffset)
    return { errorCode: 0, baseOffset }
  }
}

const PARTITIONS = 3
const NODES = 2
/** Values that the broker refuses for good. */
const isBad = (value: number) => value % 97 === 13

class WorldModel {
  readonly random: Random
  readonly logs = Array.from({ length: PARTITIONS }, () => new LogModel())
  readonly leaders = Array.from({ length: PARTITIONS }, (_, p) => ({ leaderId: p % NODES, leaderEpoch: 1 }))
  /** Per node: requests on the connection, oldest first. */
  readonly wires = Array.from({ length: NODES }, (): Sent[] => [])
  readonly delivered = new Map<number, { partition: number; offset: number }>()
  readonly failed = new Map<number, string>()
  readonly metadata = emptyMetadata({ maxAgeMs: 1e9, maxIdleMs: 1e9, backoff: { initialMs: 10, maxMs: 100 } })
  readonly state
  faults = true
  now = 0
  identities = 100
  identityWanted = false

  constructor(seed: number) {
    this.random = seeded(seed)
    const options = {
      acks: -1 as const,
      idempotent: true,
      batchBytes: 80 + this.random(200),
      lingerMs: this.random(3) * 5,
      maxRequestBytes: 200 + this.random(1000),
      maxInFlightRequests: 5,
      deliveryTimeoutMs: this.random(3) === 0 ? 1500 : 1e6,
      metadataTimeoutMs: 1e6,
      backoff: { initialMs: 10, maxMs: 100 },
      partitioner: undefined,
    }
    this.state = openSender(options, this.metadata, { integer: this.random, fraction: () => this.random(100) / 100 })
    this.learn()
  }

  do(event: SenderEvent): void {
    for (const effect of step(this.state, event, this.now)) {
      if (effect.type === 'send') {
        const copies = effect.batches.map(batch => ({ ...batch, values: batch.records.map(record => Number(String(record.value))) }))
        this.wires[effect.nodeId]!.push({ requestId: effect.requestId, copies })
      } else if (effect.type === 'askIdentity') {
        this.identityWanted = true
      } else if (effect.type === 'delivered') {
        effect.batch.indexes.forEach((value, i) => {
          expect(this.delivered.has(value) || this.failed.has(value)).toBe(false)
          this.delivered.set(value, { partition: effect.batch.partition, offset: effect.baseOffset + i })
        })
      } else if (effect.type === 'failed') {
        for (const value of effect.records.indexes) {
          expect(this.delivered.has(value) || this.failed.has(value)).toBe(false)
          this.failed.set(value, errors.errorName(effect.failure.code))
        }
      }
    }
  }

  append(value: number, partition: number): void {
    const record = { key: null, value: Buffer.from(String(value)), timestamp: 0 }
    const item = { topic: 't', partition, record, ticket: NOBODY, index: value, sizeBytes: recordSizeBytes(record), lingers: true }
    append(
      this.state,
      { ...item, deadlineMs: this.now + this.state.options.deliveryTimeoutMs, metadataDeadlineMs: this.now + 1e6 },
      this.now,
    )
  }

  /** The metadata catches up with the leaders. */
  learn(): void {
    const brokers = Array.from({ length: NODES }, (_, nodeId) => ({ nodeId, host: 'h', port: 1, rack: null }))
    const partitions = this.leaders.map((leader, partition) => ({ partition, errorCode: 0, ...leader, replicas: [], isr: [] }))
    this.metadata.wanted.set('t', this.now)
    this.metadata.asking = ['t']
    const topics = [{ errorCode: 0, topic: { name: 't', topicId: ZERO_UUID, isInternal: false, partitions } }]
    stepMetadata(this.metadata, { type: 'answered', answer: { clusterId: null, controllerId: 0, brokers, topics }, fraction: 0 }, this.now)
    this.do({ type: 'metadataChanged' })
    expect(leaderOf(this.metadata, 't', 0)).toMatchObject(this.leaders[0]!)
  }

  /** A node reads its oldest request; the answer comes, or the connection breaks before or after. */
  serve(nodeId: number): void {
    const sent = this.wires[nodeId]!.shift()
    if (sent === undefined) return
    const fate = this.faults ? this.random(20) : 19
    if (fate === 0) {
      this.reset(nodeId, [sent])
      return
    }
    const results = sent.copies.map((copy): BatchResult => ({ ...NO_RESULT, ...this.judge(copy, nodeId) }))
    if (fate === 1) {
      this.reset(nodeId, [sent])
      return
    }
    this.do({ type: 'answered', requestId: sent.requestId, results })
  }

  judge(copy: Copy, nodeId: number): { errorCode: number; baseOffset: number } {
    const refuse = (errorCode: number) => ({ errorCode, baseOffset: -1 })
    if (this.leaders[copy.partition]!.leaderId !== nodeId) return refuse(errors.NOT_LEADER_OR_FOLLOWER)
    const fate = this.faults ? this.random(40) : 39
    if (fate === 0) return refuse(errors.NOT_ENOUGH_REPLICAS)
    if (copy.values.some(isBad)) return refuse(errors.INVALID_RECORD)
    if (copy.values.length > 4) return refuse(errors.MESSAGE_TOO_LARGE)
    const verdict = this.logs[copy.partition]!.append(copy)
    // Written, and then the leader was deposed, or the replicas did not follow in time.
    if (fate === 1) return refuse(errors.NOT_LEADER_OR_FOLLOWER)
    if (fate === 2) return refuse(errors.REQUEST_TIMED_OUT)
    if (fate === 3) return refuse(errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    return verdict
  }

  /** Whatever was under way with this node has no answer; the node may still have read part of it. */
  reset(nodeId: number, first: Sent[]): void {
    const wire = this.wires[nodeId]!.splice(0)
    const read = this.random(wire.length + 1)
    for (const sent of wire.slice(0, read)) for (const copy of sent.copies) this.judge(copy, nodeId)
    for (const sent of [...first, ...wire]) {
      this.do({ type: 'unanswered', requestId: sent.requestId, written: true, reason: 'ECONNRESET' })
    }
  }

  move(): void {
    const leader = this.leaders[this.random(PARTITIONS)]!
    leader.leaderId = this.random(NODES)
    leader.leaderEpoch++
  }

  identify(): void {
    if (!this.identityWanted) return
    this.identityWanted = false
    if (this.faults && this.random(3) === 0) {
      this.do({ type: 'unidentified', failure: { code: 15, message: 'loading', recordErrors: [] }, retriable: true })
    } else this.do({ type: 'identified', producerId: this.identities++, producerEpoch: this.random(5) === 0 ? 0x7ffe : 0 })
  }
}

const NOBODY: Ticket = { delivered: () => undefined, failed: () => undefined }
const NO_RESULT = { errorMessage: null, logAppendTimeMs: -1, recordErrors: [] }

describe('the idempotent producer against a faulty broker', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))('neither doubles, reorders nor loses (seed %i)', seed => {
    const world = new WorldModel(seed)
    const { random } = world
    const records = 400
    let next = 0
    for (let turn = 0; turn < 6000 && (next < records || world.delivered.size + world.failed.size < records); turn++) {
      world.faults = turn < 3000
      const dice = random(100)
      if (dice < 30 && next < records) for (let n = random(8); n > 0 && next < records; n--) world.append(next++, random(PARTITIONS))
      if (dice < 70) world.serve(random(NODES))
      else if (dice < 80) world.identify()
      else if (dice < 84 && world.faults) world.move()
      else if (dice < 90) world.learn()
      world.now += random(20)
      world.do({ type: 'tick' })
    }
    expect(world.delivered.size + world.failed.size).toBe(records)
    expect(world.state.bufferedBytes).toBe(0)
    expect(world.state.active.size).toBe(0)
    world.logs.forEach((log, partition) => {
      expect(log.values).toEqual([...new Set(log.values)].sort((a, b) => a - b))
      for (const [value, at] of world.delivered) if (at.partition === partition) expect(log.values[at.offset]).toBe(value)
    })
    const timed = world.state.options.deliveryTimeoutMs < 1e6
    for (const [value, reason] of world.failed) {
      if (!isBad(value) && !timed) expect(reason).toBe('INVALID_RECORD')
    }
    if (!timed) expect(world.delivered.size).toBeGreaterThan(records / 2)
  })
})
