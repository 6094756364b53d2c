// What a follower or an observer does: it asks its leader, appends what comes, cuts off what the leader does not have, and takes a snapshot when it
// is too far behind. KIP-595, KIP-630.
import { assert } from '../util/assert.ts'
import { appendTo, endOfEpoch, type LogIndex, lastEpochOf, restartAt, truncateTo } from './log-index.ts'
import type { FetchAnswer, FetchRefused, SnapshotChunk, SnapshotId } from './messages.ts'
import { becomeFollower, hearOfLeader, leaderIsGone, loseLeader, send } from './roles.ts'
import type { RaftState, Step } from './state.ts'
import type { RaftEvent } from './types.ts'

/** A question that is out for less is not asked again on a hint. */
const HINT_REST_MS = 50
/** So long until the next question of an observer that knows no leader, or of one whose snapshot was gone. */
const SEARCH_MS = 100

/** Its leader for what comes next, or, without one, the next voter for the leader. */
export function ask(step: Step): void {
  const { state, now } = step
  const { log, receiving } = state
  const to = state.leaderId === -1 ? nextToAsk(state) : state.leaderId
  if (to === undefined) return void (state.askAt = Number.POSITIVE_INFINITY)
  state.hasAsked = true
  state.askAt = now + (state.leaderId === -1 ? SEARCH_MS : state.fetchTimeoutMs / 2)
  if (receiving !== undefined) {
    send(step, to, { type: 'fetchSnapshot', snapshot: receiving.snapshot, index: receiving.chunks.length })
  } else {
    const { endOffset: fetchOffset, flushedOffset } = log
    send(step, to, { type: 'fetch', fetchOffset, lastEpoch: lastEpochOf(log), flushedOffset, highWatermark: state.highWatermark })
  }
}

/**
 * Worth a question to whom it names, and nothing else: only that node's answer, in its own epoch, makes it the leader. Asked are those that know of no
 * leader in this epoch, or of an older one; and the known leader again, when there is more than it told and the question may be lost.
 */
export function onHint(step: Step, { epoch, leaderId, committedOffset }: RaftEvent & { readonly type: 'hinted' }): void {
  const { state, now } = step
  const { log } = state
  if (state.role === 'leader' || leaderId === state.nodeId || !state.voters.some(({ nodeId }) => nodeId === leaderId)) return
  if (epoch < state.epoch) return
  if (leaderId !== state.leaderId) {
    if (epoch === state.epoch && state.leaderId !== -1) return
    const { endOffset: fetchOffset, flushedOffset } = log
    send(step, leaderId, { type: 'fetch', fetchOffset, lastEpoch: lastEpochOf(log), flushedOffset, highWatermark: state.highWatermark })
  } else if (epoch > state.epoch || committedOffset > state.highWatermark) {
    const askedAt = state.askAt - state.fetchTimeoutMs / 2
    if (state.wasHurried || now < askedAt + HINT_REST_MS) return
    state.wasHurried = true
    state.askAt = now
  }
}

export function onFollowerTick(step: Step): void {
  const { state, now } = step
  if (now < state.fetchDeadline) return
  assert(state.role === 'observer', `a ${state.role} looks for another leader`)
  loseLeader(state)
}

export function onFetchAnswer(step: Step, answer: FetchAnswer): void {
  const { state } = step
  const { log } = state
  // An observer that looks for the leader has found it.
  if (state.role === 'observer' && state.leaderId === -1 && answer.epoch === state.epoch) return void becomeFollower(step, answer.from)
  if (!isExpected(state, answer)) return
  if (answer.fetchOffset !== log.endOffset || answer.lastEpoch !== lastEpochOf(log)) return
  wasAnswered(step)
  if (answer.snapshot !== null) startReceiving(state, answer.snapshot)
  else if (answer.diverging !== null) cutOff(step, answer.diverging)
  else {
    appendFetched(step, answer)
    learnHighWatermark(step, Math.min(answer.highWatermark, log.endOffset))
  }
}

/** The one that was asked does not lead: when it should have, this epoch has no leader any more. */
export function onFetchRefused(step: Step, { from, epoch, leaderId }: FetchRefused): void {
  const { state, now } = step
  if (epoch !== state.epoch) return
  if (state.leaderId === from && leaderId !== from) leaderIsGone(step)
  else if (hearOfLeader(step, leaderId)) return
  else if (state.leaderId !== -1) return
  if (state.role === 'observer') state.askAt = now + SEARCH_MS
}

export function onSnapshotChunk(step: Step, { from, epoch, snapshot, index, chunkCount, chunk }: SnapshotChunk): void {
  const { state, now } = step
  const { receiving } = state
  if (!isExpected(state, { from, epoch }) || receiving === undefined) return
  if (!isSame(receiving.snapshot, snapshot) || index !== receiving.chunks.length) return
  wasAnswered(step)
  if (chunkCount === 0) {
    state.receiving = undefined
    state.askAt = now + SEARCH_MS
    return
  }
  receiving.chunks.push(chunk)
  if (receiving.chunks.length < chunkCount) return
  state.receiving = undefined
  install(step, receiving)
}

/** A flush ended: the leader learns of it at once. */
export function tellFlushed(step: Step): void {
  const { state } = step
  const { endOffset: fetchOffset, flushedOffset } = state.log
  if (state.role !== 'follower' || !state.hasFetched || !state.hasAsked) return
  send(step, state.leaderId, { type: 'flushNews', fetchOffset, lastEpoch: lastEpochOf(state.log), flushedOffset })
}

function nextToAsk(state: RaftState): number | undefined {
  const others = state.voters.filter(({ nodeId }) => nodeId !== state.nodeId)
  return others.length === 0 ? undefined : others[state.nextToAsk++ % others.length]!.nodeId
}

/** The answer of the leader to a question that is out. */
function isExpected(state: RaftState, { from, epoch }: { readonly from: number; readonly epoch: number }): boolean {
  return epoch === state.epoch && from === state.leaderId && state.role !== 'leader' && state.hasAsked
}

function wasAnswered({ state, now }: Step): void {
  state.hasFetched = true
  state.wasHurried = false
  state.fetchDeadline = now + state.fetchTimeoutMs
  state.askAt = now
}

/** Nothing is appended of an answer that does not go on where the log ends. */
function appendFetched({ state, effects }: Step, { batches, epoch }: FetchAnswer): void {
  if (batches.length === 0 || !goOn(state.log, batches, epoch)) return
  for (const batch of batches) appendTo(state.log, { ...batch, count: batch.payloads.length })
  effects.push({ type: 'append', batches })
}

function goOn(log: LogIndex, batches: FetchAnswer['batches'], leaderEpoch: number): boolean {
  let [offset, epoch] = [log.endOffset, lastEpochOf(log)]
  for (const batch of batches) {
    if (batch.baseOffset !== offset || batch.epoch < epoch || batch.epoch > leaderEpoch || batch.payloads.length === 0) return false
    offset += batch.payloads.length
    epoch = batch.epoch
  }
  return true
}

/** What this log has beyond the leader's. Another epoch may follow below: then the next answer says so. */
function cutOff({ state, effects }: Step, diverging: NonNullable<FetchAnswer['diverging']>): void {
  const { log } = state
  const own = endOfEpoch(log, diverging.epoch) ?? { epoch: log.startEpoch, endOffset: log.startOffset }
  const endOffset = own.epoch === diverging.epoch ? Math.min(own.endOffset, diverging.endOffset) : own.endOffset
  assert(endOffset >= state.highWatermark, `to be cut at ${endOffset}, and ${state.highWatermark} entries are committed`)
  truncateTo(log, endOffset)
  effects.push({ type: 'truncate', endOffset, generation: log.generation })
}

function startReceiving(state: RaftState, snapshot: SnapshotId): void {
  // One that is not ahead was said to an older log of ours, or is of no use: what follows it is asked for again.
  if (snapshot.endOffset > state.highWatermark) state.receiving = { snapshot, chunks: [] }
}

function install({ state, effects }: Step, { snapshot, chunks }: NonNullable<RaftState['receiving']>): void {
  const { log } = state
  if (snapshot.endOffset <= state.highWatermark) return
  restartAt(log, snapshot.endOffset, snapshot.epoch)
  state.snapshot = snapshot
  state.highWatermark = snapshot.endOffset
  effects.push({ type: 'installSnapshot', snapshot, chunks, generation: log.generation })
}

function learnHighWatermark({ state, effects }: Step, offset: number): void {
  if (offset <= state.highWatermark) return
  state.highWatermark = offset
  effects.push({ type: 'committed', endOffset: offset })
}

function isSame(a: SnapshotId, b: SnapshotId): boolean {
  return a.endOffset === b.endOffset && a.epoch === b.epoch
}
