// The answers of a classic group, and the requests that wait for them. Waiting begins and ends here and nowhere else, so that each request is
// answered once and a member is timed again when it waits no longer.
import { NONE, REBALANCE_IN_PROGRESS } from '../../../protocol/errors.ts'
import { type Asker, EMPTY, type Group, type Member, renewSession } from './roster.ts'
import type { GroupAnswer, Instant, RequestToken } from './types.ts'

type JoinAnswer = Extract<GroupAnswer, { api: 'JoinGroup' }>['body']

export function answerJoin(group: Group, asker: Asker, body: JoinAnswer): void {
  // Before version 7 there is no null here.
  const protocolName = body.protocolName ?? (asker.apiVersion < 7 ? '' : null)
  group.effects.push({ type: 'answer', request: asker.request, api: 'JoinGroup', body: { ...body, protocolName } })
}

export function refuseJoin(group: Group, asker: Asker, errorCode: number, memberId: string): void {
  answerJoin(group, asker, { errorCode, leader: '', memberId, members: [] })
}

/**
 * The current generation, to one of its members.
 * @param o.leader  its own id makes the member the one that assigns
 * @param o.roll  with everybody's metadata
 */
export function answerGeneration(
  group: Group,
  asker: Asker,
  memberId: string,
  o: { readonly leader: string; readonly roll: boolean; readonly skipAssignment: boolean },
): void {
  answerJoin(group, asker, {
    errorCode: NONE,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: o.leader,
    skipAssignment: o.skipAssignment,
    memberId,
    members: o.roll ? callRoll(group) : [],
  })
}

function callRoll(group: Group): JoinAnswer['members'] {
  return [...group.members.values()].map(({ memberId, groupInstanceId, protocols }) => ({
    memberId,
    groupInstanceId,
    metadata: protocols.get(group.protocolName!)!,
  }))
}

export function answerSync(group: Group, request: RequestToken, errorCode: number, assignment: Buffer = EMPTY): void {
  const { protocolType, protocolName } = errorCode === NONE ? group : { protocolType: null, protocolName: null }
  group.effects.push({ type: 'answer', request, api: 'SyncGroup', body: { errorCode, protocolType, protocolName, assignment } })
}

// -------------------------------------------------------------------------------------------------------------------------------- waiting

/** A member that asks again gave up its earlier request; Kafka leaves that one without an answer. */
export function awaitJoin(group: Group, member: Member, asker: Asker): void {
  if (member.awaitingJoin === undefined) group.waitingToJoin++
  else refuseJoin(group, member.awaitingJoin, REBALANCE_IN_PROGRESS, member.memberId)
  member.awaitingJoin = { request: asker.request, apiVersion: asker.apiVersion }
}

/** @returns whose request it was; undefined: the member does not wait */
export function endJoinWait(group: Group, member: Member, at: Instant): Asker | undefined {
  const asker = member.awaitingJoin
  if (asker === undefined) return undefined
  member.awaitingJoin = undefined
  group.waitingToJoin--
  renewSession(group, member, at)
  return asker
}

export function awaitSync(group: Group, member: Member, request: RequestToken): void {
  if (member.awaitingSync !== undefined) answerSync(group, member.awaitingSync, REBALANCE_IN_PROGRESS)
  member.awaitingSync = request
}

export function endSyncWait(group: Group, member: Member, at: Instant): RequestToken | undefined {
  const request = member.awaitingSync
  if (request === undefined) return undefined
  member.awaitingSync = undefined
  renewSession(group, member, at)
  return request
}

/** Sends a member away that is about to be removed or replaced, with what it waits for unanswered otherwise. */
export function dismiss(group: Group, member: Member, o: { readonly errorCode: number; readonly memberId: string }, at: Instant): void {
  const asker = endJoinWait(group, member, at)
  if (asker !== undefined) refuseJoin(group, asker, o.errorCode, o.memberId)
  const request = endSyncWait(group, member, at)
  if (request !== undefined) answerSync(group, request, o.errorCode)
}
