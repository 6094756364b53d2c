// A classic group: its members join, which makes a generation; the leader assigns; they live, leave or fall silent, and join again. An event machine whose
// durable part is one record (stored.ts): step is the only way in, effects the only way out. What an event meets in a state says table.ts.
// Facts: KIP-62, KIP-345, KIP-394, KIP-814; Kafka's ClassicGroup and GroupMetadataManager.
import { NONE } from '../../../protocol/errors.ts'
import { assert, unreachable } from '../../../util/assert.ts'
import { join, settleInstance } from './joining.ts'
import { leave, remove, settleEnd, unload } from './leaving.ts'
import { prepareRebalance } from './rebalance.ts'
import { EMPTY, emptyGroup, type Group, memberBytes } from './roster.ts'
import { deadlineOf, heartbeat, judgeCommit, passTime } from './sessions.ts'
import { fromValue } from './stored.ts'
import { CONSUMER } from './subscription.ts'
import { settleAssignment, sync } from './syncing.ts'
import { TABLE } from './table.ts'
import type {
  Committer,
  GroupDescription,
  GroupEffect,
  GroupEvent,
  GroupMetadataValue,
  GroupSettings,
  GroupState,
  Instant,
  OffsetExpiry,
} from './types.ts'

export class ClassicGroup {
  readonly #group: Group

  private constructor(group: Group) {
    this.#group = group
  }

  /** Empty, generation 0, not in the log. */
  static create(groupId: string, settings: GroupSettings): ClassicGroup {
    return new ClassicGroup(emptyGroup(groupId, settings))
  }

  /** As its last record says; sessions begin now. A group that group.max.size has become too small for rebalances. */
  static fromRecord(groupId: string, value: GroupMetadataValue, at: Instant, settings: GroupSettings): ClassicGroup {
    const group = fromValue(groupId, value, at, settings)
    if (group.members.size > settings.maxSize) prepareRebalance(group, 'group.max.size was lowered', at)
    return new ClassicGroup(group)
  }

  step(event: GroupEvent, at: Instant): GroupEffect[] {
    const group = this.#group
    run(group, event, at)
    const { effects } = group
    group.effects = []
    return effects
  }

  /** When, in Instant.now, a tick is due. undefined: nothing is timed. */
  get deadline(): number | undefined {
    return deadlineOf(this.#group)
  }

  get groupId(): string {
    return this.#group.groupId
  }
  get state(): GroupState {
    return this.#group.state
  }
  get generationId(): number {
    return this.#group.generationId
  }
  /** null: nobody has joined yet. */
  get protocolType(): string | null {
    return this.#group.protocolType
  }
  get protocolName(): string | null {
    return this.#group.protocolName
  }
  get leaderId(): string | null {
    return this.#group.leaderId
  }
  get memberCount(): number {
    return this.#group.members.size
  }
  /** Wall time; -1: not known. */
  get currentStateSinceMs(): number {
    return this.#group.stateSinceMs
  }
  /** What its members' metadata and names take in memory, about. */
  get heldBytes(): number {
    return this.#group.heldBytes + this.#group.pendingBytes
  }

  /** What a member takes of it; 0: there is none of this id. */
  bytesOf(memberId: string): number {
    const member = this.#group.members.get(memberId)
    return member === undefined ? 0 : memberBytes(member)
  }

  /** Nothing would be missed if it were forgotten without a tombstone: no member, no id given out, nothing in the log. Its offsets are the caller's. */
  get isForgettable(): boolean {
    const group = this.#group
    return group.state === 'Empty' && group.pending.size === 0 && !group.stored
  }

  /** NONE, or what OffsetCommit and TxnOffsetCommit answer for every partition. A member's good commit is a sign of life. */
  judgeCommit(committer: Committer, at: Instant): number {
    return judgeCommit(this.#group, committer, at)
  }

  /** NONE, or what DeleteGroups answers. */
  judgeDelete(): number {
    return TABLE.deleteArrives[this.#group.state]
  }

  /** NONE, or what OffsetDelete answers at its top; topics that the group is subscribed to are GROUP_SUBSCRIBED_TO_TOPIC besides. */
  judgeOffsetDelete(): number {
    const verdict = TABLE.offsetDeleteArrives[this.#group.state]
    if (verdict !== 'ifConsumers') return verdict
    return this.protocolType === CONSUMER ? NONE : TABLE.deleteArrives[this.#group.state]
  }

  /** Of consumers whose subscriptions cannot be read, any topic may be. */
  isSubscribedTo(topic: string): boolean {
    const { subscribedTopics, protocolType } = this.#group
    return subscribedTopics === null ? protocolType === CONSUMER : subscribedTopics.has(topic)
  }

  get offsetExpiry(): OffsetExpiry {
    const { protocolType, state, subscribedTopics } = this.#group
    if (protocolType === null) return 'sinceCommit'
    if (state === 'Empty') return 'sinceEmpty'
    return state === 'Stable' && subscribedTopics !== null ? 'sinceCommit' : 'never'
  }

  /** Metadata is told of a Stable group alone: before, there is no protocol it would be for. */
  describe(): GroupDescription {
    const { state, protocolType, protocolName, members } = this.#group
    const protocol = state === 'Stable' ? protocolName! : undefined
    return {
      groupState: state,
      protocolType: protocolType ?? '',
      protocolData: protocol ?? '',
      members: [...members.values()].map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: protocol === undefined ? EMPTY : member.protocols.get(protocol)!,
        memberAssignment: member.assignment,
      })),
    }
  }
}

function run(group: Group, event: GroupEvent, at: Instant): void {
  switch (event.type) {
    case 'join':
      join(group, event, at)
      break
    case 'sync':
      sync(group, event, at)
      break
    case 'heartbeat':
      heartbeat(group, event, at)
      break
    case 'leave':
      leave(group, event, at)
      break
    case 'tick':
      passTime(group, at)
      break
    case 'persisted':
      settle(group, event.id, event.errorCode, at)
      break
    case 'gone':
      break
    case 'delete':
      assert(TABLE.deleteArrives[group.state] === NONE, `group ${group.groupId} is ${group.state} and would be deleted`)
      remove(group, at)
      break
    case 'unload':
      unload(group, event.errorCode, at)
      break
    default:
      unreachable(event)
  }
}

function settle(group: Group, id: number, errorCode: number, at: Instant): void {
  const write = group.writes.get(id)
  assert(write !== undefined || group.state === 'Dead', `group ${group.groupId} has no write ${id} on its way`)
  if (write === undefined) return
  group.writes.delete(id)
  switch (write.type) {
    case 'assignment':
      settleAssignment(group, write, errorCode, at)
      break
    case 'instance':
      settleInstance(group, write, errorCode, at)
      break
    default:
      settleEnd(write, errorCode)
  }
}

/**
 * What a member without an id joins by. Kafka's form: its instance id or client id, and something random.
 * @param random  36 characters in Kafka
 */
export function newMemberId(clientId: string, groupInstanceId: string | null, random: string): string {
  // A string on the wire has at most 32767 bytes; nobody needs so much of a name. A character is never cut in two.
  const name = (groupInstanceId ?? clientId).slice(0, NAME_MAX).replace(/[\ud800-\udbff]$/, '')
  return `${name}-${random}`
}

const NAME_MAX = 1000
