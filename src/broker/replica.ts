// What the leader of one partition knows, and the rules by which its high watermark moves.
// Facts: KIP-101, KIP-279, KIP-966; kafka.cluster.Partition. We differ from Kafka: the *ackable* offset counts (flushed by default), not the
// appended one, so acks=all means "on disk wherever it counts".

import { assert } from '../util/assert.ts'

export interface LeaderReplica {
  readonly brokerId: number
  readonly leaderEpoch: number
  /** The log end when this leadership began: below it the high watermark says nothing about what earlier leaders promised. */
  readonly epochStartOffset: number
  partitionEpoch: number
  /** The committed in-sync replicas, the leader among them. */
  isr: readonly number[]
  /** min(min.insync.replicas, number of replicas). */
  effectiveMinIsr: number
  logEndOffset: number
  /** Exclusive; consumers read below it. Never moves back within a leader epoch. */
  highWatermark: number
  /** Bytes that came below the high watermark since this leadership began: how a parked fetch counts what it could get without reading. */
  visibleBytes: number
  /** What each replica may promise: written or flushed, as the topic's flush.messages says. */
  readonly ackable: Map<number, number>
  /** Appended batches, oldest first; those before `firstUnseen` are below the high watermark and are forgotten from time to time. */
  readonly unseen: { readonly endOffset: number; readonly sizeBytes: number }[]
  firstUnseen: number
}

export type ReplicaEvent =
  | { readonly type: 'appended'; readonly endOffset: number; readonly sizeBytes: number }
  | { readonly type: 'ackable'; readonly endOffset: number }
  /** The disk is full: what was appended and not written is given up. */
  | { readonly type: 'cut'; readonly endOffset: number }
  | { readonly type: 'isrCommitted'; readonly isr: readonly number[]; readonly partitionEpoch: number }
  | { readonly type: 'minIsrChanged'; readonly effectiveMinIsr: number }

export type ReplicaEffect = { readonly type: 'advancedHighWatermark'; readonly offset: number }

export function becomeLeader(o: {
  brokerId: number
  leaderEpoch: number
  partitionEpoch: number
  isr: readonly number[]
  effectiveMinIsr: number
  logEndOffset: number
  ackableOffset: number
  /** The last one known from before, 0 when none is. */
  highWatermark: number
}): LeaderReplica {
  assert(o.ackableOffset <= o.logEndOffset, `ackable offset ${o.ackableOffset} beyond log end ${o.logEndOffset}`)
  const replica: LeaderReplica = {
    brokerId: o.brokerId,
    leaderEpoch: o.leaderEpoch,
    epochStartOffset: o.logEndOffset,
    partitionEpoch: o.partitionEpoch,
    isr: o.isr,
    effectiveMinIsr: o.effectiveMinIsr,
    logEndOffset: o.logEndOffset,
    highWatermark: Math.min(o.highWatermark, o.logEndOffset),
    visibleBytes: 0,
    ackable: new Map([[o.brokerId, o.ackableOffset]]),
    unseen: [],
    firstUnseen: 0,
  }
  advance(replica)
  // Inherited batches that may still become visible: their size is unknown here, and counts as enough for whoever waits.
  if (replica.highWatermark < o.logEndOffset) replica.unseen.push({ endOffset: o.logEndOffset, sizeBytes: UNKNOWN_SIZE_BYTES })
  return replica
}

export function step(replica: LeaderReplica, event: ReplicaEvent): readonly ReplicaEffect[] {
  switch (event.type) {
    case 'appended':
      assert(event.endOffset > replica.logEndOffset, `appended up to ${event.endOffset}, log end was ${replica.logEndOffset}`)
      replica.logEndOffset = event.endOffset
      replica.unseen.push(event)
      return NOTHING
    case 'ackable':
      replica.ackable.set(replica.brokerId, event.endOffset)
      return advance(replica)
    case 'cut':
      assert(event.endOffset >= replica.highWatermark, `log cut at ${event.endOffset}, below the high watermark ${replica.highWatermark}`)
      replica.logEndOffset = event.endOffset
      while (replica.unseen.length > replica.firstUnseen && replica.unseen.at(-1)!.endOffset > event.endOffset) replica.unseen.pop()
      return NOTHING
    case 'isrCommitted':
      if (event.partitionEpoch < replica.partitionEpoch) return NOTHING
      replica.partitionEpoch = event.partitionEpoch
      replica.isr = event.isr
      return advance(replica)
    case 'minIsrChanged':
      replica.effectiveMinIsr = event.effectiveMinIsr
      return advance(replica)
  }
}

/** Whether an acks=all append may begin. */
export function hasEnoughReplicas(replica: LeaderReplica): boolean {
  return replica.isr.length >= replica.effectiveMinIsr
}

/** Whether the high watermark covers everything earlier leaders may have acknowledged: before that, "latest" has no honest answer. */
export function knowsLatest(replica: LeaderReplica): boolean {
  return replica.highWatermark >= replica.epochStartOffset
}

const UNKNOWN_SIZE_BYTES = 2 ** 31
const FORGOTTEN_AT_ONCE = 256

const NOTHING: readonly ReplicaEffect[] = []

/** The high watermark: the smallest ackable offset in the in-sync set. Never back, never while the set is below min ISR. */
function advance(replica: LeaderReplica): readonly ReplicaEffect[] {
  if (!hasEnoughReplicas(replica)) return NOTHING
  let offset = replica.logEndOffset
  for (const member of replica.isr) offset = Math.min(offset, replica.ackable.get(member) ?? 0)
  if (offset <= replica.highWatermark) return NOTHING
  replica.highWatermark = offset
  noteVisible(replica)
  return [{ type: 'advancedHighWatermark', offset }]
}

function noteVisible(replica: LeaderReplica): void {
  const { unseen, highWatermark } = replica
  let first = replica.firstUnseen
  while (first < unseen.length && unseen[first]!.endOffset <= highWatermark) replica.visibleBytes += unseen[first++]!.sizeBytes
  if (first === unseen.length) {
    unseen.length = first = 0
  } else if (first > FORGOTTEN_AT_ONCE) {
    unseen.splice(0, first)
    first = 0
  }
  replica.firstUnseen = first
}
