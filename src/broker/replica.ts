// What the leader of one partition knows of its replicas, and the rules by which its high watermark and its in-sync set move.
// Facts: KIP-101, KIP-279, KIP-320 (fetches are validated by epoch), KIP-497 (maximal ISR), KIP-903 (incarnations), KIP-966 (min ISR);
// kafka.cluster.Partition. Where we differ from Kafka: the *ackable* offset counts (flushed by default), not the appended one, so acks=all means "on
// disk wherever it counts"; a follower's promise of it comes apart from its fetches, and counts up to where its fetches were validated in this epoch.
// So a member lags, and joins, by what it promises. And nothing is acknowledged while the lease on our registration is over.
// In-sync sets and configurations come from the metadata log alone; what the controller answers to a proposal says at most that it was not made.

import { STALE_BROKER_EPOCH } from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import type { IsrMember } from './replication.ts'

export interface LeaderReplica {
  readonly brokerId: number
  /** Of this broker's registration: goes with proposals. */
  readonly brokerEpoch: number
  readonly leaderEpoch: number
  /** The log end when this leadership began: below it the high watermark says nothing about what earlier leaders promised. */
  readonly epochStartOffset: number
  readonly lagTimeMaxMs: number
  partitionEpoch: number
  /** The committed in-sync replicas, the leader among them. */
  isr: readonly number[]
  /** Sent to the controller, and neither refused nor overtaken by the metadata log: it may be in force. Nothing else is proposed meanwhile. */
  proposedIsr: readonly number[] | undefined
  /** Refused proposals are not repeated before. */
  proposesFromMs: number
  /** min(min.insync.replicas, number of replicas). */
  effectiveMinIsr: number
  leaseUntilMs: number
  logEndOffset: number
  /** What this broker itself may promise: written or flushed, as the topic's flush.messages says. */
  ackableOffset: number
  /** Exclusive; consumers read below it. Never moves back within a leader epoch. */
  highWatermark: number
  /** Of all replicas but the leader. */
  readonly followers: Map<number, Follower>
  lastTickMs: number
  /** Bytes that came below the high watermark since this leadership began: how a parked fetch counts what it could get without reading. */
  visibleBytes: number
  /** Appended batches, oldest first; those before `firstUnseen` are below the high watermark and are forgotten from time to time. */
  readonly unseen: { readonly endOffset: number; readonly sizeBytes: number }[]
  firstUnseen: number
}

/** What the leader knows of another replica. Progress is that of one incarnation, in this leader epoch. */
export interface Follower {
  /** Whose progress it is; -1: of none so far. */
  brokerEpoch: number
  /** As registered; -1: not. */
  registeredEpoch: number
  /** Registered and not fenced. */
  isLive: boolean
  /** Of the last fetch that did not diverge; -1: none in this epoch. It holds the same records below. */
  fetchOffset: number
  /** What it said it has made durable. The message may overtake the fetch that it belongs to. */
  promisedOffset: number
  logStartOffset: number
  /** When it last held all there was. */
  caughtUpMs: number
  /** Once it holds this much, it has held all there was at `goalMs`. */
  goalOffset: number
  goalMs: number
}

/** A broker as the metadata log has it. */
export interface BrokerState {
  readonly brokerId: number
  /** -1: not registered. */
  readonly brokerEpoch: number
  readonly isLive: boolean
}

export type ReplicaEvent =
  | { readonly type: 'appended'; readonly endOffset: number; readonly sizeBytes: number }
  | { readonly type: 'ackable'; readonly endOffset: number }
  /** The disk is full: what was appended and not written is given up. */
  | { readonly type: 'cut'; readonly endOffset: number }
  /** Validated: of this leader epoch, within the log, not diverging. */
  | { readonly type: 'followerFetched'; readonly follower: IsrMember; readonly fetchOffset: number; readonly logStartOffset: number }
  | { readonly type: 'followerPromised'; readonly follower: IsrMember; readonly leaderEpoch: number; readonly ackableOffset: number }
  | { readonly type: 'brokerChanged'; readonly broker: BrokerState }
  | {
      readonly type: 'isrCommitted'
      readonly isr: readonly number[]
      readonly partitionEpoch: number
      readonly replicas: readonly BrokerState[]
    }
  /** The controller says that the proposal was not made and will not be. */
  | { readonly type: 'isrRefused'; readonly partitionEpoch: number }
  | { readonly type: 'minIsrChanged'; readonly effectiveMinIsr: number }
  | { readonly type: 'leased'; readonly untilMs: number }
  | { readonly type: 'tick' }

export type ReplicaEffect =
  | { readonly type: 'advancedHighWatermark'; readonly offset: number }
  | {
      readonly type: 'proposeIsr'
      readonly newIsr: readonly IsrMember[]
      readonly partitionEpoch: number
      readonly reason: 'lagging' | 'caught up'
    }
  | { readonly type: 'rejectFollower'; readonly follower: IsrMember; readonly errorCode: number }

export function becomeLeader(
  o: {
    brokerId: number
    brokerEpoch: number
    leaderEpoch: number
    partitionEpoch: number
    isr: readonly number[]
    /** The other replicas; the leader may stand among them. */
    replicas: readonly BrokerState[]
    effectiveMinIsr: number
    lagTimeMaxMs: number
    leaseUntilMs: number
    logStartOffset: number
    logEndOffset: number
    ackableOffset: number
    /** The last one known from before, 0 when none is. */
    highWatermark: number
  },
  now: number,
): LeaderReplica {
  assert(o.ackableOffset <= o.logEndOffset, `ackable offset ${o.ackableOffset} beyond log end ${o.logEndOffset}`)
  const replica: LeaderReplica = {
    brokerId: o.brokerId,
    brokerEpoch: o.brokerEpoch,
    leaderEpoch: o.leaderEpoch,
    epochStartOffset: o.logEndOffset,
    lagTimeMaxMs: o.lagTimeMaxMs,
    partitionEpoch: o.partitionEpoch,
    isr: o.isr,
    proposedIsr: undefined,
    proposesFromMs: 0,
    effectiveMinIsr: o.effectiveMinIsr,
    leaseUntilMs: o.leaseUntilMs,
    logEndOffset: o.logEndOffset,
    ackableOffset: o.ackableOffset,
    highWatermark: Math.min(Math.max(o.highWatermark, o.logStartOffset), o.logEndOffset),
    followers: new Map(),
    lastTickMs: now,
    visibleBytes: 0,
    unseen: [],
    firstUnseen: 0,
  }
  followReplicas(replica, o.replicas, now)
  advance(replica, now)
  // Inherited batches that may still become visible: their size is unknown here, and counts as enough for whoever waits.
  if (replica.highWatermark < o.logEndOffset) replica.unseen.push({ endOffset: o.logEndOffset, sizeBytes: UNKNOWN_SIZE_BYTES })
  return replica
}

export function step(replica: LeaderReplica, event: ReplicaEvent, now: number): readonly ReplicaEffect[] {
  switch (event.type) {
    case 'appended':
      noteAppended(replica, event, now)
      return NOTHING
    case 'ackable':
      replica.ackableOffset = event.endOffset
      return advance(replica, now)
    case 'cut':
      assert(event.endOffset >= replica.highWatermark, `log cut at ${event.endOffset}, below the high watermark ${replica.highWatermark}`)
      replica.logEndOffset = event.endOffset
      while (replica.unseen.length > replica.firstUnseen && replica.unseen.at(-1)!.endOffset > event.endOffset) replica.unseen.pop()
      return NOTHING
    case 'followerFetched':
      return noteFetch(replica, event, now)
    case 'followerPromised':
      return notePromise(replica, event, now)
    case 'brokerChanged': {
      const follower = replica.followers.get(event.broker.brokerId)
      if (follower === undefined) return NOTHING
      noteBroker(replica, follower, event.broker, now)
      return expand(replica, now)
    }
    case 'isrCommitted':
      if (event.partitionEpoch < replica.partitionEpoch) return NOTHING
      if (event.partitionEpoch > replica.partitionEpoch) replica.proposedIsr = undefined
      replica.partitionEpoch = event.partitionEpoch
      replica.isr = event.isr
      followReplicas(replica, event.replicas, now)
      return both(advance(replica, now), expand(replica, now))
    case 'isrRefused':
      if (replica.proposedIsr === undefined || event.partitionEpoch !== replica.partitionEpoch) return NOTHING
      replica.proposedIsr = undefined
      replica.proposesFromMs = now + REFUSED_REST_MS
      return advance(replica, now)
    case 'minIsrChanged':
      replica.effectiveMinIsr = event.effectiveMinIsr
      return advance(replica, now)
    case 'leased':
      replica.leaseUntilMs = event.untilMs
      return advance(replica, now)
    case 'tick':
      return both(shrink(replica, now), expand(replica, now))
  }
}

/** Whether an acks=all append may begin: enough replicas would have to hold it, and the controller still counts on us. */
export function hasEnoughReplicas(replica: LeaderReplica, now: number): boolean {
  return replica.isr.length >= replica.effectiveMinIsr && now <= replica.leaseUntilMs
}

/** Whether the high watermark covers everything earlier leaders may have acknowledged: before that, "latest" has no honest answer. */
export function knowsLatest(replica: LeaderReplica): boolean {
  return replica.highWatermark >= replica.epochStartOffset
}

/** Below this offset no live replica has records. KIP-107. */
export function lowWatermark(replica: LeaderReplica, logStartOffset: number): number {
  let low = logStartOffset
  for (const { isLive, logStartOffset: start } of replica.followers.values()) if (isLive) low = Math.min(low, start)
  return low
}

/** What the follower is known to hold for good: promised, and the same as here. */
export function ackableOffsetOf({ fetchOffset, promisedOffset }: Follower): number {
  return Math.min(fetchOffset, promisedOffset)
}

const UNKNOWN_SIZE_BYTES = 2 ** 31
const FORGOTTEN_AT_ONCE = 256
const REFUSED_REST_MS = 200
const UNKNOWN_OFFSET = -1

const NOTHING: readonly ReplicaEffect[] = []

// ------------------------------------------------------------------------------------------------------------------------ high watermark

/**
 * The high watermark: the smallest ackable offset in the maximal in-sync set (committed and proposed members). Never back, never while the committed
 * set is below min ISR, never without the lease.
 */
function advance(replica: LeaderReplica, now: number): readonly ReplicaEffect[] {
  if (!hasEnoughReplicas(replica, now)) return NOTHING
  let offset = Math.min(replica.logEndOffset, replica.ackableOffset)
  for (const [brokerId, follower] of replica.followers) {
    if (isInMaximalIsr(replica, brokerId)) offset = Math.min(offset, ackableOffsetOf(follower))
  }
  if (offset <= replica.highWatermark) return NOTHING
  replica.highWatermark = offset
  noteVisible(replica)
  return [{ type: 'advancedHighWatermark', offset }]
}

function isInMaximalIsr({ isr, proposedIsr }: LeaderReplica, brokerId: number): boolean {
  return isr.includes(brokerId) || (proposedIsr?.includes(brokerId) ?? false)
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

// ----------------------------------------------------------------------------------------------------------------------------- followers

function noteAppended(replica: LeaderReplica, event: { readonly endOffset: number; readonly sizeBytes: number }, now: number): void {
  assert(event.endOffset > replica.logEndOffset, `appended up to ${event.endOffset}, log end was ${replica.logEndOffset}`)
  // Who held all there was did so until now, however long nothing was appended.
  for (const follower of replica.followers.values()) {
    if (ackableOffsetOf(follower) < replica.logEndOffset) continue
    follower.caughtUpMs = follower.goalMs = now
    follower.goalOffset = event.endOffset
  }
  replica.logEndOffset = event.endOffset
  replica.unseen.push(event)
}

function noteFetch(
  replica: LeaderReplica,
  event: Extract<ReplicaEvent, { type: 'followerFetched' }>,
  now: number,
): readonly ReplicaEffect[] {
  assert(event.fetchOffset <= replica.logEndOffset, `fetch at ${event.fetchOffset} validated, the log ends at ${replica.logEndOffset}`)
  const follower = replica.followers.get(event.follower.brokerId)
  const rejection = fence(follower, event.follower)
  if (follower === undefined || rejection !== undefined) return rejection ?? NOTHING
  if (event.follower.brokerEpoch > follower.brokerEpoch) beginProgress(replica, follower, event.follower.brokerEpoch, now)
  // Its log got shorter: what it promised of the rest is gone.
  if (event.fetchOffset < follower.fetchOffset) follower.promisedOffset = Math.min(follower.promisedOffset, event.fetchOffset)
  follower.fetchOffset = event.fetchOffset
  follower.logStartOffset = event.logStartOffset
  return progressed(replica, event.follower.brokerId, follower, now)
}

function notePromise(
  replica: LeaderReplica,
  event: Extract<ReplicaEvent, { type: 'followerPromised' }>,
  now: number,
): readonly ReplicaEffect[] {
  const follower = replica.followers.get(event.follower.brokerId)
  const rejection = fence(follower, event.follower)
  if (follower === undefined || rejection !== undefined) return rejection ?? NOTHING
  if (event.leaderEpoch !== replica.leaderEpoch) return NOTHING
  if (event.follower.brokerEpoch > follower.brokerEpoch) beginProgress(replica, follower, event.follower.brokerEpoch, now)
  if (event.ackableOffset <= follower.promisedOffset) return NOTHING
  follower.promisedOffset = event.ackableOffset
  return progressed(replica, event.follower.brokerId, follower, now)
}

/** An earlier incarnation: what it says is of a log that may be another by now (KIP-903). */
function fence(follower: Follower | undefined, sender: IsrMember): readonly ReplicaEffect[] | undefined {
  if (follower === undefined || sender.brokerEpoch >= Math.max(follower.brokerEpoch, follower.registeredEpoch)) return undefined
  return [{ type: 'rejectFollower', follower: sender, errorCode: STALE_BROKER_EPOCH }]
}

function progressed(replica: LeaderReplica, brokerId: number, follower: Follower, now: number): readonly ReplicaEffect[] {
  const offset = ackableOffsetOf(follower)
  if (offset >= replica.logEndOffset) follower.caughtUpMs = now
  else if (offset >= follower.goalOffset) follower.caughtUpMs = follower.goalMs
  if (offset >= follower.goalOffset) {
    follower.goalOffset = replica.logEndOffset
    follower.goalMs = now
  }
  if (isInMaximalIsr(replica, brokerId)) return advance(replica, now)
  return mayJoin(replica, follower) ? expand(replica, now) : NOTHING
}

function followReplicas(replica: LeaderReplica, replicas: readonly BrokerState[], now: number): void {
  for (const brokerId of [...replica.followers.keys()]) {
    if (!replicas.some(broker => broker.brokerId === brokerId)) replica.followers.delete(brokerId)
  }
  for (const broker of replicas) {
    if (broker.brokerId === replica.brokerId) continue
    let follower = replica.followers.get(broker.brokerId)
    if (follower === undefined) {
      follower = {
        brokerEpoch: -1,
        registeredEpoch: -1,
        isLive: false,
        fetchOffset: UNKNOWN_OFFSET,
        promisedOffset: UNKNOWN_OFFSET,
        logStartOffset: UNKNOWN_OFFSET,
        caughtUpMs: now,
        goalOffset: replica.logEndOffset,
        goalMs: now,
      }
      replica.followers.set(broker.brokerId, follower)
    }
    noteBroker(replica, follower, broker, now)
  }
}

function noteBroker(replica: LeaderReplica, follower: Follower, broker: BrokerState, now: number): void {
  follower.registeredEpoch = broker.brokerEpoch
  follower.isLive = broker.isLive
  if (broker.brokerEpoch > follower.brokerEpoch) beginProgress(replica, follower, broker.brokerEpoch, now)
}

/** Nothing is known of a new incarnation, and it has its time to catch up. */
function beginProgress(replica: LeaderReplica, follower: Follower, brokerEpoch: number, now: number): void {
  follower.brokerEpoch = brokerEpoch
  follower.fetchOffset = follower.promisedOffset = follower.logStartOffset = UNKNOWN_OFFSET
  follower.caughtUpMs = follower.goalMs = now
  follower.goalOffset = replica.logEndOffset
}

// ------------------------------------------------------------------------------------------------------------------------- in-sync set

/** Members that held less than all there was for longer than replica.lag.time.max.ms leave. They count until that is agreed on. */
function shrink(replica: LeaderReplica, now: number): readonly ReplicaEffect[] {
  const { lagTimeMaxMs } = replica
  const pausedMs = now - replica.lastTickMs - lagTimeMaxMs
  replica.lastTickMs = now
  // It was us who did not listen.
  if (pausedMs > 0) {
    for (const follower of replica.followers.values()) follower.caughtUpMs = Math.min(now, follower.caughtUpMs + pausedMs + lagTimeMaxMs)
    return NOTHING
  }
  if (!mayPropose(replica, now)) return NOTHING
  const left = replica.isr.filter(brokerId => {
    const follower = replica.followers.get(brokerId)
    return follower === undefined || ackableOffsetOf(follower) >= replica.logEndOffset || now - follower.caughtUpMs <= lagTimeMaxMs
  })
  return left.length === replica.isr.length ? NOTHING : propose(replica, left, 'lagging')
}

/** Replicas that hold everything acknowledged join. They count from now on. */
function expand(replica: LeaderReplica, now: number): readonly ReplicaEffect[] {
  if (!mayPropose(replica, now)) return NOTHING
  let joined: number[] | undefined
  for (const [brokerId, follower] of replica.followers) {
    if (!replica.isr.includes(brokerId) && mayJoin(replica, follower)) (joined ??= [...replica.isr]).push(brokerId)
  }
  return joined === undefined ? NOTHING : propose(replica, joined, 'caught up')
}

function mayJoin(replica: LeaderReplica, follower: Follower): boolean {
  const { isLive, brokerEpoch, registeredEpoch } = follower
  const offset = ackableOffsetOf(follower)
  return isLive && brokerEpoch === registeredEpoch && offset >= replica.highWatermark && offset >= replica.epochStartOffset
}

function mayPropose(replica: LeaderReplica, now: number): boolean {
  return replica.proposedIsr === undefined && now >= replica.proposesFromMs
}

function propose(replica: LeaderReplica, isr: readonly number[], reason: 'lagging' | 'caught up'): readonly ReplicaEffect[] {
  replica.proposedIsr = isr
  const newIsr = isr.map(brokerId => ({
    brokerId,
    brokerEpoch: brokerId === replica.brokerId ? replica.brokerEpoch : (replica.followers.get(brokerId)?.registeredEpoch ?? -1),
  }))
  return [{ type: 'proposeIsr', newIsr, partitionEpoch: replica.partitionEpoch, reason }]
}

function both(first: readonly ReplicaEffect[], second: readonly ReplicaEffect[]): readonly ReplicaEffect[] {
  return first.length === 0 ? second : second.length === 0 ? first : [...first, ...second]
}
