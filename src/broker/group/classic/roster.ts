// Who belongs to a classic group: members, static members by their instance id, ids given out and not yet used, who still has to join or to sync, and
// the leader. Plain data and the changes to it; when they happen is decided elsewhere (joining, syncing, leaving, rebalance).
// Facts: KIP-345 (static members), KIP-394 (pending ids); Kafka's ClassicGroup, ClassicGroupMember.
import { FENCED_INSTANCE_ID, NONE, UNKNOWN_MEMBER_ID } from '../../../protocol/errors.ts'
import { AssertionError, assert } from '../../../util/assert.ts'
import { type Protocols, protocolsBytes, Support } from './protocols.ts'
import { ENTERED_FROM } from './table.ts'
import type { GroupEffect, GroupMetadataValue, GroupSettings, GroupState, Instant, RequestToken } from './types.ts'

export const EMPTY = Buffer.alloc(0)

/** A JoinGroup that waits: its answer depends on its version. */
export interface Asker {
  readonly request: RequestToken
  readonly apiVersion: number
}

export interface Member {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** In the group's Support; changed by changeMember alone. */
  protocols: Protocols
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** That of the current generation; empty before there is one. */
  assignment: Buffer
  /** Its first JoinGroup waits still: it may not know its id, so it is timed although it waits. */
  isNew: boolean
  awaitingJoin: Asker | undefined
  awaitingSync: RequestToken | undefined
  /** When its session ends, should it be timed then: see isTimed. */
  expiresAt: number
}

export interface PendingMember {
  readonly expiresAt: number
}

/** A record on its way to the log, and what hangs on it. */
export type Write =
  | {
      readonly type: 'assignment'
      readonly generationId: number
      readonly assignments: ReadonlyMap<string, Buffer>
    }
  | {
      readonly type: 'instance'
      readonly generationId: number
      readonly asker: Asker
      readonly member: Member
      /** As it was: comes back if the record is lost. */
      readonly before: Member
      readonly leaderBefore: string
    }
  | { readonly type: 'emptied' | 'tombstone'; readonly settled: ((errorCode: number) => void)[] }

export interface Group {
  readonly groupId: string
  readonly settings: GroupSettings
  state: GroupState
  /** Wall time; -1: not known, because it never had a member or a record of old did not say. */
  stateSinceMs: number
  generationId: number
  protocolType: string | null
  protocolName: string | null
  /** Among the members, null without any. */
  leaderId: string | null
  readonly members: Map<string, Member>
  /** Instance id → member id, of the members that have one. */
  readonly staticMembers: Map<string, string>
  /** Ids that were given out and have not joined yet, oldest first; never a member's. */
  readonly pending: Map<string, PendingMember>
  pendingBytes: number
  /** Members that have this generation and no assignment yet. */
  readonly unsynced: Set<string>
  waitingToJoin: number
  readonly support: Support
  /** Of all members; null: not known, or not a consumer group. */
  subscribedTopics: ReadonlySet<string> | null
  /** While PreparingRebalance. `initial`: it is the delay of a first rebalance, and may be prolonged by so much. */
  joinPhase:
    | { readonly endsAt: number; readonly initial: { readonly delayMs: number; readonly remainingMs: number } | undefined }
    | undefined
  /** A member joined during the delay of a first rebalance. */
  grewDuringDelay: boolean
  /** While members are unsynced. */
  syncEndsAt: number | undefined
  /** Not later than the first session's end; undefined: nobody is timed. */
  earliestExpiry: number | undefined
  readonly writes: Map<number, Write>
  nextWriteId: number
  /** A record of it stands in the log, or is on its way there. */
  stored: boolean
  /** Of members' metadata and names. */
  heldBytes: number
  /** Of the step that runs. */
  effects: GroupEffect[]
}

export function emptyGroup(groupId: string, settings: GroupSettings): Group {
  return {
    groupId,
    settings,
    state: 'Empty',
    stateSinceMs: -1,
    generationId: 0,
    protocolType: null,
    protocolName: null,
    leaderId: null,
    members: new Map(),
    staticMembers: new Map(),
    pending: new Map(),
    pendingBytes: 0,
    unsynced: new Set(),
    waitingToJoin: 0,
    support: new Support(),
    subscribedTopics: null,
    joinPhase: undefined,
    grewDuringDelay: false,
    syncEndsAt: undefined,
    earliestExpiry: undefined,
    writes: new Map(),
    nextWriteId: 1,
    stored: false,
    heldBytes: 0,
    effects: [],
  }
}

export function enter(group: Group, state: GroupState, at: Instant): void {
  assert(ENTERED_FROM[state].includes(group.state), `group ${group.groupId}: ${state} does not follow ${group.state}`)
  group.state = state
  group.stateSinceMs = at.wallTime
}

// -------------------------------------------------------------------------------------------------------------------------------- members

export function addMember(group: Group, member: Member, protocolType: string): void {
  assert(!group.members.has(member.memberId), `group ${group.groupId} has a member ${member.memberId}`)
  if (group.members.size === 0) group.protocolType = protocolType
  enlist(group, member)
  forgetPending(group, member.memberId)
}

/** Puts it among the members; no more. */
export function enlist(group: Group, member: Member): void {
  group.members.set(member.memberId, member)
  if (member.groupInstanceId !== null) group.staticMembers.set(member.groupInstanceId, member.memberId)
  group.support.add(member.protocols)
  group.heldBytes += memberBytes(member)
  if (member.awaitingJoin !== undefined) group.waitingToJoin++
  group.leaderId ??= member.memberId
  time(group, member.expiresAt)
}

/** Nobody may be waiting for an answer under its name any more. */
export function removeMember(group: Group, member: Member): void {
  assert(member.awaitingJoin === undefined && member.awaitingSync === undefined, `member ${member.memberId} still waits`)
  delist(group, member)
  if (group.leaderId === member.memberId) group.leaderId = firstOf(group.members.keys())
  untimeIfAlone(group)
}

/** An instance's member under another id: the leader stays the leader; its assignment it may ask for when it likes. */
export function replaceMember(group: Group, member: Member, successor: Member): Member {
  assert(member.awaitingJoin === undefined && member.awaitingSync === undefined, `member ${member.memberId} still waits`)
  const leads = group.leaderId === member.memberId
  delist(group, member)
  enlist(group, successor)
  if (leads) group.leaderId = successor.memberId
  return successor
}

export function changeMember(
  group: Group,
  member: Member,
  to: { readonly protocols: Protocols; readonly rebalanceTimeoutMs: number; readonly sessionTimeoutMs: number },
): void {
  group.support.remove(member.protocols)
  group.heldBytes -= memberBytes(member)
  member.protocols = to.protocols
  member.rebalanceTimeoutMs = to.rebalanceTimeoutMs
  member.sessionTimeoutMs = to.sessionTimeoutMs
  group.support.add(member.protocols)
  group.heldBytes += memberBytes(member)
}

function delist(group: Group, member: Member): void {
  group.members.delete(member.memberId)
  if (member.groupInstanceId !== null) group.staticMembers.delete(member.groupInstanceId)
  group.support.remove(member.protocols)
  group.heldBytes -= memberBytes(member)
  noteSynced(group, member.memberId)
}

/** A member asked for its assignment, or is not there to do so. */
export function noteSynced(group: Group, memberId: string): void {
  group.unsynced.delete(memberId)
  if (group.unsynced.size === 0) group.syncEndsAt = undefined
}

export function memberBytes(member: {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly protocols: Protocols
}): number {
  const names = member.memberId.length + (member.groupInstanceId?.length ?? 0) + member.clientId.length + member.clientHost.length
  return MEMBER_BYTES + names + protocolsBytes(member.protocols)
}

/** What a member takes besides its names and protocols, about. */
const MEMBER_BYTES = 800

/** NONE: a member speaks. Else UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID where another one has taken over its instance. */
export function identify(group: Group, memberId: string, groupInstanceId: string | null): number {
  if (groupInstanceId !== null) {
    const holder = group.staticMembers.get(groupInstanceId)
    if (holder !== undefined && holder !== memberId) return FENCED_INSTANCE_ID
    if (holder === undefined) return UNKNOWN_MEMBER_ID
  }
  return group.members.has(memberId) ? NONE : UNKNOWN_MEMBER_ID
}

export function everybodyWaitsToJoin(group: Group): boolean {
  return group.waitingToJoin === group.members.size && group.pending.size === 0
}

/** The longest that a member takes to rejoin. */
export function rebalanceTimeoutMs(group: Group): number {
  let longest = 0
  for (const member of group.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
  return longest
}

/** Whether a protocol of the newcomer's is one that all members have. */
export function suits(group: Group, protocolType: string, protocols: Protocols): boolean {
  if (group.state === 'Empty') return protocolType !== '' && protocols.size > 0
  if (protocolType !== group.protocolType) return false
  for (const name of protocols.keys()) if (group.support.count(name) === group.members.size) return true
  return false
}

export function electProtocol(group: Group): string {
  const elected = group.support.elect([...group.members.values()].map(member => member.protocols))
  assert(elected !== undefined, `group ${group.groupId}: ${group.members.size} members have no protocol in common`)
  return elected
}

// -------------------------------------------------------------------------------------------------------------------------------- pending

/** Ids cost nothing to ask for, so the oldest give way; whoever had one starts over. */
const PENDING_MEMBERS_MAX = 10_000
const PENDING_BYTES_MAX = 4 << 20
const PENDING_ENTRY_BYTES = 128

export function addPending(group: Group, memberId: string, expiresAt: number): void {
  assert(!group.members.has(memberId) && !group.pending.has(memberId), `group ${group.groupId} knows ${memberId}`)
  group.pending.set(memberId, { expiresAt })
  group.pendingBytes += PENDING_ENTRY_BYTES + memberId.length
  time(group, expiresAt)
  while (group.pending.size > PENDING_MEMBERS_MAX || group.pendingBytes > PENDING_BYTES_MAX)
    forgetPending(group, firstOf(group.pending.keys())!)
}

export function forgetPending(group: Group, memberId: string): void {
  if (!group.pending.delete(memberId)) return
  group.pendingBytes -= PENDING_ENTRY_BYTES + memberId.length
  untimeIfAlone(group)
}

// -------------------------------------------------------------------------------------------------------------------------------- sessions

/** A member that waits for the group cannot be late, unless it waits for the first time: whoever gave up meanwhile would never be noticed. */
export function isTimed(member: Member): boolean {
  return member.isNew || (member.awaitingJoin === undefined && member.awaitingSync === undefined)
}

/** A sign of life. */
export function renewSession(group: Group, member: Member, at: Instant, timeoutMs = member.sessionTimeoutMs): void {
  member.expiresAt = at.now + timeoutMs
  time(group, member.expiresAt)
}

/** The bound is only ever lowered here, so a heartbeat costs nothing; who finds it too low finds the next one (sessions.ts). */
function time(group: Group, expiresAt: number): void {
  if (group.earliestExpiry === undefined || expiresAt < group.earliestExpiry) group.earliestExpiry = expiresAt
}

function untimeIfAlone(group: Group): void {
  if (group.members.size === 0 && group.pending.size === 0) group.earliestExpiry = undefined
}

/** For what the table calls `never`. */
export function impossible(group: Group, reaction: string): never {
  throw new AssertionError(`group ${group.groupId} is ${group.state}: ${reaction}`)
}

// -------------------------------------------------------------------------------------------------------------------------------- effects

export function log(group: Group, event: string, fields: Readonly<Record<string, string | number>> = {}): void {
  group.effects.push({ type: 'log', event, fields: { group: group.groupId, ...fields } })
}

export function persist(group: Group, value: GroupMetadataValue | null, write: Write): void {
  const id = group.nextWriteId++
  group.writes.set(id, write)
  group.stored = true
  group.effects.push({ type: 'persist', id, value })
}

export function firstOf<T>(items: Iterable<T>): T | null {
  for (const item of items) return item
  return null
}
