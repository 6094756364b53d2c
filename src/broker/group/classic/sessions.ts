// Who lives: heartbeats and commits renew a member's session, silence ends it. Facts: KIP-62;
// GroupMetadataManager.classicGroupHeartbeatToClassicGroup, expireClassicGroupMemberHeartbeat, ClassicGroup.validateOffsetCommit,
// OffsetMetadataManager.validateOffsetCommit.
import { ILLEGAL_GENERATION, INVALID_GROUP_ID, NONE, UNKNOWN_MEMBER_ID } from '../../../protocol/errors.ts'
import { dismiss } from './answers.ts'
import { endJoinPhase, endSyncPhase, finishIfAllJoined, prepareRebalance } from './rebalance.ts'
import { forgetPending, type Group, identify, impossible, isTimed, log, type Member, removeMember, renewSession } from './roster.ts'
import { TABLE } from './table.ts'
import type { Committer, GroupEvent, Instant } from './types.ts'

type Beat = Extract<GroupEvent, { type: 'heartbeat' }>

export function heartbeat(group: Group, { request, body }: Beat, at: Instant): void {
  group.effects.push({ type: 'answer', request, api: 'Heartbeat', body: { errorCode: judgeHeartbeat(group, body, at) } })
}

function judgeHeartbeat(group: Group, body: Beat['body'], at: Instant): number {
  if (body.groupId === '') return INVALID_GROUP_ID
  const arrives = TABLE.heartbeatArrives[group.state]
  if (arrives !== NONE) return arrives
  const errorCode = identify(group, body.memberId, body.groupInstanceId)
  if (errorCode !== NONE) return errorCode
  if (body.generationId !== group.generationId) return ILLEGAL_GENERATION
  const verdict = TABLE.memberBeats[group.state]
  if (verdict === 'never') return impossible(group, verdict)
  renewSession(group, group.members.get(body.memberId)!, at)
  return verdict
}

/** @returns NONE, or what OffsetCommit and TxnOffsetCommit answer for all partitions; a good commit of a member is a sign of life */
export function judgeCommit(group: Group, committer: Committer, at: Instant): number {
  const { memberId, groupInstanceId, generationId, transactional } = committer
  const arrives = TABLE.commitArrives[group.state]
  if (arrives !== NONE) return arrives
  // Without a generation it is an administrator, or a consumer that is in no group: an empty group lets both.
  const isNameless = generationId < 0 && memberId === '' && groupInstanceId === null
  if (isNameless || (generationId < 0 && group.state === 'Empty')) {
    const verdict = (transactional ? TABLE.strangerCommitsInTransaction : TABLE.strangerCommits)[group.state]
    return verdict === 'never' ? impossible(group, verdict) : verdict
  }
  const errorCode = identify(group, memberId, groupInstanceId)
  if (errorCode !== NONE) return errorCode
  if (generationId !== group.generationId) return ILLEGAL_GENERATION
  const verdict = (transactional ? TABLE.memberCommitsInTransaction : TABLE.memberCommits)[group.state]
  if (verdict === 'never') return impossible(group, verdict)
  if (verdict === NONE && !transactional) renewSession(group, group.members.get(memberId)!, at)
  return verdict
}

// ----------------------------------------------------------------------------------------------------------------------------------- time

export function deadlineOf(group: Group): number | undefined {
  let deadline = group.earliestExpiry
  for (const time of [group.joinPhase?.endsAt, group.syncEndsAt]) {
    if (time !== undefined && (deadline === undefined || time < deadline)) deadline = time
  }
  return deadline
}

export function passTime(group: Group, at: Instant): void {
  if (group.earliestExpiry !== undefined && group.earliestExpiry <= at.now) endSessions(group, at)
  if (group.syncEndsAt !== undefined && group.syncEndsAt <= at.now) endSyncPhase(group, at)
  if (group.joinPhase !== undefined && group.joinPhase.endsAt <= at.now) endJoinPhase(group, at)
}

/** Looks at all members, which is seldom: the bound found here is a session away, and heartbeats only move the ends behind it. */
function endSessions(group: Group, at: Instant): void {
  const late: Member[] = []
  const latePending: string[] = []
  let earliest: number | undefined
  for (const member of group.members.values()) {
    if (!isTimed(member)) continue
    if (member.expiresAt <= at.now) late.push(member)
    else if (earliest === undefined || member.expiresAt < earliest) earliest = member.expiresAt
  }
  for (const [memberId, { expiresAt }] of group.pending) {
    if (expiresAt <= at.now) latePending.push(memberId)
    else if (earliest === undefined || expiresAt < earliest) earliest = expiresAt
  }
  group.earliestExpiry = earliest
  for (const memberId of latePending) failPending(group, memberId, at)
  // A member before it may have ended the join phase, which dropped it, or renewed its session.
  for (const member of late) if (group.members.get(member.memberId) === member && member.expiresAt <= at.now) fail(group, member, at)
}

function failPending(group: Group, memberId: string, at: Instant): void {
  forgetPending(group, memberId)
  const reaction = TABLE.pendingMemberFailed[group.state]
  if (reaction === 'finishIfAllJoined') finishIfAllJoined(group, at)
}

function fail(group: Group, member: Member, at: Instant): void {
  dismiss(group, member, { errorCode: UNKNOWN_MEMBER_ID, memberId: '' }, at)
  removeMember(group, member)
  log(group, 'removed a member', { memberId: member.memberId, reason: 'its session ended' })
  const reaction = TABLE.memberFailed[group.state]
  if (reaction === 'rebalance') prepareRebalance(group, `the session of ${member.memberId} ended`, at)
  else if (reaction === 'finishIfAllJoined') finishIfAllJoined(group, at)
  else impossible(group, reaction)
}
