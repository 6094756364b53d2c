// The quorum's core: `step` changes the state and returns what the driver has to do (types.ts). Facts: the Raft paper and thesis, KIP-595
// (replication by fetching), KIP-996 (pre-vote), KIP-630 (snapshots). Here: dispatch, what is true of every message, and time.
//
// Where we differ from Kafka: a leader whose process is gone is noticed by its closed connection, and voters then start one after another; nothing
// waits for a disk that it does not depend on; a process that stood still starts its timers anew.
import type { Random } from '../env/env.ts'
import { assert, unreachable } from '../util/assert.ts'
import {
  askVoters,
  becomeCandidate,
  onElectionTick,
  onEndQuorumEpoch,
  onPreVote,
  onPreVoteAnswer,
  onVote,
  onVoteAnswer,
  onVoteSaved,
} from './election.ts'
import { ask, onFetchAnswer, onFetchRefused, onFollowerTick, onHint, onSnapshotChunk, tellFlushed } from './following.ts'
import {
  appendProposals,
  countFlushed,
  nextParkedUntil,
  onFetch,
  onFetchSnapshot,
  onFlushNews,
  onLeaderTick,
  refuseParked,
  resign,
  silenceEndsAt,
} from './leading.ts'
import { moveStart } from './log-index.ts'
import type { RaftMessage } from './messages.ts'
import { becomeFollower, electionWait, enterEpoch, leaderIsGone, leaderIsSilent, send, tellLeadership } from './roles.ts'
import type { RaftState, Step } from './state.ts'
import type { RaftDescription, RaftEffect, RaftEvent } from './types.ts'
import { isOnlyVoter, isVoter, peersOf } from './voters.ts'

export { createRaft, type RaftState } from './state.ts'

export function step(state: RaftState, event: RaftEvent, now: number, random: Random): readonly RaftEffect[] {
  const at: Step = { state, now, random, effects: [] }
  const stoodStill = now - state.lastStepAt > state.fetchTimeoutMs / 2
  state.lastStepAt = now
  if (stoodStill) startTimersAnew(at)
  handle(at, event)
  if (state.role !== 'leader') refuseParked(at)
  if (now >= state.askAt) ask(at)
  tellLeadership(at)
  return at.effects
}

/** When the next `tick` is due; Infinity: nothing is timed. */
export function nextDeadline(state: RaftState): number {
  if (state.role === 'leader' && isOnlyVoter(state)) return nextParkedUntil(state)
  // Often enough to notice that this process stood still.
  const pulse = state.lastStepAt + state.fetchTimeoutMs / 4
  const byRole = state.role === 'leader' ? Math.min(state.announceAt, silenceEndsAt(state), nextParkedUntil(state)) : state.fetchDeadline
  return Math.min(pulse, byRole, state.askAt, state.electionAt, state.resendAt)
}

export function describe(state: RaftState): RaftDescription {
  const { nodeId, directoryId, leaderId, epoch, highWatermark, log } = state
  const self = {
    nodeId,
    directoryId,
    isVoter: state.isVoter,
    logEndOffset: log.endOffset,
    lastFetchAt: state.lastStepAt,
    lastCaughtUpAt: state.lastStepAt,
  }
  if (state.role !== 'leader') return { leaderId, epoch, highWatermark, replicas: [self] }
  const others = [...state.replicas.values()].map(replica => ({
    nodeId: replica.nodeId,
    directoryId: replica.directoryId,
    isVoter: replica.isVoter,
    logEndOffset: replica.endOffset,
    lastFetchAt: Number.isFinite(replica.lastFetchAt) ? replica.lastFetchAt : undefined,
    lastCaughtUpAt: Number.isFinite(replica.lastCaughtUpAt) ? replica.lastCaughtUpAt : undefined,
  }))
  return { leaderId, epoch, highWatermark, replicas: [self, ...others] }
}

function handle(at: Step, event: RaftEvent): void {
  const { state } = at
  switch (event.type) {
    case 'start':
      return void start(at)
    case 'received':
      return void receive(at, event.message)
    case 'tick':
      return void tick(at)
    case 'voteSaved':
      return void onVoteSaved(at, event)
    case 'flushed':
      return void flushed(at, event)
    case 'proposed':
      return void appendProposals(at, event.proposals)
    case 'snapshotSaved':
      if (event.snapshot.endOffset <= (state.snapshot?.endOffset ?? 0)) return
      state.snapshot = event.snapshot
      return void moveStart(state.log, event.startOffset, event.startEpoch)
    case 'peerLost':
      return void lost(at, event)
    case 'peerConnected':
      return void connected(at, event.nodeId)
    case 'hinted':
      return void onHint(at, event)
    case 'resign':
      return void resign(at)
    default:
      return void unreachable(event)
  }
}

/** A quorum of one elects itself. Voters take turns in asking, which also finds the leader there is; observers look for it. */
function start(at: Step): void {
  const { state } = at
  if (isOnlyVoter(state)) return void becomeCandidate(at)
  if (!state.isVoter) return void (state.askAt = at.now)
  const place = peersOf(state).filter(({ nodeId }) => nodeId < state.nodeId).length
  leaderIsGone(at, place)
}

function receive(at: Step, message: RaftMessage): void {
  const { state } = at
  const { from, directoryId, epoch } = message
  if (message.to !== state.nodeId || (from === state.nodeId && directoryId === state.directoryId)) return
  state.gone.delete(from)
  const isFromVoter = isVoter(state.voters, { nodeId: from, directoryId })
  // Observers know epochs from leaders alone; a voter is as new as its epoch says.
  if (isFromVoter && epoch > state.epoch) enterEpoch(at, epoch)
  // Another data directory speaks under the leader's id.
  if (!isFromVoter && from === state.leaderId) leaderIsGone(at)
  switch (message.type) {
    case 'preVote':
      return void onPreVote(at, message, isFromVoter)
    case 'vote':
      return void onVote(at, message, isFromVoter)
    case 'fetch':
      return void onFetch(at, message)
    case 'fetchSnapshot':
      return void onFetchSnapshot(at, message)
    case 'preVoteAnswer':
    case 'voteAnswer':
      // A blank node under a voter's id will not vote, and nobody else under that id will: its refusal counts.
      if (!isFromVoter && (message.granted || !state.voters.some(({ nodeId }) => nodeId === from))) return
      return void (message.type === 'voteAnswer' ? onVoteAnswer(at, message) : onPreVoteAnswer(at, message))
    default:
      if (isFromVoter) receiveFromVoter(at, message)
  }
}

type FromVoter = Exclude<RaftMessage, { readonly type: 'preVote' | 'vote' | 'fetch' | 'fetchSnapshot' | 'preVoteAnswer' | 'voteAnswer' }>

function receiveFromVoter(at: Step, message: FromVoter): void {
  const { state } = at
  switch (message.type) {
    case 'beginQuorumEpoch':
      if (message.epoch === state.epoch) becomeFollower(at, message.from)
      return
    case 'endQuorumEpoch':
      return void onEndQuorumEpoch(at, message)
    case 'flushNews':
      return void onFlushNews(at, message)
    case 'fetchRefused':
      return void onFetchRefused(at, message)
    case 'fetchAnswer':
      return void onFetchAnswer(at, message)
    case 'snapshotChunk':
      return void onSnapshotChunk(at, message)
    default:
      return void unreachable(message)
  }
}

function tick(at: Step): void {
  const { state } = at
  switch (state.role) {
    case 'leader':
      return void onLeaderTick(at)
    case 'follower':
      if (at.now >= state.fetchDeadline) leaderIsSilent(at)
      return
    case 'observer':
      return void onFollowerTick(at)
    default:
      return void onElectionTick(at)
  }
}

function flushed(at: Step, { endOffset, generation }: { readonly endOffset: number; readonly generation: number }): void {
  const { state } = at
  const { log } = state
  // Of a log that was cut since: a later write says what is on disk.
  if (generation !== log.generation || endOffset <= log.flushedOffset) return
  assert(endOffset <= log.endOffset, `flushed up to ${endOffset}, and the log ends at ${log.endOffset}`)
  log.flushedOffset = endOffset
  countFlushed(at)
  tellFlushed(at)
}

function lost(at: Step, { nodeId, why }: { readonly nodeId: number; readonly why: 'refused' | 'restarted' }): void {
  const { state } = at
  if (why === 'refused') state.gone.add(nodeId)
  const isLeader = state.leaderId === nodeId && state.role !== 'leader'
  const wasLeader = state.leaderId === -1 && state.lastLeaderId === nodeId && !state.isHasty && state.role !== 'candidate'
  if (isLeader || (wasLeader && state.isVoter)) leaderIsGone(at)
}

/** What was said on a connection before may be lost. */
function connected(at: Step, nodeId: number): void {
  const { state, now } = at
  state.gone.delete(nodeId)
  if (state.role === 'leader') {
    if (state.voters.some(voter => voter.nodeId === nodeId)) send(at, nodeId, { type: 'beginQuorumEpoch' })
  } else if (state.role === 'prospective' || (state.role === 'candidate' && state.granted.size > 0)) askVoters(at, nodeId)
  else if (state.leaderId === nodeId) state.askAt = now
}

/** This process stood still: that it heard nothing says nothing about the others. */
function startTimersAnew(at: Step): void {
  const { state, now } = at
  if (state.leaderId !== -1 && state.role !== 'leader') {
    state.fetchDeadline = now + state.fetchTimeoutMs
    state.askAt = now
  }
  if (state.role === 'leader') state.silenceCountsFrom = now
  if (Number.isFinite(state.electionAt)) state.electionAt = now + electionWait(at)
}
