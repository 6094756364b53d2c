// What the leaders of this broker want their in-sync sets to be goes to the controller in one request a turn, one under way at a time. An answer says
// at most that a proposal was not made; what was agreed on comes with the metadata log. Until then a proposal may be in force, and is repeated.
// Facts: kafka.server.AlterPartitionManager, kafka.cluster.Partition.handleAlterPartitionError.
import type { Env, Timer } from '../env/env.ts'
import { INELIGIBLE_REPLICA, INVALID_REQUEST, NONE, OPERATION_NOT_ATTEMPTED } from '../protocol/errors.ts'
import type { LocalReplica } from './local-replica.ts'
import type { ReplicaEffect } from './replica.ts'
import type { IsrAnswer, IsrMember, IsrRequest, ReplicationWorld } from './replication.ts'

type ProposeIsr = Extract<ReplicaEffect, { type: 'proposeIsr' }>

interface Proposal extends ProposeIsr {
  readonly leaderEpoch: number
}

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1000
/** The controller is sure of these: it knows our partition epoch, and has not made the change. */
const REFUSALS: ReadonlySet<number> = new Set([INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED, INVALID_REQUEST])

export class IsrProposals {
  readonly #env: Env
  readonly #world: ReplicationWorld
  readonly #self: () => IsrMember
  /** Neither refused nor overtaken, as far as we know. */
  readonly #open = new Map<LocalReplica, Proposal>()
  /** To be sent with the next request. */
  readonly #unsent = new Set<LocalReplica>()
  #turnAsked = false
  #isUnderWay = false
  #retryMs = FIRST_RETRY_MS
  #timer: Timer | undefined
  #closed = false

  constructor(env: Env, o: { world: ReplicationWorld; self: () => IsrMember }) {
    this.#env = env
    this.#world = o.world
    this.#self = o.self
  }

  propose(replica: LocalReplica, effect: ProposeIsr): void {
    if (this.#closed) return
    const { leaderEpoch } = replica.leader!
    this.#open.set(replica, { ...effect, leaderEpoch })
    this.#unsent.add(replica)
    this.#sendSoon()
    const { newIsr, reason } = effect
    const isr = newIsr.map(({ brokerId }) => brokerId)
    this.#env.logger.log('info', 'proposed an in-sync set', { topic: replica.topic, partition: replica.partition, isr, reason })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #sendSoon(): void {
    if (this.#turnAsked || this.#isUnderWay) return
    this.#turnAsked = true
    this.#env.clock.turn(() => {
      this.#turnAsked = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#closed || this.#isUnderWay) return
    const sent = [...this.#unsent].filter(replica => this.#isOpen(replica))
    this.#unsent.clear()
    if (sent.length === 0) return
    this.#isUnderWay = true
    this.#world.alterPartition(this.#requestFor(sent)).then(
      answer => this.#answered(sent, answer),
      () => this.#answered(sent, undefined),
    )
  }

  /** The metadata log, or the end of the leadership, settles a proposal without a word to us. */
  #isOpen(replica: LocalReplica): boolean {
    const proposal = this.#open.get(replica)
    const { leader } = replica
    const isOpen =
      proposal !== undefined &&
      leader?.leaderEpoch === proposal.leaderEpoch &&
      leader.partitionEpoch === proposal.partitionEpoch &&
      leader.proposedIsr !== undefined
    if (!isOpen) this.#open.delete(replica)
    return isOpen
  }

  #requestFor(replicas: readonly LocalReplica[]): IsrRequest {
    const byTopic = new Map<string, { topicId: string; partitions: IsrRequest['topics'][number]['partitions'][number][] }>()
    for (const replica of replicas) {
      const { topicId, partition } = replica
      const { leaderEpoch, partitionEpoch, newIsr } = this.#open.get(replica)!
      let topic = byTopic.get(topicId)
      if (topic === undefined) byTopic.set(topicId, (topic = { topicId, partitions: [] }))
      topic.partitions.push({ partition, leaderEpoch, partitionEpoch, newIsr })
    }
    return { ...this.#self(), topics: [...byTopic.values()] }
  }

  #answered(sent: readonly LocalReplica[], answer: IsrAnswer | undefined): void {
    this.#isUnderWay = false
    if (this.#closed) return
    const codes = new Map<string, number>()
    for (const { topicId, partitions } of answer?.errorCode === NONE ? answer.topics : []) {
      for (const { partition, errorCode } of partitions) codes.set(`${topicId}/${partition}`, errorCode)
    }
    let areAgreed = true
    for (const replica of sent) {
      const errorCode = codes.get(`${replica.topicId}/${replica.partition}`)
      if (errorCode !== NONE) areAgreed = false
      const proposal = this.#open.get(replica)
      if (proposal === undefined || !this.#isOpen(replica)) continue
      if (errorCode !== undefined && REFUSALS.has(errorCode)) {
        this.#open.delete(replica)
        replica.isrRefused(proposal.partitionEpoch)
      }
    }
    this.#retryIn(areAgreed ? LAST_RETRY_MS : this.#retryMs)
    this.#retryMs = areAgreed ? FIRST_RETRY_MS : Math.min(LAST_RETRY_MS, 2 * this.#retryMs)
    if (this.#unsent.size > 0) this.#sendSoon()
  }

  /** What is still open then is asked for again. */
  #retryIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const replica of [...this.#open.keys()]) this.#isOpen(replica)
    if (this.#open.size === 0) return
    this.#timer = this.#env.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      for (const replica of this.#open.keys()) this.#unsent.add(replica)
      this.#send()
    })
  }
}
