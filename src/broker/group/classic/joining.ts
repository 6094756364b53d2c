// JoinGroup. Facts: KIP-345 (static members), KIP-394 (MEMBER_ID_REQUIRED), KIP-814 (skipAssignment), KIP-389 (group.max.size);
// GroupCoordinatorService.joinGroup, GroupMetadataManager.classicGroupJoin …, updateStaticMemberThenRebalanceOrCompleteJoin.
// We differ from Kafka: what a member may keep is bounded (Kafka meets the bound when the group's record is written); whoever is turned away from a full
// group during a rebalance is no longer waited for; a returning instance shows its new client id and host.
import {
  FENCED_INSTANCE_ID,
  GROUP_MAX_SIZE_REACHED,
  INCONSISTENT_GROUP_PROTOCOL,
  INVALID_GROUP_ID,
  INVALID_SESSION_TIMEOUT,
  MEMBER_ID_REQUIRED,
  MESSAGE_TOO_LARGE,
  NONE,
  UNKNOWN_MEMBER_ID,
} from '../../../protocol/errors.ts'
import { answerGeneration, answerJoin, awaitJoin, dismiss, endJoinWait, refuseJoin } from './answers.ts'
import { appendErrorToMember } from './append-errors.ts'
import { keepProtocols, type Protocols, protocolsBytes, readProtocols, sameProtocols } from './protocols.ts'
import { finishIfAllRejoined, prepareRebalance } from './rebalance.ts'
import {
  addMember,
  addPending,
  changeMember,
  EMPTY,
  electProtocol,
  forgetPending,
  type Group,
  identify,
  impossible,
  log,
  type Member,
  persist,
  removeMember,
  renewSession,
  replaceMember,
  suits,
  type Write,
} from './roster.ts'
import { currentAssignments, toValue } from './stored.ts'
import { TABLE } from './table.ts'
import type { GroupEvent, Instant } from './types.ts'

type Join = Extract<GroupEvent, { type: 'join' }>
type InstanceWrite = Extract<Write, { type: 'instance' }>

/** A new member that waits longer than this is taken for gone: it could not send a heartbeat if it wanted to. */
const NEW_MEMBER_TIMEOUT_MS = 5 * 60_000
/** In multiples of the largest record. */
const MEMBER_RECORDS_MAX = 2
const GROUP_RECORDS_MAX = 32
const REASON_MAX = 255

export function join(group: Group, event: Join, at: Instant): void {
  const { body } = event
  const protocols = readProtocols(body.protocols)
  const errorCode = judge(group, event, protocols)
  if (errorCode === GROUP_MAX_SIZE_REACHED) turnAway(group, event, at)
  else if (errorCode !== NONE) refuseJoin(group, event, errorCode, body.memberId)
  else if (body.memberId !== '') joinById(group, event, protocols, at)
  else joinWithoutId(group, event, protocols, at)
}

/** What stands against it, in Kafka's order, before anybody asks which member it is. */
function judge(group: Group, { body }: Join, protocols: Protocols): number {
  const { settings } = group
  if (body.groupId === '') return INVALID_GROUP_ID
  if (body.sessionTimeoutMs < settings.minSessionTimeoutMs || body.sessionTimeoutMs > settings.maxSessionTimeoutMs) {
    return INVALID_SESSION_TIMEOUT
  }
  const arrives = TABLE.joinArrives[group.state]
  if (arrives !== NONE) return arrives
  if (isUnheardOf(group) && body.memberId !== '') return UNKNOWN_MEMBER_ID
  if (!hasRoom(group, body.memberId)) return GROUP_MAX_SIZE_REACHED
  if (!suits(group, body.protocolType, protocols)) return INCONSISTENT_GROUP_PROTOCOL
  const sizeBytes = protocolsBytes(protocols) + (body.groupInstanceId?.length ?? 0)
  if (sizeBytes > MEMBER_RECORDS_MAX * settings.maxRecordBytes) return MESSAGE_TOO_LARGE
  const before = group.members.get(body.memberId)
  const heldBytes = group.heldBytes - (before === undefined ? 0 : protocolsBytes(before.protocols))
  return heldBytes + sizeBytes > GROUP_RECORDS_MAX * settings.maxRecordBytes ? GROUP_MAX_SIZE_REACHED : NONE
}

/** Kafka makes a group only for a member without an id. */
function isUnheardOf(group: Group): boolean {
  return !group.stored && group.state === 'Empty' && group.pending.size === 0
}

function hasRoom(group: Group, memberId: string): boolean {
  const { maxSize } = group.settings
  const member = group.members.get(memberId)
  const room = TABLE.room[group.state]
  switch (room) {
    case 'all':
      return true
    case 'waiting':
      // The last to rejoin give way where group.max.size was lowered.
      return member?.awaitingJoin !== undefined || group.waitingToJoin < maxSize
    case 'members':
      return member !== undefined || group.members.size < maxSize
    case 'never':
      return impossible(group, room)
  }
}

/** Whoever is in no longer, is no longer waited for. */
function turnAway(group: Group, event: Join, at: Instant): void {
  const { memberId } = event.body
  refuseJoin(group, event, GROUP_MAX_SIZE_REACHED, '')
  forgetPending(group, memberId)
  if (group.state !== 'PreparingRebalance') return
  const member = group.members.get(memberId)
  if (member !== undefined) {
    dismiss(group, member, { errorCode: GROUP_MAX_SIZE_REACHED, memberId: '' }, at)
    removeMember(group, member)
    log(group, 'removed a member', { memberId, reason: 'the group is full' })
  }
  finishIfAllRejoined(group, at)
}

// ------------------------------------------------------------------------------------------------------------------------------- newcomers

function joinWithoutId(group: Group, event: Join, protocols: Protocols, at: Instant): void {
  const { groupInstanceId, sessionTimeoutMs } = event.body
  const holderId = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId)
  if (holderId !== undefined) {
    replaceInstance(group, event, group.members.get(holderId)!, protocols, at)
  } else if (groupInstanceId === null && event.apiVersion >= 4) {
    addPending(group, event.newMemberId, at.now + sessionTimeoutMs)
    refuseJoin(group, event, MEMBER_ID_REQUIRED, event.newMemberId)
  } else {
    admit(group, event, event.newMemberId, protocols, at)
  }
}

function admit(group: Group, event: Join, memberId: string, protocols: Protocols, at: Instant): void {
  const { body } = event
  const member: Member = {
    memberId,
    groupInstanceId: body.groupInstanceId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    protocols: keepProtocols(protocols),
    rebalanceTimeoutMs: rebalanceTimeoutOf(event),
    sessionTimeoutMs: body.sessionTimeoutMs,
    assignment: EMPTY,
    isNew: true,
    awaitingJoin: undefined,
    awaitingSync: undefined,
    expiresAt: at.now + NEW_MEMBER_TIMEOUT_MS,
  }
  addMember(group, member, body.protocolType)
  awaitJoin(group, member, event)
  group.grewDuringDelay ||= group.joinPhase?.initial !== undefined
  rebalanceOrFinish(group, TABLE.newcomerJoins[group.state], `member ${memberId} joins: ${reasonOf(event)}`, at)
}

/** Version 0 has no rebalance timeout of its own. */
function rebalanceTimeoutOf({ apiVersion, body }: Join): number {
  return apiVersion === 0 ? body.sessionTimeoutMs : body.rebalanceTimeoutMs
}

function reasonOf({ body }: Join): string {
  return body.reason === null || body.reason === '' ? 'not provided' : body.reason.slice(0, REASON_MAX)
}

function rebalanceOrFinish(group: Group, reaction: 'rebalance' | 'finishIfAllRejoined' | 'never', reason: string, at: Instant): void {
  if (reaction === 'rebalance') prepareRebalance(group, reason, at)
  else if (reaction === 'finishIfAllRejoined') finishIfAllRejoined(group, at)
  else impossible(group, reaction)
}

// --------------------------------------------------------------------------------------------------------------------------------- members

function joinById(group: Group, event: Join, protocols: Protocols, at: Instant): void {
  const { memberId, groupInstanceId } = event.body
  if (groupInstanceId === null && group.pending.has(memberId)) {
    admit(group, event, memberId, protocols, at)
    return
  }
  const errorCode = identify(group, memberId, groupInstanceId)
  if (errorCode === NONE) rejoin(group, event, group.members.get(memberId)!, protocols, at)
  else refuseJoin(group, event, errorCode, memberId)
}

function rejoin(group: Group, event: Join, member: Member, protocols: Protocols, at: Instant): void {
  const leads = group.leaderId === member.memberId
  const same = sameProtocols(member.protocols, protocols)
  const row = same ? (leads ? TABLE.leaderRejoins : TABLE.followerRejoins) : TABLE.memberRejoinsChanged
  const reaction = row[group.state]
  if (reaction === 'answerGeneration') {
    renewSession(group, member, at)
    answerGeneration(group, event, member.memberId, { leader: group.leaderId!, roll: leads, skipAssignment: false })
    return
  }
  update(group, event, member, same ? member.protocols : keepProtocols(protocols))
  const who = `${leads ? 'leader' : 'member'} ${member.memberId}`
  const reason = `${who} rejoins${same ? '' : ' with other metadata'}: ${reasonOf(event)}`
  rebalanceOrFinish(group, reaction === 'park' ? 'finishIfAllRejoined' : reaction, reason, at)
}

function update(group: Group, event: Join, member: Member, protocols: Protocols): void {
  const { sessionTimeoutMs } = event.body
  changeMember(group, member, { protocols, rebalanceTimeoutMs: rebalanceTimeoutOf(event), sessionTimeoutMs })
  awaitJoin(group, member, event)
}

// --------------------------------------------------------------------------------------------------------------------------- static members

/** An instance that restarted has lost its member id: it gets a new one in the old one's place. */
function replaceInstance(group: Group, event: Join, before: Member, protocols: Protocols, at: Instant): void {
  const { newMemberId, clientId, clientHost } = event
  const leaderBefore = group.leaderId!
  dismiss(group, before, { errorCode: FENCED_INSTANCE_ID, memberId: before.memberId }, at)
  const member = replaceMember(group, before, { ...before, memberId: newMemberId, clientId, clientHost, isNew: false })
  update(group, event, member, keepProtocols(protocols))
  log(group, 'replaced a static member', { groupInstanceId: before.groupInstanceId!, memberId: newMemberId, before: before.memberId })
  const reaction = TABLE.instanceReturns[group.state]
  if (reaction !== 'keepOrRebalance') {
    rebalanceOrFinish(group, reaction, `static member ${newMemberId} returns: ${reasonOf(event)}`, at)
  } else if (electProtocol(group) !== group.protocolName) {
    prepareRebalance(group, `static member ${newMemberId} returns and changes the protocol: ${reasonOf(event)}`, at)
  } else {
    const asker = { request: event.request, apiVersion: event.apiVersion }
    const write: InstanceWrite = { type: 'instance', generationId: group.generationId, asker, member, before, leaderBefore }
    persist(group, toValue(group, currentAssignments(group)), write)
  }
}

/** The record with the new id is in the log, or never will be. A rebalance that began meanwhile has taken the member in. */
export function settleInstance(group: Group, write: InstanceWrite, errorCode: number, at: Instant): void {
  const { asker, member } = write
  const reaction = (errorCode === NONE ? TABLE.instanceStored : TABLE.instanceLost)[group.state]
  const isCurrent = group.generationId === write.generationId && member.awaitingJoin?.request === asker.request
  if (reaction === 'stay' || !isCurrent) return
  endJoinWait(group, member, at)
  if (reaction === 'revert') revertInstance(group, write, errorCode, at)
  else if (asker.apiVersion >= 9) {
    const leads = group.leaderId === member.memberId
    answerGeneration(group, asker, member.memberId, { leader: group.leaderId!, roll: leads, skipAssignment: leads })
  } else {
    // Named by the id it had, the leader does not know itself, and does not assign anew.
    answerGeneration(group, asker, member.memberId, { leader: write.leaderBefore, roll: false, skipAssignment: false })
  }
}

function revertInstance(group: Group, { asker, member, before, leaderBefore }: InstanceWrite, errorCode: number, at: Instant): void {
  renewSession(group, replaceMember(group, member, before), at)
  const { generationId, protocolType, protocolName } = group
  answerJoin(group, asker, {
    errorCode: appendErrorToMember(errorCode),
    generationId,
    protocolType,
    protocolName,
    leader: leaderBefore,
    memberId: '',
    members: [],
  })
}
