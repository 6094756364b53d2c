// One member of a classic group: joining, synchronizing, heartbeats, joining again, leaving. Pure; the shell is member.ts.
//
// Facts: ConsumerCoordinator and AbstractCoordinator of the Java client; KIP-62 (heartbeats go on while the user works; who does not poll for
// max.poll.interval.ms leaves), KIP-345 (static members: they do not leave), KIP-394 (the coordinator gives the member id, then one joins again),
// KIP-429 (cooperative: what is held is kept while joining), KIP-814 (a leader that came back may be told to assign nothing).
// Partitions are given up and taken over inside `poll` alone, so that what the user works on is his until he asks for more: 'prepare' and
// 'apply' are answered by 'prepared' and 'applied' from there. Between joining and its answer there are no heartbeats: the coordinator waits with us.
import * as errors from '../../protocol/errors.ts'
import { type Backoff, backoffMs, coordinatorIsAway } from '../retry.ts'

export interface MembershipOptions {
  readonly groupInstanceId: string | null
  /** Before the coordinator takes a silent member for dead. */
  readonly heartbeatIntervalMs: number
  /** Between two polls; longer, and the member leaves. */
  readonly maxPollIntervalMs: number
  readonly backoff: Backoff
}

/**
 * idle: nothing to join for · preparing: partitions are given up, or about to be · joining · assigning: as leader · syncing · applying: the
 * assignment is taken over, or about to be · stable · failed: for good
 */
export type Phase = 'idle' | 'preparing' | 'joining' | 'assigning' | 'syncing' | 'applying' | 'stable' | 'failed'

export interface MembershipState {
  readonly options: MembershipOptions
  readonly random: { fraction(): number }
  phase: Phase
  /** Given by the coordinator; '' before. */
  memberId: string
  /** -1: not a member now. */
  generationId: number
  isLeader: boolean
  protocolName: string
  /** Why the member has to join again; undefined: it has not. */
  rejoin: string | undefined
  /** Told to the coordinator with the join under way. */
  joinReason: string
  /** Of the request, preparation or application that the phase waits for; anything else that comes is old. */
  awaited: number
  /** A join or sync that failed is sent again then. */
  retryAtMs: number
  attempts: number
  lastRequestId: number
  heartbeat: { requestId: number | undefined; dueAtMs: number }
  pollDeadlineMs: number
  failure: errors.KafkaError | undefined
}

export interface JoinAnswer {
  readonly generationId: number
  readonly memberId: string
  readonly leader: string
  readonly protocolName: string | null
  readonly skipAssignment: boolean
  readonly members: readonly JoinedMember[]
}

export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Buffer
}

export interface MemberAssignment {
  readonly memberId: string
  readonly assignment: Buffer
}

export type MembershipEvent =
  /** There is something to join for: at first, or what it is has changed. */
  | { readonly type: 'wanted'; readonly reason: string }
  | { readonly type: 'unwanted'; readonly reason: string }
  | { readonly type: 'polled' }
  | { readonly type: 'prepared'; readonly id: number }
  | { readonly type: 'joined'; readonly id: number; readonly answer: JoinAnswer }
  | { readonly type: 'assigned'; readonly id: number; readonly assignments: readonly MemberAssignment[] }
  | { readonly type: 'synced'; readonly id: number; readonly assignment: Buffer }
  | { readonly type: 'applied'; readonly id: number /** Something was given up: somebody waits for it. */; readonly rejoin: boolean }
  | { readonly type: 'beaten'; readonly id: number }
  /** By the coordinator, or the way to it: NETWORK_EXCEPTION. `memberId` comes with MEMBER_ID_REQUIRED. */
  | { readonly type: 'refused'; readonly id: number; readonly error: errors.KafkaError; readonly memberId?: string }
  /** A commit was refused in the generation that it was made for. */
  | { readonly type: 'commitRefused'; readonly code: number; readonly generationId: number }
  | { readonly type: 'tick' }

export type MembershipEffect =
  /** Give up what cannot be kept while joining; `lost`: others may have it already. */
  | { readonly type: 'prepare'; readonly id: number; readonly lost: boolean }
  | { readonly type: 'join'; readonly id: number; readonly memberId: string; readonly reason: string }
  /** As leader. */
  | { readonly type: 'assign'; readonly id: number; readonly protocolName: string; readonly members: readonly JoinedMember[] }
  | { readonly type: 'sync'; readonly id: number; readonly assignments: readonly MemberAssignment[] }
  | { readonly type: 'apply'; readonly id: number; readonly assignment: Buffer }
  | { readonly type: 'heartbeat'; readonly id: number }
  | { readonly type: 'leave'; readonly memberId: string; readonly reason: string }
  /** Somebody else coordinates the group now, or nobody we can reach. */
  | { readonly type: 'forgetCoordinator' }
  | { readonly type: 'failed'; readonly error: errors.KafkaError }

export const NO_GENERATION = -1

export function openMembership(options: MembershipOptions, random: { fraction(): number }): MembershipState {
  return {
    options,
    random,
    phase: 'idle',
    memberId: '',
    generationId: NO_GENERATION,
    isLeader: false,
    protocolName: '',
    rejoin: undefined,
    joinReason: '',
    awaited: 0,
    retryAtMs: Number.POSITIVE_INFINITY,
    attempts: 0,
    lastRequestId: 0,
    heartbeat: { requestId: undefined, dueAtMs: Number.POSITIVE_INFINITY },
    pollDeadlineMs: Number.POSITIVE_INFINITY,
    failure: undefined,
  }
}

export function step(state: MembershipState, event: MembershipEvent, now: number): MembershipEffect[] {
  const effects: MembershipEffect[] = []
  if (state.phase !== 'failed' || event.type === 'unwanted') take(state, event, now, effects)
  if (state.phase !== 'failed') maybeLeaveForSilence(state, now, effects)
  sendWhatIsDue(state, now, effects)
  return effects
}

/** When `tick` has something to do. */
export function wakeAtMs(state: MembershipState): number {
  return Math.min(
    state.retryAtMs,
    beats(state) && state.heartbeat.requestId === undefined ? state.heartbeat.dueAtMs : Number.POSITIVE_INFINITY,
    isMember(state) ? state.pollDeadlineMs : Number.POSITIVE_INFINITY,
  )
}

function take(state: MembershipState, event: MembershipEvent, now: number, effects: MembershipEffect[]): void {
  if ('id' in event && event.type !== 'beaten' && event.type !== 'refused' && event.id !== state.awaited) return
  switch (event.type) {
    case 'wanted':
      if (state.phase === 'idle') state.pollDeadlineMs = now + state.options.maxPollIntervalMs
      joinAgain(state, event.reason, effects)
      break
    case 'unwanted':
      leave(state, event.reason, effects)
      state.phase = 'idle'
      state.rejoin = undefined
      state.failure = undefined
      break
    case 'polled':
      state.pollDeadlineMs = now + state.options.maxPollIntervalMs
      break
    case 'prepared':
      state.phase = 'joining'
      state.attempts = 0
      state.retryAtMs = now
      break
    case 'joined':
      takeJoined(state, event.answer, now, effects)
      break
    case 'assigned':
      sync(state, event.assignments, effects)
      break
    case 'synced':
      state.attempts = 0
      state.phase = 'applying'
      effects.push({ type: 'apply', id: newId(state), assignment: event.assignment })
      break
    case 'applied':
      state.phase = 'stable'
      if (event.rejoin) state.rejoin ??= 'partitions were given up'
      if (state.rejoin !== undefined) prepare(state, effects)
      break
    case 'beaten':
      if (event.id === state.heartbeat.requestId) state.heartbeat.requestId = undefined
      break
    case 'refused':
      takeRefusal(state, event, now, effects)
      break
    case 'commitRefused':
      takeCommitRefusal(state, event, effects)
      break
    case 'tick':
      break
  }
}

/** At once when stable; else when what goes on is at its end. */
function joinAgain(state: MembershipState, reason: string, effects: MembershipEffect[]): void {
  state.rejoin ??= reason
  if (state.phase === 'idle' || state.phase === 'stable') prepare(state, effects)
}

function prepare(state: MembershipState, effects: MembershipEffect[]): void {
  state.phase = 'preparing'
  state.retryAtMs = Number.POSITIVE_INFINITY
  effects.push({ type: 'prepare', id: newId(state), lost: state.generationId === NO_GENERATION })
}

function newId(state: MembershipState): number {
  state.awaited = ++state.lastRequestId
  return state.awaited
}

function takeJoined(state: MembershipState, answer: JoinAnswer, now: number, effects: MembershipEffect[]): void {
  state.memberId = answer.memberId
  state.generationId = answer.generationId
  state.protocolName = answer.protocolName ?? ''
  state.isLeader = answer.leader === answer.memberId
  state.attempts = 0
  state.heartbeat.dueAtMs = now + state.options.heartbeatIntervalMs
  if (state.isLeader && !answer.skipAssignment) {
    state.phase = 'assigning'
    effects.push({ type: 'assign', id: newId(state), protocolName: state.protocolName, members: answer.members })
  } else sync(state, [], effects)
}

function sync(state: MembershipState, assignments: readonly MemberAssignment[], effects: MembershipEffect[]): void {
  state.phase = 'syncing'
  effects.push({ type: 'sync', id: newId(state), assignments })
}

// ---------------------------------------------------------------------------------------------------------------------------- refusals

function takeRefusal(
  state: MembershipState,
  { id, error, memberId }: Extract<MembershipEvent, { type: 'refused' }>,
  now: number,
  effects: MembershipEffect[],
): void {
  if (id === state.heartbeat.requestId) {
    state.heartbeat.requestId = undefined
    if (coordinatorIsAway(error.code)) effects.push({ type: 'forgetCoordinator' })
    if (error.retriable) state.heartbeat.dueAtMs = now + retryDelayMs(state, 1)
    else takeVerdict(state, error.code, 'the coordinator asked for it', effects)
    return
  }
  if (id !== state.awaited) return
  if (error.code === errors.MEMBER_ID_REQUIRED && memberId !== undefined) {
    state.memberId = memberId
    state.retryAtMs = now
    return
  }
  if (coordinatorIsAway(error.code)) effects.push({ type: 'forgetCoordinator' })
  if (error.retriable || (state.phase === 'joining' && error.code === errors.REBALANCE_IN_PROGRESS)) {
    // A sync that was lost may have been heard: the answer to another join tells.
    state.phase = 'joining'
    state.attempts++
    state.retryAtMs = now + retryDelayMs(state, state.attempts)
    newId(state)
  } else takeVerdict(state, error.code, error.message, effects, error)
}

/** REBALANCE_IN_PROGRESS is news only where no rebalance is known of. */
function takeCommitRefusal(
  state: MembershipState,
  { code, generationId }: Extract<MembershipEvent, { type: 'commitRefused' }>,
  effects: MembershipEffect[],
): void {
  if (generationId !== state.generationId || state.phase === 'joining') return
  if (code === errors.REBALANCE_IN_PROGRESS && state.phase !== 'stable') return
  takeVerdict(state, code, 'a commit was refused', effects)
}

/** What the coordinator says of this member, by whichever answer. */
function takeVerdict(state: MembershipState, code: number, reason: string, effects: MembershipEffect[], error?: errors.KafkaError): void {
  switch (code) {
    case errors.REBALANCE_IN_PROGRESS:
      if (state.phase === 'syncing') {
        state.rejoin = reason
        prepare(state, effects)
      } else joinAgain(state, reason, effects)
      return
    case errors.UNKNOWN_MEMBER_ID:
      state.memberId = ''
      loseAll(state, 'the coordinator did not know the member', effects)
      return
    case errors.ILLEGAL_GENERATION:
      loseAll(state, 'the generation was over', effects)
      return
    default:
      state.failure = error ?? new errors.KafkaError(code)
      if (code === errors.FENCED_INSTANCE_ID) state.failure = new errors.KafkaError(code, whyFenced(state), { cause: error })
      state.phase = 'failed'
      state.generationId = NO_GENERATION
      state.retryAtMs = Number.POSITIVE_INFINITY
      newId(state)
      effects.push({ type: 'failed', error: state.failure })
  }
}

function whyFenced({ options }: MembershipState): string {
  return `another member joined with the group instance id '${options.groupInstanceId}': give each process its own`
}

/** No member any more: others may have its partitions. */
function loseAll(state: MembershipState, reason: string, effects: MembershipEffect[]): void {
  state.generationId = NO_GENERATION
  state.heartbeat.requestId = undefined
  state.rejoin = reason
  prepare(state, effects)
}

// -------------------------------------------------------------------------------------------------------------------------------- time

function isMember({ phase, generationId }: MembershipState): boolean {
  return generationId !== NO_GENERATION && phase !== 'idle' && phase !== 'failed'
}

function beats(state: MembershipState): boolean {
  return isMember(state) && state.phase !== 'joining'
}

function sendWhatIsDue(state: MembershipState, now: number, effects: MembershipEffect[]): void {
  if (state.phase === 'joining' && now >= state.retryAtMs) {
    state.retryAtMs = Number.POSITIVE_INFINITY
    // What is asked for from now on is not part of this join, and what the coordinator says to earlier heartbeats is answered by it.
    state.joinReason = state.rejoin ?? state.joinReason
    state.rejoin = undefined
    state.heartbeat.requestId = undefined
    effects.push({ type: 'join', id: newId(state), memberId: state.memberId, reason: state.joinReason })
  }
  const { heartbeat } = state
  if (!beats(state) || heartbeat.requestId !== undefined || now < heartbeat.dueAtMs) return
  heartbeat.requestId = ++state.lastRequestId
  heartbeat.dueAtMs = now + state.options.heartbeatIntervalMs
  effects.push({ type: 'heartbeat', id: heartbeat.requestId })
}

function maybeLeaveForSilence(state: MembershipState, now: number, effects: MembershipEffect[]): void {
  if (!isMember(state) || now < state.pollDeadlineMs) return
  const reason = `no poll for ${state.options.maxPollIntervalMs} ms`
  leave(state, reason, effects)
  loseAll(state, reason, effects)
}

/** Static members go without a word: they are expected back. */
function leave(state: MembershipState, reason: string, effects: MembershipEffect[]): void {
  if (state.memberId !== '' && state.options.groupInstanceId === null && state.phase !== 'failed') {
    effects.push({ type: 'leave', memberId: state.memberId, reason })
  }
  state.memberId = ''
  state.generationId = NO_GENERATION
  state.heartbeat.requestId = undefined
  state.retryAtMs = Number.POSITIVE_INFINITY
  newId(state)
}

function retryDelayMs(state: MembershipState, attempts: number): number {
  return backoffMs(state.options.backoff, attempts, state.random.fraction())
}
