// The groups of one partition of __consumer_offsets: who is a member of what, which offsets are committed, and what is still on its way to disk.
// A core: requests and events in, effects out; the shell (led-partition.ts) appends, waits for the high watermark, answers, and keeps the one timer.
//
// Rules. A decision sees what was appended before it, durable or not (decide → append → apply, with nothing in between). What depends on a record is
// answered when the record is below the high watermark; OffsetFetch tells what is there already. What is not answered may be gone after a crash.
// Facts: GroupCoordinatorShard, OffsetMetadataManager, GroupMetadataManager (classic groups). We differ from Kafka: a group that never had a
// finished rebalance nor offsets is not written, and is forgotten as soon as nobody waits in it.
import type { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import type { OffsetDelete } from '../../protocol/api/47-offset-delete.ts'
import {
  COORDINATOR_NOT_AVAILABLE,
  GROUP_ID_NOT_FOUND,
  GROUP_SUBSCRIBED_TO_TOPIC,
  ILLEGAL_GENERATION,
  NONE,
  OFFSET_METADATA_TOO_LARGE,
} from '../../protocol/errors.ts'
import type { RequestOf } from '../../protocol/schema.ts'
import { assert } from '../../util/assert.ts'
import { type Uuid, ZERO_UUID } from '../../util/uuid.ts'
import { appendErrorToMember } from './classic/append-errors.ts'
import { ClassicGroup } from './classic/classic-group.ts'
import type {
  GroupDescription,
  GroupEffect,
  GroupEvent,
  GroupMetadataValue,
  GroupSettings,
  GroupState,
  Instant,
  RequestToken,
} from './classic/types.ts'

import { OffsetStore, type TopicOffsets } from './offsets.ts'
import { type CommittedOffset, type GroupRecord, type GroupReplay, roughBytes } from './records.ts'

type CommitRequest = RequestOf<typeof OffsetCommit>
export interface CommitAnswer {
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[]
  }[]
}
type DeleteOffsetsRequest = RequestOf<typeof OffsetDelete>

export interface ShardSettings extends GroupSettings {
  /** offset.metadata.max.bytes */
  readonly metadataMaxBytes: number
  /** offsets.retention.minutes */
  readonly retentionMs: number
}

/** What the members of all groups of a node take in memory, and may take. */
export interface MemberMemory {
  heldBytes: number
  readonly maxBytes: number
}

export type ShardEffect =
  | { readonly type: 'answer'; readonly request: RequestToken; readonly body: unknown }
  /** In one batch. `appended` or `failed` must be called with the id before anything but commits is decided, in the order of the ids. */
  | { readonly type: 'append'; readonly id: number; readonly records: readonly GroupRecord[] }
  | { readonly type: 'log'; readonly event: string; readonly fields: Readonly<Record<string, string | number>> }

/** A request of a member that its group answers. */
export type MemberRequest = Extract<GroupEvent, { readonly type: 'join' | 'sync' | 'heartbeat' | 'leave' }>

type JoinEvent = Extract<GroupEvent, { readonly type: 'join' }>

export interface ListedGroup {
  readonly groupId: string
  readonly protocolType: string
  readonly groupState: GroupState
}

/** What happens when the records of an append are durable, or will never be. The error is the log's own. */
type Settle = (errorCode: number, at: Instant) => readonly ShardEffect[]

interface Pending {
  readonly records: readonly GroupRecord[]
  readonly settle: Settle
  /** Of the first record's group; undefined when it is gone. */
  readonly held: Held | undefined
  /** -1 until it is appended. */
  endOffset: number
  /** The log did not take it; told when what was appended before it is settled, so that groups hear of their records in order. */
  failure: number
}

interface Held {
  readonly group: ClassicGroup
  /** Appends that are not settled. */
  pendingCount: number
  /** Of the group, as it stands in the node's sum. */
  heldBytes: number
}

/** What a new member takes besides its protocols, about. */
const STRANGER_BYTES = 1000
/** Longer lists of deletions are cut into batches of about this size. */
const BATCH_BYTES = 512 * 1024
const NOTHING: readonly ShardEffect[] = []

export class Shard implements GroupReplay {
  readonly #settings: () => ShardSettings
  readonly #memory: MemberMemory
  readonly #groups = new Map<string, Held>()
  readonly #offsets = new OffsetStore()
  /** Groups that something is timed in. */
  readonly #timed = new Set<ClassicGroup>()
  /** Not later than the earliest of their deadlines. */
  #deadline: number | undefined
  /** In the order of appending. */
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  /** Of the last append. */
  #lastEndOffset = 0
  /** What `durable` said last. */
  #durableOffset = 0
  /** Of the groups read so far, while the log is loaded. */
  #loading: Map<string, GroupMetadataValue> | undefined = new Map()

  constructor(settings: () => ShardSettings, memory: MemberMemory) {
    this.#settings = settings
    this.#memory = memory
  }

  // ------------------------------------------------------------------------------------------------------------------------------ loading

  offset(groupId: string, topic: string, partition: number, value: CommittedOffset | null): void {
    this.#offsets.replay(groupId, topic, partition, value)
  }

  group(groupId: string, value: GroupMetadataValue | null): void {
    if (value === null) this.#loading!.delete(groupId)
    else this.#loading!.set(groupId, value)
  }

  /** Everything is read: members' sessions begin now. */
  loaded(at: Instant): { readonly groupCount: number } {
    const values = this.#loading!
    this.#loading = undefined
    for (const [groupId, value] of values) {
      const group = ClassicGroup.fromRecord(groupId, value, at, this.#settings())
      this.#groups.set(groupId, { group, pendingCount: 0, heldBytes: group.heldBytes })
      this.#memory.heldBytes += group.heldBytes
      this.#time(group)
    }
    for (const groupId of this.#offsets.groupIds()) if (!this.#groups.has(groupId)) this.#hold(groupId)
    return { groupCount: this.#groups.size }
  }

  // ------------------------------------------------------------------------------------------------------------------------------ members

  /** JoinGroup, SyncGroup, Heartbeat, LeaveGroup. An unknown group answers as an empty one, and stays only when somebody joins. */
  request(event: MemberRequest, at: Instant): readonly ShardEffect[] {
    const { groupId } = event.body
    if (event.type === 'join' && !this.#hasMemoryFor(event)) return [refusedJoin(event, COORDINATOR_NOT_AVAILABLE)]
    const held = this.#groups.get(groupId) ?? this.#hold(groupId)
    const effects = this.#stepped(held, event, at)
    this.#perhapsForget(groupId)
    return effects
  }

  /** The client of a parked request is gone. */
  gone(groupId: string, request: RequestToken, at: Instant): readonly ShardEffect[] {
    const held = this.#groups.get(groupId)
    return held === undefined ? NOTHING : this.#stepped(held, { type: 'gone', request }, at)
  }

  /** When `tick` is due; undefined: nothing is timed. */
  get deadline(): number | undefined {
    return this.#deadline
  }

  tick(at: Instant): readonly ShardEffect[] {
    const effects: ShardEffect[] = []
    for (const group of [...this.#timed]) {
      if (group.deadline === undefined || group.deadline > at.now) continue
      const held = this.#groups.get(group.groupId)
      if (held?.group !== group) continue
      effects.push(...this.#stepped(held, { type: 'tick' }, at))
      this.#perhapsForget(group.groupId)
    }
    this.#deadline = undefined
    for (const group of this.#timed) this.#time(group)
    return effects
  }

  // ------------------------------------------------------------------------------------------------------------------------------ offsets

  /** Only of partitions that exist. @param topicIdOf  of the topic as it is now */
  commit(
    o: { request: RequestToken; apiVersion: number; body: CommitRequest; topicIdOf: (topic: string) => Uuid | undefined },
    at: Instant,
  ): readonly ShardEffect[] {
    const { request, body } = o
    const errorCode = this.#judgeCommit(body, o.apiVersion, at)
    if (errorCode !== NONE) return [{ type: 'answer', request, body: refusedCommit(body, errorCode) }]
    const { metadataMaxBytes } = this.#settings()
    const records = commitRecords(o, { metadataMaxBytes, wallTime: at.wallTime })
    if (records.length === 0) {
      this.#perhapsForget(body.groupId)
      return [{ type: 'answer', request, body: acceptedCommit(body, metadataMaxBytes) }]
    }
    return [
      this.#append(records, error =>
        error === NONE
          ? [{ type: 'answer', request, body: acceptedCommit(body, metadataMaxBytes) }]
          : [{ type: 'answer', request, body: refusedCommit(body, appendErrorToMember(error)) }],
      ),
    ]
  }

  #judgeCommit(
    { groupId, generationIdOrMemberEpoch: generationId, memberId, groupInstanceId }: CommitRequest,
    version: number,
    at: Instant,
  ) {
    let held = this.#groups.get(groupId)
    if (held === undefined) {
      if (generationId >= 0) return version >= 9 ? GROUP_ID_NOT_FOUND : ILLEGAL_GENERATION
      held = this.#hold(groupId)
    }
    const errorCode = held.group.judgeCommit({ memberId, groupInstanceId, generationId, transactional: false }, at)
    this.#time(held.group)
    if (errorCode !== NONE) this.#perhapsForget(groupId)
    return errorCode
  }

  /** Only of partitions that exist. */
  deleteOffsets({ request, body }: { request: RequestToken; body: DeleteOffsetsRequest }): readonly ShardEffect[] {
    const { groupId } = body
    const refused = (errorCode: number): ShardEffect => ({ type: 'answer', request, body: { errorCode, topics: [] } })
    const group = this.#groups.get(groupId)?.group
    const errorCode = group === undefined ? GROUP_ID_NOT_FOUND : group.judgeOffsetDelete()
    if (group === undefined || errorCode !== NONE) return [refused(errorCode)]
    const records: GroupRecord[] = []
    const topics = body.topics.map(({ name, partitions }) => {
      const errorCode = group.isSubscribedTo(name) ? GROUP_SUBSCRIBED_TO_TOPIC : NONE
      for (const { partitionIndex } of partitions) {
        if (errorCode === NONE && this.#offsets.has(groupId, name, partitionIndex)) records.push(forgotten(groupId, name, partitionIndex))
      }
      return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    })
    const answer: ShardEffect = { type: 'answer', request, body: { errorCode: NONE, topics } }
    return this.#appendAll(records, answer, error => refused(appendErrorToMember(error)))
  }

  /** The offsets go first, so that a crash never leaves offsets without their group. */
  deleteGroup({ request, groupId }: { request: RequestToken; groupId: string }): readonly ShardEffect[] {
    const answer = (errorCode: number): ShardEffect => ({ type: 'answer', request, body: [{ groupId, errorCode }] })
    const held = this.#groups.get(groupId)
    const errorCode = held === undefined ? GROUP_ID_NOT_FOUND : held.group.judgeDelete()
    if (errorCode !== NONE) return [answer(errorCode)]
    return this.#appendAll(this.#deletionOf(groupId), answer(NONE), error => answer(appendErrorToMember(error)))
  }

  /** What is committed for topics that are gone goes with them: one of the same name is another topic. */
  topicsDeleted(isGone: (topic: string, topicId: Uuid) => boolean): readonly ShardEffect[] {
    const records: GroupRecord[] = []
    for (const groupId of this.#offsets.groupIds()) {
      for (const { topic, partitions } of this.#offsets.latestOf(groupId)) {
        for (const { partition, value } of partitions) if (isGone(topic, value.topicId)) records.push(forgotten(groupId, topic, partition))
      }
    }
    return this.#appendAll(records)
  }

  /** Offsets whose time is over, and empty groups that have none left. */
  expire(at: Instant): readonly ShardEffect[] {
    const records: GroupRecord[] = []
    for (const [groupId, held] of [...this.#groups]) {
      const { kept, expired } = this.#expiredOf(held.group, at.wallTime)
      for (const { topic, partition } of expired) records.push(forgotten(groupId, topic, partition))
      if (kept > 0 || held.group.state !== 'Empty' || held.group.deadline !== undefined) continue
      if (held.group.isForgettable) this.#perhapsForget(groupId)
      else records.push({ type: 'group', groupId, value: null })
    }
    return records.length === 0 ? NOTHING : [...this.#appendAll(records), logged('expired offsets and groups', { records: records.length })]
  }

  #expiredOf(group: ClassicGroup, wallTime: number) {
    const expired: { topic: string; partition: number }[] = []
    let kept = 0
    const rule = group.offsetExpiry
    const { retentionMs } = this.#settings()
    for (const { topic, partitions } of this.#offsets.latestOf(group.groupId)) {
      const mayExpire = rule !== 'never' && !group.isSubscribedTo(topic)
      for (const { partition, value } of partitions) {
        const since = rule === 'sinceEmpty' && group.currentStateSinceMs >= 0 ? group.currentStateSinceMs : value.commitTimestampMs
        const isOver = value.expireTimestampMs === -1 ? wallTime - since >= retentionMs : wallTime >= value.expireTimestampMs
        if (mayExpire && isOver) expired.push({ topic, partition })
        else kept++
      }
    }
    return { kept, expired }
  }

  // -------------------------------------------------------------------------------------------------------------------------------- reads

  /** Undefined: none is durable. */
  committed(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(groupId, topic, partition)
  }

  allCommitted(groupId: string): readonly TopicOffsets[] {
    return this.#offsets.all(groupId)
  }

  describe(groupId: string): GroupDescription | undefined {
    return this.#groups.get(groupId)?.group.describe()
  }

  list(): ListedGroup[] {
    return [...this.#groups].map(([groupId, { group }]) => ({
      groupId,
      protocolType: group.protocolType ?? '',
      groupState: group.state,
    }))
  }

  // ------------------------------------------------------------------------------------------------------------------------------ the log

  /** The records of an append stand in the log, which ends at `endOffset` after them. */
  appended(id: number, endOffset: number): void {
    const pending = this.#pending.get(id)
    assert(pending !== undefined && pending.endOffset === -1, `append ${id} is not waited for`)
    pending.endOffset = this.#lastEndOffset = endOffset
    for (const record of pending.records) {
      if (record.type === 'offset') {
        this.#offsets.appended(record.groupId, record.topic, record.partition, record.value)
      } else if (record.value === null) {
        this.#drop(record.groupId)
      }
    }
  }

  /** The log did not take the batch of these. @param errorCode  the log's own */
  failed(ids: readonly number[], errorCode: number, at: Instant): readonly ShardEffect[] {
    const effects: ShardEffect[] = []
    for (const id of ids) {
      const pending = this.#pending.get(id)
      assert(pending !== undefined && pending.endOffset === -1, `append ${id} is not waited for`)
      pending.failure = errorCode
      pending.endOffset = this.#lastEndOffset
      if ((pending.held?.pendingCount ?? 0) <= 1) effects.push(...this.#settle(id, pending, errorCode, at))
    }
    // Others of its group may have failed with it: nothing else would settle them.
    effects.push(...this.durable(this.#durableOffset, at))
    return effects
  }

  /** The high watermark is at `offset`: what was appended below it is there to stay. */
  durable(offset: number, at: Instant): readonly ShardEffect[] {
    this.#durableOffset = offset
    const effects: ShardEffect[] = []
    for (const [id, pending] of this.#pending) {
      if (pending.endOffset === -1 || pending.endOffset > offset) break
      if (pending.failure === NONE) {
        for (const record of pending.records) {
          if (record.type === 'offset') this.#offsets.durable(record.groupId, record.topic, record.partition, record.value)
        }
      }
      effects.push(...this.#settle(id, pending, pending.failure, at))
    }
    return effects
  }

  #settle(id: number, pending: Pending, errorCode: number, at: Instant): readonly ShardEffect[] {
    this.#pending.delete(id)
    if (pending.held !== undefined) pending.held.pendingCount--
    const effects = pending.settle(errorCode, at)
    if (errorCode !== NONE || pending.records[0]!.value === null) for (const { groupId } of pending.records) this.#perhapsForget(groupId)
    return effects
  }

  /** The groups are over: members that wait are told so. What is appended is still answered by `durable`. */
  release(errorCode: number, at: Instant): readonly ShardEffect[] {
    const held = [...this.#groups.values()]
    for (const { heldBytes } of held) this.#memory.heldBytes -= heldBytes
    this.#groups.clear()
    this.#timed.clear()
    this.#deadline = undefined
    return held.flatMap(({ group }) => this.#translated(group, group.step({ type: 'unload', errorCode }, at)))
  }

  /** This partition is led elsewhere, or its log gave up what was appended: whoever waits is told, and the shard is done with. */
  unload(errorCode: number, at: Instant): readonly ShardEffect[] {
    const effects = [...this.release(errorCode, at)]
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { settle } of pending) effects.push(...settle(errorCode, at))
    return effects
  }

  // ----------------------------------------------------------------------------------------------------------------------------- internals

  #append(records: readonly GroupRecord[], settle: Settle): ShardEffect {
    const id = ++this.#lastId
    const held = this.#groups.get(records[0]!.groupId)
    if (held !== undefined) held.pendingCount++
    this.#pending.set(id, { records, settle, held, endOffset: -1, failure: NONE })
    return { type: 'append', id, records }
  }

  /** In as many batches as it takes; they are durable in their order, so the last one answers for all. */
  #appendAll(records: readonly GroupRecord[], answer?: ShardEffect, refused?: (error: number) => ShardEffect): readonly ShardEffect[] {
    if (records.length === 0) return answer === undefined ? NOTHING : [answer]
    const effects: ShardEffect[] = []
    let failure = NONE
    let from = 0
    for (let bytes = 0, i = 0; i < records.length; i++) {
      bytes += roughBytes(records[i]!)
      const isLast = i === records.length - 1
      if (bytes < BATCH_BYTES && !isLast) continue
      const settle: Settle = error => {
        failure ||= error
        if (!isLast || answer === undefined || refused === undefined) return NOTHING
        return [failure === NONE ? answer : refused(failure)]
      }
      effects.push(this.#append(records.slice(from, i + 1), settle))
      from = i + 1
      bytes = 0
    }
    return effects
  }

  /** The group takes the event, and its effects become ours. */
  #stepped(held: Held, event: GroupEvent, at: Instant): readonly ShardEffect[] {
    const { group } = held
    const effects = group.step(event, at)
    this.#time(group)
    this.#weigh(held)
    return this.#translated(group, effects)
  }

  #translated(group: ClassicGroup, effects: readonly GroupEffect[]): ShardEffect[] {
    return effects.map(effect => {
      if (effect.type !== 'persist')
        return effect.type === 'answer' ? { type: 'answer', request: effect.request, body: effect.body } : effect
      return this.#append([{ type: 'group', groupId: group.groupId, value: effect.value }], (errorCode, at) => {
        // A group that was deleted meanwhile still answers those who left it last.
        const stepped = this.#translated(group, group.step({ type: 'persisted', id: effect.id, errorCode }, at))
        const held = this.#groups.get(group.groupId)
        if (held?.group === group) {
          this.#time(group)
          this.#weigh(held)
          this.#perhapsForget(group.groupId)
        }
        return stepped
      })
    })
  }

  #hold(groupId: string): Held {
    const held: Held = { group: ClassicGroup.create(groupId, this.#settings()), pendingCount: 0, heldBytes: 0 }
    this.#groups.set(groupId, held)
    return held
  }

  /** Nobody is in it, nothing is timed, and the log knows nothing of it. */
  #perhapsForget(groupId: string): void {
    const held = this.#groups.get(groupId)
    if (held === undefined || !held.group.isForgettable) return
    if (this.#offsets.hasGroup(groupId) || held.pendingCount > 0) return
    this.#drop(groupId)
  }

  #drop(groupId: string): void {
    const held = this.#groups.get(groupId)
    if (held === undefined) return
    this.#groups.delete(groupId)
    this.#timed.delete(held.group)
    this.#memory.heldBytes -= held.heldBytes
  }

  /** A member that comes back with what it said before, or less, needs none. */
  #hasMemoryFor({ body: { groupId, memberId, protocols } }: JoinEvent): boolean {
    let growth = -(this.#groups.get(groupId)?.group.bytesOf(memberId) ?? 0)
    if (growth === 0) growth = STRANGER_BYTES
    for (const { name, metadata } of protocols) growth += name.length + metadata.length
    return growth <= 0 || this.#memory.heldBytes + growth <= this.#memory.maxBytes
  }

  /** What the node's groups hold has changed, perhaps. */
  #weigh(held: Held): void {
    const { heldBytes } = held.group
    this.#memory.heldBytes += heldBytes - held.heldBytes
    held.heldBytes = heldBytes
  }

  /** The records that delete a group and all it has. */
  #deletionOf(groupId: string): GroupRecord[] {
    const records: GroupRecord[] = []
    for (const { topic, partitions } of this.#offsets.latestOf(groupId)) {
      for (const { partition } of partitions) records.push(forgotten(groupId, topic, partition))
    }
    return [...records, { type: 'group', groupId, value: null }]
  }

  #time(group: ClassicGroup): void {
    const { deadline } = group
    if (deadline === undefined) {
      this.#timed.delete(group)
      if (this.#timed.size === 0) this.#deadline = undefined
      return
    }
    this.#timed.add(group)
    if (this.#deadline === undefined || deadline < this.#deadline) this.#deadline = deadline
  }
}

function refusedJoin({ request, apiVersion, body: { memberId } }: JoinEvent, errorCode: number): ShardEffect {
  const protocolName = apiVersion >= 7 ? null : ''
  return { type: 'answer', request, body: { errorCode, protocolName, leader: '', memberId, members: [] } }
}

function forgotten(groupId: string, topic: string, partition: number): GroupRecord {
  return { type: 'offset', groupId, topic, partition, value: null }
}

function logged(event: string, fields: Readonly<Record<string, string | number>>): ShardEffect {
  return { type: 'log', event, fields }
}

function commitRecords(
  { body, topicIdOf }: { body: CommitRequest; topicIdOf: (topic: string) => Uuid | undefined },
  { metadataMaxBytes, wallTime }: { metadataMaxBytes: number; wallTime: number },
): GroupRecord[] {
  const { groupId, retentionTimeMs } = body
  const expireTimestampMs = retentionTimeMs === -1 ? -1 : wallTime + retentionTimeMs
  const records: GroupRecord[] = []
  for (const { name, partitions } of body.topics) {
    const topicId = topicIdOf(name) ?? ZERO_UUID
    for (const { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata } of partitions) {
      const metadata = committedMetadata ?? ''
      if (metadata.length > metadataMaxBytes) continue
      const value = { offset, leaderEpoch, metadata, commitTimestampMs: wallTime, expireTimestampMs, topicId }
      records.push({ type: 'offset', groupId, topic: name, partition: partitionIndex, value })
    }
  }
  return records
}

/** Made when it is sent: until then only the request is kept. */
function acceptedCommit({ topics }: CommitRequest, metadataMaxBytes: number): CommitAnswer {
  const codeOf = (metadata: string | null) => ((metadata?.length ?? 0) > metadataMaxBytes ? OFFSET_METADATA_TOO_LARGE : NONE)
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, committedMetadata }) => ({ partitionIndex, errorCode: codeOf(committedMetadata) })),
    })),
  }
}

/** Every partition of the request with this error. */
export function refusedCommit(body: CommitRequest, errorCode: number): CommitAnswer {
  return {
    topics: body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }
}
