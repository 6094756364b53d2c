// SyncGroup: members ask for their assignments, the leader brings them. Facts: KIP-559 (protocol type and name are compared);
// GroupMetadataManager.classicGroupSyncToClassicGroup, validateSyncGroup.
// We differ from Kafka: an assignment that is on its way to the log stands, whatever the leader sends again meanwhile (in Kafka the log may end up with
// another one than the members); a sync is a sign of life in Stable too.
import { ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, INVALID_GROUP_ID, NONE } from '../../../protocol/errors.ts'
import { answerSync, awaitSync } from './answers.ts'
import { appendErrorToMember } from './append-errors.ts'
import { keepBytes } from './protocols.ts'
import { becomeStable, dismissSyncs, prepareRebalance } from './rebalance.ts'
import { type Group, identify, impossible, log, noteSynced, persist, renewSession, type Write } from './roster.ts'
import { toValue } from './stored.ts'
import { TABLE } from './table.ts'
import type { GroupEvent, Instant } from './types.ts'

type Sync = Extract<GroupEvent, { type: 'sync' }>

export function sync(group: Group, { request, body }: Sync, at: Instant): void {
  const errorCode = judge(group, body)
  if (errorCode !== NONE) {
    answerSync(group, request, errorCode)
    return
  }
  const member = group.members.get(body.memberId)!
  const leads = group.leaderId === member.memberId
  const reaction = (leads ? TABLE.leaderSyncs : TABLE.followerSyncs)[group.state]
  if (typeof reaction === 'number') {
    answerSync(group, request, reaction)
    return
  }
  noteSynced(group, member.memberId)
  if (reaction === 'answerAssignment') {
    renewSession(group, member, at)
    answerSync(group, request, NONE, member.assignment)
    return
  }
  if (reaction === 'never') impossible(group, reaction)
  awaitSync(group, member, request)
  if (reaction === 'assign') assign(group, body.assignments)
}

function judge(group: Group, body: Sync['body']): number {
  if (body.groupId === '') return INVALID_GROUP_ID
  const arrives = TABLE.syncArrives[group.state]
  if (arrives !== NONE) return arrives
  const errorCode = identify(group, body.memberId, body.groupInstanceId)
  if (errorCode !== NONE) return errorCode
  if (body.generationId !== group.generationId) return ILLEGAL_GENERATION
  const agrees = isOrSilent(body.protocolType, group.protocolType) && isOrSilent(body.protocolName, group.protocolName)
  return agrees ? NONE : INCONSISTENT_GROUP_PROTOCOL
}

/** Versions below 5 name no protocol, and the group may have none yet. */
function isOrSilent(told: string | null, ours: string | null): boolean {
  return told === null || ours === null || told === ours
}

/** Into the log first: only then do members learn it. What is assigned to others than members is dropped, members without any get nothing. */
function assign(group: Group, listed: Sync['body']['assignments']): void {
  const { generationId } = group
  for (const write of group.writes.values()) if (write.type === 'assignment' && write.generationId === generationId) return
  const given = new Map(listed.map(({ memberId, assignment }) => [memberId, assignment]))
  const assignments = new Map<string, Buffer>()
  for (const memberId of group.members.keys()) {
    const assignment = given.get(memberId)
    if (assignment !== undefined) assignments.set(memberId, keepBytes(assignment))
  }
  if (assignments.size < group.members.size) {
    log(group, 'got no assignment for some members', { generationId, members: group.members.size - assignments.size })
  }
  persist(group, toValue(group, assignments), { type: 'assignment', generationId, assignments })
}

/** A rebalance that began meanwhile has answered all who waited. */
export function settleAssignment(group: Group, write: Extract<Write, { type: 'assignment' }>, errorCode: number, at: Instant): void {
  const reaction = (errorCode === NONE ? TABLE.assignmentStored : TABLE.assignmentLost)[group.state]
  if (group.generationId !== write.generationId || reaction === 'stay') return
  if (reaction === 'becomeStable') {
    becomeStable(group, write.assignments, at)
  } else {
    dismissSyncs(group, appendErrorToMember(errorCode), at)
    prepareRebalance(group, 'the assignment could not be stored', at)
  }
}
