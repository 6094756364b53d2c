// How a leader is found: pre-vote, vote, and what a voter answers. Raft §5.2, §5.4.1; KIP-996. Safety rests on two rules: one vote an epoch, on disk
// before it is told; and none for a log that is older than one's own.
import { becomeLeader } from './leading.ts'
import { lastEpochOf } from './log-index.ts'
import type { EndQuorumEpoch, PreVote, PreVoteAnswer, Vote, VoteAnswer } from './messages.ts'
import { electionWait, enterEpoch, hearOfLeader, leaderIsGone, loseLeader, saveVote, send } from './roles.ts'
import type { RaftState, Step } from './state.ts'
import { isOnlyVoter, majorityOf, peersOf } from './voters.ts'

/** A round that was refused or split is tried again so soon when the leader is known to be gone. */
const RETRY_MS = { least: 20, most: 60 }

/** The time of a voter without a leader has come: it asks whether it would be elected. Changes no epoch. */
export function startPreVote(step: Step): void {
  const { state, now } = step
  loseLeader(state)
  state.role = 'prospective'
  state.granted.add(state.nodeId)
  state.electionAt = now + electionWait(step)
  askVoters(step)
}

/** The next epoch, with a vote for itself. Others are asked when it is on disk. */
export function becomeCandidate(step: Step): void {
  const { state, now } = step
  enterEpoch(step, state.epoch + 1, state.nodeId)
  state.role = 'candidate'
  state.electionAt = isOnlyVoter(state) ? Number.POSITIVE_INFINITY : now + electionWait(step)
}

export function onVoteSaved(step: Step, o: { readonly epoch: number; readonly votedFor: number }): void {
  const { state, effects } = step
  state.savedEpoch = o.epoch
  state.savedVotedFor = o.votedFor
  if (!voteIsSaved(state)) return
  for (const message of state.heldAnswers.splice(0)) effects.push({ type: 'send', message })
  if (state.role !== 'candidate' || state.granted.size > 0) return
  state.granted.add(state.nodeId)
  if (state.granted.size >= majorityOf(state.voters)) becomeLeader(step)
  else askVoters(step)
}

/** An election that waits for its time, or one that was not decided in its time. */
export function onElectionTick(step: Step): void {
  const { state, now } = step
  if (now >= state.electionAt) {
    // Nobody was asked yet: the disk is slow, and another round would have to wait for it as well.
    if (state.role === 'candidate' && !voteIsSaved(state)) state.electionAt = now + electionWait(step)
    else startPreVote(step)
  } else if (now >= state.resendAt) askVoters(step)
}

export function onPreVote(step: Step, request: PreVote, isFromVoter: boolean): void {
  const { state, now } = step
  const { from, epoch } = request
  if (isFromVoter && epoch === state.epoch && from === state.leaderId) leaderIsGone(step) // who asks does not lead
  const knowsLeader = state.role === 'leader' || (state.role === 'follower' && state.hasFetched)
  const isEligible = isFromVoter && state.isVoter && epoch === state.epoch && !knowsLeader
  const granted = isEligible && isUpToDate(state, request)
  send(step, from, { type: 'preVoteAnswer', granted, leaderId: state.leaderId })
  // It will not be elected by us, and we know that somebody has to be.
  if (isEligible && !granted && state.role === 'unattached' && state.isHasty) state.electionAt = Math.min(state.electionAt, now)
}

export function onPreVoteAnswer(step: Step, { from, epoch, granted, leaderId }: PreVoteAnswer): void {
  const { state } = step
  if (epoch !== state.epoch || state.role === 'leader') return
  if (!granted && hearOfLeader(step, leaderId)) return
  if (state.role !== 'prospective') return
  if (count(state, from, granted) === 'won') becomeCandidate(step)
  else backOffWhenLost(step)
}

export function onVote(step: Step, request: Vote, isFromVoter: boolean): void {
  const { state, now } = step
  const { from, epoch } = request
  const isEligible = isFromVoter && state.isVoter && epoch === state.epoch && state.leaderId === -1
  const granted = isEligible && (state.votedFor === from || (state.votedFor === -1 && isUpToDate(state, request)))
  if (!granted) return void send(step, from, { type: 'voteAnswer', granted, leaderId: state.leaderId })
  if (state.votedFor === -1) {
    loseLeader(state)
    state.votedFor = from
    saveVote(step)
  }
  state.electionAt = now + electionWait(step)
  sendWhenVoteIsSaved(step, from)
}

export function onVoteAnswer(step: Step, { from, epoch, granted, leaderId }: VoteAnswer): void {
  const { state } = step
  if (epoch !== state.epoch || state.role === 'leader') return
  if (!granted && hearOfLeader(step, leaderId)) return
  if (state.role !== 'candidate' || state.granted.size === 0) return
  if (count(state, from, granted) === 'won') becomeLeader(step)
  else backOffWhenLost(step)
}

/** The leader of this epoch gave it up. Its first successor needs no pre-vote: nobody is disturbed (thesis §3.10, KIP-595). */
export function onEndQuorumEpoch(step: Step, { from, epoch, successors }: EndQuorumEpoch): void {
  const { state } = step
  if (epoch !== state.epoch || (state.leaderId !== -1 && state.leaderId !== from)) return
  if (state.role === 'leader' || state.role === 'candidate') return
  state.lastLeaderId = from
  const place = successors.indexOf(state.nodeId)
  leaderIsGone(step, place < 0 ? successors.length : place)
  if (place === 0 && state.isVoter) becomeCandidate(step)
}

/** To those that did not answer in this round. */
export function askVoters(step: Step, only?: number): void {
  const { state, now } = step
  state.resendAt = now + state.electionTimeoutMs / 4
  const type = state.role === 'candidate' ? 'vote' : 'preVote'
  for (const { nodeId } of peersOf(state)) {
    if (state.granted.has(nodeId) || state.refused.has(nodeId) || (only ?? nodeId) !== nodeId) continue
    send(step, nodeId, { type, lastEpoch: lastEpochOf(state.log), endOffset: state.log.endOffset })
  }
}

function voteIsSaved({ epoch, votedFor, savedEpoch, savedVotedFor }: RaftState): boolean {
  return epoch === savedEpoch && votedFor === savedVotedFor
}

function sendWhenVoteIsSaved(step: Step, to: number): void {
  const { state } = step
  const { nodeId: from, directoryId, epoch } = state
  const body = { type: 'voteAnswer', granted: true, leaderId: -1 } as const
  if (voteIsSaved(state)) send(step, to, body)
  else state.heldAnswers.push({ ...body, from, directoryId, to, epoch })
}

function count(state: RaftState, from: number, granted: boolean): 'won' | 'open' {
  if (granted) state.granted.add(from)
  else state.refused.add(from)
  return state.granted.size >= majorityOf(state.voters) ? 'won' : 'open'
}

/** Too many refused: the next round comes soon when the leader is known to be gone, else after an election timeout. */
function backOffWhenLost(step: Step): void {
  const { state, now, random } = step
  if (state.voters.length - state.refused.size >= majorityOf(state.voters)) return
  const soon = RETRY_MS.least + random.fraction() * (RETRY_MS.most - RETRY_MS.least)
  state.electionAt = now + (state.isHasty ? soon : electionWait(step))
  state.resendAt = Number.POSITIVE_INFINITY
}

/** At least as new as ours. Raft §5.4.1 */
function isUpToDate({ log }: RaftState, o: { readonly lastEpoch: number; readonly endOffset: number }): boolean {
  const lastEpoch = lastEpochOf(log)
  return o.lastEpoch > lastEpoch || (o.lastEpoch === lastEpoch && o.endOffset >= log.endOffset)
}
