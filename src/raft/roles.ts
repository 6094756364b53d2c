// How a node changes its epoch and its role, and what it forgets then. Raft §5.1, §5.2; KIP-595.
import { assert } from '../util/assert.ts'
import type { RaftMessage } from './messages.ts'
import type { RaftState, Step } from './state.ts'
import { placeAfter } from './voters.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Voters that know of their leader's loss start one after another, so that the first has won before the second begins. */
const STAGGER_MS = 50
const STAGGER_JITTER_MS = 10

export type Body<T extends RaftMessage> = T extends unknown ? Omit<T, 'from' | 'directoryId' | 'to' | 'epoch'> : never

export function send({ state, effects }: Step, to: number, body: Body<RaftMessage>): void {
  const { nodeId: from, directoryId, epoch } = state
  effects.push({ type: 'send', message: { ...body, from, directoryId, to, epoch } as RaftMessage })
}

/** A random time from one election timeout up to two. */
export function electionWait({ state, random }: Step): number {
  return state.electionTimeoutMs * (1 + random.fraction())
}

export function tellLeadership({ state, effects }: Step): void {
  const { epoch, leaderId, told } = state
  const isLeader = state.role === 'leader'
  if (told.epoch === epoch && told.leaderId === leaderId && told.isLeader === isLeader) return
  state.told = { epoch, leaderId, isLeader }
  effects.push({ type: 'leaderChanged', epoch, leaderId, isLeader })
}

/** Somebody is further: this node has no leader and no vote in the epoch. An election it was about to start stays due. */
export function enterEpoch(step: Step, epoch: number, votedFor = -1): void {
  const { state, now } = step
  assert(epoch > state.epoch, `epoch ${epoch} after ${state.epoch}`)
  const hadLeader = state.leaderId !== -1
  state.epoch = epoch
  state.votedFor = votedFor
  state.lastLeaderId = -1
  state.heldAnswers = []
  loseLeader(state)
  saveVote(step)
  if (hadLeader && state.isVoter) state.electionAt = now + electionWait(step)
}

/** Nobody is followed or led any more, in the same epoch. */
export function loseLeader(state: RaftState): void {
  state.role = state.isVoter ? 'unattached' : 'observer'
  state.leaderId = -1
  state.hasAsked = false
  state.wasHurried = false
  state.hasFetched = false
  state.receiving = undefined
  state.fetchDeadline = NEVER
  state.askAt = state.isVoter ? NEVER : state.lastStepAt
  state.announceAt = NEVER
  state.resendAt = NEVER
  state.granted.clear()
  state.refused.clear()
}

/** The node that leads this epoch is known; it is asked at the end of the step. */
export function becomeFollower(step: Step, leaderId: number): void {
  const { state, now } = step
  if (state.leaderId === leaderId) return
  assert(state.leaderId === -1 && leaderId !== state.nodeId, `epoch ${state.epoch} is led by ${state.leaderId} and by ${leaderId}`)
  assert(state.role !== 'leader', `${state.nodeId} leads epoch ${state.epoch} and follows ${leaderId}`)
  loseLeader(state)
  state.role = state.isVoter ? 'follower' : 'observer'
  state.leaderId = state.lastLeaderId = leaderId
  state.isHasty = false
  state.electionAt = NEVER
  state.fetchDeadline = now + state.fetchTimeoutMs
  state.askAt = now
}

/** Somebody says who leads this epoch. Not believed of a leader that is known to be lost: it says so itself if it is not. */
export function hearOfLeader(step: Step, leaderId: number): boolean {
  const { state } = step
  if (leaderId === -1 || leaderId === state.nodeId || state.leaderId !== -1) return false
  if (state.gone.has(leaderId) || (state.isHasty && state.lastLeaderId === leaderId)) return false
  becomeFollower(step, leaderId)
  return true
}

/** The leader's process is gone, or it leads no more: elections are in a hurry. */
export function leaderIsGone(step: Step, place?: number): void {
  step.state.isHasty = step.state.isVoter
  leaderIsSilent(step, place)
}

/** Voters do not start together: parked fetches are answered at one time, so all would miss the leader at one time. */
export function leaderIsSilent(step: Step, place = placeAfter(step.state, step.state.lastLeaderId)): void {
  const { state, now, random } = step
  loseLeader(state)
  if (state.isVoter) state.electionAt = now + place * STAGGER_MS + random.fraction() * STAGGER_JITTER_MS
}

/** Only the last of several in one step matters. */
export function saveVote({ state, effects }: Step): void {
  if (effects.at(-1)?.type === 'saveVote') effects.pop()
  effects.push({ type: 'saveVote', epoch: state.epoch, votedFor: state.votedFor })
}
