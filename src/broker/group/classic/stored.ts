// A classic group as the value of its record, and back. What is not in it (who waits, what is timed, pending ids) does not survive a load: members
// rejoin, or their sessions end. Facts: GroupCoordinatorRecordHelpers.newGroupMetadataRecord, GroupMetadataManager.replay, onLoaded.
import { keepBytes } from './protocols.ts'
import { EMPTY, emptyGroup, enlist, type Group, type Member } from './roster.ts'
import { subscribedTopics } from './subscription.ts'
import type { GroupMetadataValue, GroupSettings, Instant } from './types.ts'

/** @param assignments  by member id; a member that is not in it has an empty one */
export function toValue(group: Group, assignments: ReadonlyMap<string, Buffer>): GroupMetadataValue {
  return {
    protocolType: group.protocolType ?? '',
    generation: group.generationId,
    protocol: group.protocolName,
    leader: group.leaderId,
    currentStateTimestamp: group.stateSinceMs,
    members: [...group.members.values()].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.protocols.get(group.protocolName!)!,
      assignment: assignments.get(member.memberId) ?? EMPTY,
    })),
  }
}

export function currentAssignments(group: Group): ReadonlyMap<string, Buffer> {
  return new Map([...group.members.values()].map(member => [member.memberId, member.assignment]))
}

/** Stable if it has members, else Empty. Members offer the group's protocol alone, until they rejoin; their sessions start now. */
export function fromValue(groupId: string, value: GroupMetadataValue, at: Instant, settings: GroupSettings): Group {
  const group = emptyGroup(groupId, settings)
  group.stateSinceMs = value.currentStateTimestamp
  group.stored = true
  group.generationId = value.generation
  group.protocolType = value.protocolType === '' ? null : value.protocolType
  group.protocolName = value.protocol
  // Without a protocol there can be no members: Kafka never writes it.
  for (const stored of value.protocol === null ? [] : value.members) {
    const instanceId = stored.groupInstanceId
    if (group.members.has(stored.memberId) || (instanceId !== null && group.staticMembers.has(instanceId))) continue
    const member: Member = {
      memberId: stored.memberId,
      groupInstanceId: instanceId,
      clientId: stored.clientId,
      clientHost: stored.clientHost,
      protocols: new Map([[value.protocol!, keepBytes(stored.subscription)]]),
      rebalanceTimeoutMs: stored.rebalanceTimeout === -1 ? stored.sessionTimeout : stored.rebalanceTimeout,
      sessionTimeoutMs: stored.sessionTimeout,
      assignment: keepBytes(stored.assignment),
      isNew: false,
      awaitingJoin: undefined,
      awaitingSync: undefined,
      expiresAt: at.now + stored.sessionTimeout,
    }
    enlist(group, member)
  }
  if (value.leader !== null && group.members.has(value.leader)) group.leaderId = value.leader
  if (group.members.size > 0) group.state = 'Stable'
  group.subscribedTopics = subscribedTopics(group)
  return group
}
