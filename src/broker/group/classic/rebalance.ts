// A rebalance: all members join anew, which makes the next generation; the leader's assignment then makes it Stable.
// Facts: GroupMetadataManager.prepareRebalance, completeClassicGroupJoin, tryCompleteInitialRebalanceElseSchedule, expirePendingSync;
// KIP-134 (the delay of a first rebalance, prolonged while members arrive), KIP-559, KIP-735.
import { NONE, REBALANCE_IN_PROGRESS } from '../../../protocol/errors.ts'
import { assert } from '../../../util/assert.ts'
import { answerGeneration, answerSync, endJoinWait, endSyncWait } from './answers.ts'
import {
  EMPTY,
  electProtocol,
  enter,
  everybodyWaitsToJoin,
  type Group,
  log,
  persist,
  rebalanceTimeoutMs,
  removeMember,
  renewSession,
} from './roster.ts'
import { toValue } from './stored.ts'
import { subscribedTopics } from './subscription.ts'
import { TABLE } from './table.ts'
import type { Instant } from './types.ts'

/** Where nobody rejoins (static members are not dropped), the join phase goes on for at least so long, whatever timeouts the members have. */
const WAIT_ON_MIN_MS = 1000
const MAX_GENERATION = 2 ** 31 - 1

export function prepareRebalance(group: Group, reason: string, at: Instant): void {
  if (group.state === 'CompletingRebalance') dismissSyncs(group, REBALANCE_IN_PROGRESS, at)
  group.unsynced.clear()
  group.syncEndsAt = undefined
  const first = group.state === 'Empty'
  log(group, 'began a rebalance', { state: group.state, generationId: group.generationId, members: group.members.size, reason })
  enter(group, 'PreparingRebalance', at)
  if (!first) {
    waitForMembers(group, rebalanceTimeoutMs(group), at)
    finishIfAllJoined(group, at)
    return
  }
  const delayMs = group.settings.initialRebalanceDelayMs
  group.grewDuringDelay = false
  group.joinPhase = {
    endsAt: at.now + delayMs,
    initial: { delayMs, remainingMs: Math.max(rebalanceTimeoutMs(group) - delayMs, 0) },
  }
  if (delayMs === 0) finishJoinPhase(group, at)
}

/** Ends the join phase if nobody is missing, but not during the delay of a first rebalance: more members may come. */
export function finishIfAllRejoined(group: Group, at: Instant): void {
  if (group.joinPhase!.initial === undefined) finishIfAllJoined(group, at)
}

export function finishIfAllJoined(group: Group, at: Instant): void {
  if (everybodyWaitsToJoin(group)) finishJoinPhase(group, at)
}

/** The join phase's time is over. */
export function endJoinPhase(group: Group, at: Instant): void {
  assert(TABLE.joinPhaseEnds[group.state] === 'finish', `group ${group.groupId} is ${group.state} and has a join phase`)
  const { initial } = group.joinPhase!
  if (initial === undefined || !group.grewDuringDelay || initial.remainingMs === 0) {
    finishJoinPhase(group, at)
    return
  }
  group.grewDuringDelay = false
  const delayMs = Math.min(group.settings.initialRebalanceDelayMs, initial.remainingMs)
  group.joinPhase = { endsAt: at.now + delayMs, initial: { delayMs, remainingMs: Math.max(initial.remainingMs - initial.delayMs, 0) } }
}

function waitForMembers(group: Group, timeoutMs: number, at: Instant): void {
  group.joinPhase = { endsAt: at.now + timeoutMs, initial: undefined }
}

/** Drops the dynamic members that did not rejoin and makes the next generation of the others. */
function finishJoinPhase(group: Group, at: Instant): void {
  group.joinPhase = undefined
  for (const member of [...group.members.values()]) {
    if (member.awaitingJoin !== undefined || member.groupInstanceId !== null) continue
    removeMember(group, member)
    log(group, 'removed a member', { memberId: member.memberId, reason: 'it did not rejoin' })
  }
  if (!electLeader(group)) {
    log(group, 'waited on for members', { members: group.members.size, reason: 'nobody rejoined' })
    waitForMembers(group, Math.max(rebalanceTimeoutMs(group), WAIT_ON_MIN_MS), at)
    return
  }
  group.generationId = group.generationId === MAX_GENERATION ? 0 : group.generationId + 1
  if (group.members.size === 0) becomeEmpty(group, at)
  else beginSync(group, at)
}

/** A leader that rejoined stays. @returns false: there are members, and none of them rejoined */
function electLeader(group: Group): boolean {
  if (group.leaderId === null || group.members.get(group.leaderId)!.awaitingJoin !== undefined) return true
  for (const member of group.members.values()) {
    if (member.awaitingJoin === undefined) continue
    group.leaderId = member.memberId
    return true
  }
  return false
}

function becomeEmpty(group: Group, at: Instant): void {
  group.protocolName = null
  group.subscribedTopics = subscribedTopics(group)
  enter(group, 'Empty', at)
  log(group, 'became empty', { generationId: group.generationId })
  persist(group, toValue(group, new Map()), { type: 'emptied', settled: [] })
}

/** The leader learns who is there, all of them the generation; now their SyncGroup is waited for, that of static members who did not rejoin too. */
function beginSync(group: Group, at: Instant): void {
  group.protocolName = electProtocol(group)
  group.subscribedTopics = subscribedTopics(group)
  enter(group, 'CompletingRebalance', at)
  for (const member of group.members.values()) {
    const leads = member.memberId === group.leaderId
    const asker = endJoinWait(group, member, at)
    if (asker !== undefined) {
      answerGeneration(group, asker, member.memberId, { leader: group.leaderId!, roll: leads, skipAssignment: false })
    }
    member.isNew = false
    renewSession(group, member, at)
    group.unsynced.add(member.memberId)
  }
  group.syncEndsAt = at.now + rebalanceTimeoutMs(group)
}

/** Whoever did not ask for its assignment within the rebalance timeout is removed, static or not. */
export function endSyncPhase(group: Group, at: Instant): void {
  assert(TABLE.syncPhaseEnds[group.state] === 'removeUnsynced', `group ${group.groupId} is ${group.state} and has a sync phase`)
  for (const memberId of [...group.unsynced]) {
    removeMember(group, group.members.get(memberId)!)
    log(group, 'removed a member', { memberId, reason: 'it did not sync' })
  }
  prepareRebalance(group, 'members did not sync', at)
}

/** All who wait for an assignment get an error instead. */
export function dismissSyncs(group: Group, errorCode: number, at: Instant): void {
  for (const member of group.members.values()) {
    member.assignment = EMPTY
    const request = endSyncWait(group, member, at)
    if (request !== undefined) answerSync(group, request, errorCode)
  }
}

/** The leader's assignment is in the log. */
export function becomeStable(group: Group, assignments: ReadonlyMap<string, Buffer>, at: Instant): void {
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.memberId) ?? EMPTY
    const request = endSyncWait(group, member, at)
    if (request !== undefined) answerSync(group, request, NONE, member.assignment)
  }
  enter(group, 'Stable', at)
  log(group, 'became stable', {
    generationId: group.generationId,
    members: group.members.size,
    protocol: group.protocolName!,
    leader: group.leaderId!,
  })
}
