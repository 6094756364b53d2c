// LeaveGroup, and the end of the whole group: deleted, or moved to another coordinator. Facts: KIP-345 (removal by instance id, by an administrator who
// knows no member id), KIP-800 (reasons); GroupMetadataManager.classicGroupLeaveToClassicGroup, onUnloaded; LeaveGroupResponse (one member up to version 2).
// We differ from Kafka: whoever waits in SyncGroup while it is removed gets UNKNOWN_MEMBER_ID (there: no answer).
import { INVALID_GROUP_ID, NONE, UNKNOWN_MEMBER_ID } from '../../../protocol/errors.ts'
import { dismiss } from './answers.ts'
import { appendErrorToMember } from './append-errors.ts'
import { finishIfAllRejoined, prepareRebalance } from './rebalance.ts'
import { enter, forgetPending, type Group, identify, log, persist, removeMember, type Write } from './roster.ts'
import { TABLE } from './table.ts'
import type { GroupAnswer, GroupEvent, Instant } from './types.ts'

type Leave = Extract<GroupEvent, { type: 'leave' }>
type Leaver = Leave['body']['members'][number]
type LeaveAnswer = Extract<GroupAnswer, { api: 'LeaveGroup' }>['body']

/** Versions up to 2 name one member, without a list. */
export function leave(group: Group, event: Leave, at: Instant): void {
  const { body, apiVersion } = event
  const errorCode = body.groupId === '' ? INVALID_GROUP_ID : TABLE.leaveArrives[group.state]
  if (errorCode !== NONE) {
    answer(group, event, { errorCode, members: [] })
    return
  }
  const leavers = apiVersion < 3 ? [{ memberId: body.memberId, groupInstanceId: null, reason: null }] : body.members
  const members = leavers.map(leaver => {
    const { memberId, groupInstanceId } = leaver
    return { memberId, groupInstanceId, errorCode: removeLeaver(group, leaver, at) }
  })
  const writesBefore = group.nextWriteId
  if (members.some(member => member.errorCode === NONE)) goOnWithout(group, at)
  const good: LeaveAnswer = apiVersion < 3 ? { errorCode: members[0]!.errorCode, members: [] } : { errorCode: NONE, members }
  const write = group.writes.get(writesBefore)
  if (write?.type !== 'emptied') {
    answer(group, event, good)
    return
  }
  // The last ones have left: that is told when it is in the log.
  write.settled.push(failure => {
    answer(group, event, failure === NONE ? good : { errorCode: appendErrorToMember(failure), members: [] })
  })
}

function answer(group: Group, { request }: Leave, body: LeaveAnswer): void {
  group.effects.push({ type: 'answer', request, api: 'LeaveGroup', body })
}

function removeLeaver(group: Group, { memberId, groupInstanceId, reason }: Leaver, at: Instant): number {
  if (memberId !== '' && group.pending.has(memberId)) {
    forgetPending(group, memberId)
    return NONE
  }
  const byInstance = memberId === '' && groupInstanceId !== null
  const leaverId = byInstance ? group.staticMembers.get(groupInstanceId) : memberId
  if (leaverId === undefined) return UNKNOWN_MEMBER_ID
  const errorCode = identify(group, leaverId, groupInstanceId)
  if (errorCode !== NONE) return errorCode
  const member = group.members.get(leaverId)!
  dismiss(group, member, { errorCode: UNKNOWN_MEMBER_ID, memberId: '' }, at)
  removeMember(group, member)
  log(group, 'removed a member', { memberId: leaverId, reason: `it left: ${reason?.slice(0, REASON_MAX) ?? 'not provided'}` })
  return NONE
}

const REASON_MAX = 255

function goOnWithout(group: Group, at: Instant): void {
  const reaction = TABLE.membersLeft[group.state]
  if (reaction === 'rebalance') prepareRebalance(group, 'members left', at)
  else if (reaction === 'finishIfAllRejoined') finishIfAllRejoined(group, at)
}

export function settleEnd(write: Extract<Write, { type: 'emptied' | 'tombstone' }>, errorCode: number): void {
  for (const settled of write.settled) settled(errorCode)
}

// -------------------------------------------------------------------------------------------------------------------------------- the end

/** @param group  has no members */
export function remove(group: Group, at: Instant): void {
  endWith(group, at)
  persist(group, null, { type: 'tombstone', settled: [] })
}

export function unload(group: Group, errorCode: number, at: Instant): void {
  if (group.state === 'Dead') return
  for (const member of [...group.members.values()]) {
    // A Stable group's joins wait for the record with their new member id, which may never be in the log.
    const memberId = group.state === 'Stable' ? '' : member.memberId
    dismiss(group, member, { errorCode, memberId }, at)
    removeMember(group, member)
  }
  for (const write of group.writes.values()) if (write.type === 'emptied') settleEnd(write, errorCode)
  group.writes.clear()
  endWith(group, at)
}

function endWith(group: Group, at: Instant): void {
  enter(group, 'Dead', at)
  group.pending.clear()
  group.unsynced.clear()
  group.joinPhase = undefined
  group.syncEndsAt = undefined
  group.earliestExpiry = undefined
}
