// What a leader does: it keeps account of who has what, answers fetches, moves the high watermark, and gives up when a majority is silent.
// KIP-595; Raft §5.3, §5.4.2; check-quorum: thesis §6.2.
import { assert } from '../util/assert.ts'
import { appendTo, endOfEpoch, epochAt } from './log-index.ts'
import type { Fetch, FetchAnswer, FetchSnapshot, FlushNews } from './messages.ts'
import { electionWait, loseLeader, send, tellLeadership } from './roles.ts'
import type { RaftState, Step } from './state.ts'
import type { ReplicaProgress } from './types.ts'
import { isOnlyVoter, majorityOf, peersOf } from './voters.ts'

/** An observer that was not heard for so long is not told of any more. */
const OBSERVER_FORGOTTEN_MS = 300_000

type Question = Pick<Fetch, 'fetchOffset' | 'lastEpoch'>

export function becomeLeader(step: Step): void {
  const { state, now } = step
  assert(state.votedFor === state.nodeId && state.savedEpoch === state.epoch, `elected in epoch ${state.epoch} without a saved vote`)
  loseLeader(state)
  state.role = 'leader'
  state.leaderId = state.nodeId
  state.isHasty = false
  state.electionAt = Number.POSITIVE_INFINITY
  state.silenceCountsFrom = now
  state.replicas.clear()
  for (const { nodeId, directoryId } of peersOf(state)) addReplica(state, { nodeId, directoryId, isVoter: true })
  // What a quorum of one has on disk is agreed; nobody else could have agreed on anything.
  if (isOnlyVoter(state)) advanceHighWatermark(step, state.log.flushedOffset)
  else state.announceAt = now + announceEveryMs(state)
  tellLeadership(step)
  for (const { nodeId } of peersOf(state)) send(step, nodeId, { type: 'beginQuorumEpoch' })
  appendProposals(step, [[Buffer.alloc(0)]])
}

/** Leads no more, and says who should. This node waits longer than any of them. Thesis §3.10, §6.2; KIP-595 (EndQuorumEpoch). */
export function resign(step: Step): void {
  const { state, now } = step
  if (state.role !== 'leader' || isOnlyVoter(state)) return
  const successors = [...state.replicas.values()]
    .filter(({ isVoter }) => isVoter)
    .sort((a, b) => b.flushedOffset - a.flushedOffset || a.nodeId - b.nodeId)
    .map(({ nodeId }) => nodeId)
  for (const to of successors) send(step, to, { type: 'endQuorumEpoch', successors })
  state.lastLeaderId = state.nodeId
  loseLeader(state)
  state.electionAt = now + state.electionTimeoutMs + electionWait(step)
}

/** Each proposal is one batch. */
export function appendProposals(step: Step, proposals: readonly (readonly Uint8Array[])[]): void {
  const { state, effects } = step
  assert(state.role === 'leader', `a ${state.role} proposes`)
  const { epoch, log } = state
  const batches = proposals.map(payloads => {
    const baseOffset = log.endOffset
    appendTo(log, { baseOffset, epoch, count: payloads.length })
    return { baseOffset, epoch, payloads }
  })
  effects.push({ type: 'append', batches })
  answerParked(step)
}

export function onFetch(step: Step, fetch: Fetch): void {
  const { state, now } = step
  const { from, fetchOffset, lastEpoch, highWatermark } = fetch
  if (state.role !== 'leader' || fetch.epoch !== state.epoch) return void refuse(step, from)
  const replica = replicaOf(state, fetch)
  replica.parked = undefined
  const verdict = compare(state, fetch)
  noteFetch(step, replica, fetchOffset)
  if (verdict !== 'agrees') return void send(step, from, { ...answerTo(state, fetch), ...verdict })
  noteFlushed(step, replica, fetch)
  if (fetchOffset < state.log.endOffset || highWatermark < state.highWatermark) return void answer(step, from, fetch)
  replica.parked = { fetchOffset, lastEpoch, highWatermark, until: now + state.fetchTimeoutMs / 3 }
}

export function onFlushNews(step: Step, news: FlushNews): void {
  const { state, now } = step
  if (state.role !== 'leader' || news.epoch !== state.epoch) return void refuse(step, news.from)
  const replica = replicaOf(state, news)
  replica.lastFetchAt = now
  if (compare(state, news) === 'agrees') noteFlushed(step, replica, news)
}

export function onFetchSnapshot(step: Step, { from, directoryId, epoch, snapshot, index }: FetchSnapshot): void {
  const { state, now, effects } = step
  if (state.role !== 'leader' || epoch !== state.epoch) return void refuse(step, from)
  replicaOf(state, { from, directoryId }).lastFetchAt = now
  const envelope = { from: state.nodeId, directoryId: state.directoryId, to: from, epoch }
  effects.push({
    type: 'sendChunk',
    answer: { type: 'snapshotChunk', ...envelope, snapshot, index, chunkCount: 0, chunk: Buffer.alloc(0) },
  })
}

/** @param offset  a majority of the voters has everything before it on disk */
export function advanceHighWatermark(step: Step, offset: number): void {
  const { state, effects } = step
  if (offset <= state.highWatermark) return
  assert(offset <= state.log.endOffset, `high watermark ${offset} beyond the end of the log ${state.log.endOffset}`)
  state.highWatermark = offset
  effects.push({ type: 'committed', endOffset: offset })
  answerParked(step)
}

/** Only an entry of the leader's own epoch commits, and with it everything before (Raft §5.4.2, figure 8). */
export function countFlushed(step: Step): void {
  const { state } = step
  if (state.role !== 'leader') return
  const flushed = [...state.replicas.values()].filter(({ isVoter }) => isVoter).map(({ flushedOffset }) => flushedOffset)
  flushed.push(state.log.flushedOffset)
  const offset = flushed.sort((a, b) => b - a)[majorityOf(state.voters) - 1]!
  if (offset > state.highWatermark && epochAt(state.log, offset - 1) === state.epoch) advanceHighWatermark(step, offset)
}

export function onLeaderTick(step: Step): void {
  const { state, now } = step
  if (now >= silenceEndsAt(state)) return void resign(step)
  answerParked(step)
  if (now < state.announceAt) return
  const every = announceEveryMs(state)
  state.announceAt = now + every
  for (const replica of state.replicas.values()) {
    if (replica.isVoter && replica.lastFetchAt <= now - every) send(step, replica.nodeId, { type: 'beginQuorumEpoch' })
    if (!replica.isVoter && replica.lastFetchAt <= now - OBSERVER_FORGOTTEN_MS) state.replicas.delete(replicaKey(replica))
  }
}

/** When too many voters will have been silent for too long. */
export function silenceEndsAt(state: RaftState): number {
  const needed = majorityOf(state.voters) - 1
  if (needed === 0) return Number.POSITIVE_INFINITY
  const heardAt = [...state.replicas.values()].filter(({ isVoter }) => isVoter).map(({ lastFetchAt }) => lastFetchAt)
  const latestOfMajority = heardAt.sort((a, b) => b - a)[needed - 1]!
  return Math.max(latestOfMajority, state.silenceCountsFrom) + 1.5 * state.fetchTimeoutMs
}

export function nextParkedUntil({ replicas }: RaftState): number {
  let next = Number.POSITIVE_INFINITY
  for (const { parked } of replicas.values()) if (parked !== undefined && parked.until < next) next = parked.until
  return next
}

/** This node leads no more: who waits for its answer looks elsewhere. */
export function refuseParked(step: Step): void {
  for (const replica of step.state.replicas.values()) {
    if (replica.parked !== undefined) refuse(step, replica.nodeId)
    replica.parked = undefined
  }
}

function refuse(step: Step, to: number): void {
  send(step, to, { type: 'fetchRefused', leaderId: step.state.leaderId })
}

function answerParked(step: Step): void {
  const { state, now } = step
  for (const replica of state.replicas.values()) {
    const { parked } = replica
    if (parked === undefined) continue
    if (parked.fetchOffset >= state.log.endOffset && parked.highWatermark >= state.highWatermark && now < parked.until) continue
    replica.parked = undefined
    answer(step, replica.nodeId, parked)
  }
}

/** The logs agree up to where the question ends. */
function answer(step: Step, to: number, question: Question): void {
  const { state, effects } = step
  const body = answerTo(state, question)
  if (question.fetchOffset === state.log.endOffset) return void send(step, to, body)
  const envelope = { from: state.nodeId, directoryId: state.directoryId, to, epoch: state.epoch }
  effects.push({ type: 'sendBatches', answer: { ...body, ...envelope } })
}

function answerTo({ highWatermark }: RaftState, { fetchOffset, lastEpoch }: Question) {
  return { type: 'fetchAnswer', fetchOffset, lastEpoch, highWatermark, diverging: null, snapshot: null, batches: [] } as const
}

/** Does a log that ends there agree with ours? KIP-595, KIP-630. */
function compare(
  { log, snapshot }: RaftState,
  { fetchOffset, lastEpoch }: Question,
): 'agrees' | Pick<FetchAnswer, 'diverging' | 'snapshot'> {
  if (fetchOffset === log.startOffset && lastEpoch === log.startEpoch) return 'agrees'
  const end = fetchOffset < log.startOffset ? undefined : endOfEpoch(log, lastEpoch)
  if (end === undefined) {
    assert(snapshot !== undefined, `the log begins at ${log.startOffset} without a snapshot`)
    return { diverging: null, snapshot }
  }
  if (end.epoch === lastEpoch && fetchOffset <= end.endOffset) return 'agrees'
  return { diverging: end, snapshot: null }
}

/** Who is not known yet is an observer. */
function replicaOf(state: RaftState, o: { readonly from: number; readonly directoryId: string }): ReplicaProgress {
  const who = { nodeId: o.from, directoryId: o.directoryId }
  return state.replicas.get(replicaKey(who)) ?? addReplica(state, { ...who, isVoter: false })
}

/** As in Kafka: caught up as of now, or as of the last fetch if this one is where our log ended then. */
function noteFetch({ state, now }: Step, replica: ReplicaProgress, fetchOffset: number): void {
  if (fetchOffset >= state.log.endOffset) replica.lastCaughtUpAt = now
  else if (fetchOffset >= replica.endOffsetAtLastFetch) replica.lastCaughtUpAt = replica.lastFetchAt
  replica.lastFetchAt = now
  replica.endOffset = fetchOffset
  replica.endOffsetAtLastFetch = state.log.endOffset
}

/** The follower does not cut off what agrees with our log as long as this epoch lasts, so an old word still holds. */
function noteFlushed(step: Step, replica: ReplicaProgress, o: { readonly fetchOffset: number; readonly flushedOffset: number }): void {
  const flushedOffset = Math.min(o.flushedOffset, o.fetchOffset)
  if (flushedOffset <= replica.flushedOffset) return
  replica.flushedOffset = flushedOffset
  if (replica.isVoter) countFlushed(step)
}

function announceEveryMs({ fetchTimeoutMs }: RaftState): number {
  return fetchTimeoutMs / 4
}

function addReplica(state: RaftState, o: { readonly nodeId: number; readonly directoryId: string; readonly isVoter: boolean }) {
  const progress = {
    ...o,
    flushedOffset: 0,
    endOffset: -1,
    lastFetchAt: Number.NEGATIVE_INFINITY,
    lastCaughtUpAt: Number.NEGATIVE_INFINITY,
    endOffsetAtLastFetch: Number.POSITIVE_INFINITY,
    parked: undefined,
  }
  state.replicas.set(replicaKey(o), progress)
  return progress
}

function replicaKey({ nodeId, directoryId }: { readonly nodeId: number; readonly directoryId: string }): string {
  return `${nodeId}/${directoryId}`
}
