// A member of a consumer group as a simulation has it: joins, gets its share, reads and commits, and now and then goes away, falls silent or is killed.
// It speaks the protocol itself, so that everything the coordinator says is written down, and so that it can do what no client library would.

import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { Connection } from '../../net/connection.ts'
import { Fetch } from '../../protocol/api/01-fetch.ts'
import { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import { JoinGroup } from '../../protocol/api/11-join-group.ts'
import { Heartbeat } from '../../protocol/api/12-heartbeat.ts'
import { LeaveGroup } from '../../protocol/api/13-leave-group.ts'
import { SyncGroup } from '../../protocol/api/14-sync-group.ts'
import * as batch from '../../protocol/batch.ts'
import { LOG_OVERHEAD } from '../../protocol/batch.ts'
import {
  FENCED_INSTANCE_ID,
  ILLEGAL_GENERATION,
  MEMBER_ID_REQUIRED,
  NONE,
  OFFSET_OUT_OF_RANGE,
  ProtocolError,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID,
} from '../../protocol/errors.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from '../../protocol/stored/consumer-protocol.ts'
import { decodeExtensible, encodeVersioned } from '../../protocol/stored/versioned.ts'
import type { History } from '../history.ts'
import { BROKER, PORT } from './broker-host.ts'
import {
  byTopic,
  EARLIEST,
  fetchOffsets,
  findCoordinator,
  GROUP_TIMEOUT_MS,
  LATEST,
  listOffsets,
  nameOf,
  type Place,
  placeOf,
} from './group-requests.ts'
import type { MemberPlan } from './plan.ts'

export interface MemberOptions {
  readonly group: string
  readonly plan: MemberPlan
  readonly history: History
  /** All partitions the group subscribes to, as they are now. */
  readonly partitions: () => readonly Place[]
  /** It may go away and come back, fall silent, or be killed. */
  readonly restless: () => boolean
  /** Over: it leaves. */
  readonly running: () => boolean
  /** It is killed, and does not come back. */
  readonly dies: () => boolean
}

interface Holding {
  readonly generation: number
  /** The next offset of each partition, by name. */
  readonly positions: Map<string, Place & { offset: number }>
  /** What is read and not committed. */
  readonly dirty: Set<string>
}

const RETRY_MS = 50
const FETCH_MS = 60
const FETCH_BYTES = 32_768
const EARLIEST_PAUSE_MS = 5
/** The request was not carried out. */
const REFUSALS: ReadonlySet<number> = new Set([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS])

export class GroupMember {
  readonly #env: Env
  readonly #o: MemberOptions
  readonly #random: SeededRandom
  #memberId = ''
  #holding: Holding | undefined
  #heartbeatAt = 0
  #commitAt = 0

  constructor(env: Env, o: MemberOptions, random: SeededRandom) {
    this.#env = env
    this.#o = o
    this.#random = random
  }

  /** Settles when it has left, or is dead. */
  async run(): Promise<void> {
    while (this.#goesOn) {
      let connection: Connection | undefined
      try {
        connection = await Connection.open(this.#env, {
          host: BROKER,
          port: PORT,
          clientId: this.#o.plan.name,
          timeoutMs: GROUP_TIMEOUT_MS,
        })
        await findCoordinator(this.#env, connection, this.#o.group)
        await this.#live(connection)
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ProtocolError) throw error
        // The broker is down, or went down. What it knows of us is found out when it is back.
      }
      connection?.close()
      await sleep(this.#env.clock, RETRY_MS * this.#random.fraction())
    }
  }

  get #goesOn(): boolean {
    return this.#o.running() && !this.#o.dies()
  }

  /** The name under which partitions are held: a static member's outlives its member ids. */
  get #name(): string {
    return this.#o.plan.instanceId ?? this.#memberId
  }

  get #identity() {
    return { groupId: this.#o.group, memberId: this.#memberId, groupInstanceId: this.#o.plan.instanceId }
  }

  async #live(connection: Connection): Promise<void> {
    while (this.#goesOn && !connection.closed) {
      if (this.#holding === undefined) {
        this.#holding = await this.#join(connection)
        this.#heartbeatAt = this.#env.clock.now() + this.#o.plan.heartbeatMs
        if (this.#holding === undefined) await sleep(this.#env.clock, RETRY_MS * this.#random.fraction())
        continue
      }
      await this.#read(connection, this.#holding)
      await this.#perhapsCommit(connection)
      await this.#perhapsHeartbeat(connection)
      if (this.#o.restless() && this.#random.chance(this.#o.plan.restlessness)) await this.#wander(connection)
    }
    if (!this.#o.dies() && !connection.closed) await this.#leave(connection)
  }

  // -------------------------------------------------------------------------------------------------------------------------- membership

  async #join(connection: Connection): Promise<Holding | undefined> {
    const { plan, partitions } = this.#o
    const topics = [...new Set(partitions().map(({ topic }) => topic))]
    const metadata = encodeVersioned(ConsumerProtocolSubscription, 0, { topics, userData: null })
    const { sessionTimeoutMs, rebalanceTimeoutMs } = plan
    const protocols = [{ name: 'even', metadata }]
    const body = { ...this.#identity, sessionTimeoutMs, rebalanceTimeoutMs, protocolType: 'consumer', protocols, reason: null }
    const since = this.#now
    const answer = await connection.request(JoinGroup, body, { timeoutMs: rebalanceTimeoutMs + sessionTimeoutMs + GROUP_TIMEOUT_MS })
    const { errorCode, memberId, generationId: generation, leader, members, skipAssignment } = answer
    if (errorCode === MEMBER_ID_REQUIRED) this.#memberId = memberId
    if (errorCode === UNKNOWN_MEMBER_ID || errorCode === FENCED_INSTANCE_ID) this.#memberId = ''
    if (errorCode !== NONE) return undefined
    this.#memberId = memberId
    const leads = leader === memberId && members.length > 0 && !skipAssignment
    this.#note({ type: 'groupJoined', since, member: this.#name, generation, isFormed: leads })
    const shares = leads ? this.#share(members.map(member => ({ ...member, holder: member.groupInstanceId ?? member.memberId }))) : []
    if (leads) {
      const named = new Map(shares.map(({ holder, places }) => [holder, places.map(nameOf).sort()]))
      this.#note({ type: 'groupPlanned', since: this.#now, generation, shares: named })
    }
    return this.#sync(connection, generation, shares)
  }

  /** Each partition to one of the members, in turn. */
  #share(members: readonly { readonly memberId: string; readonly holder: string }[]) {
    const shares = members.map(({ memberId, holder }) => ({ memberId, holder, places: [] as Place[] }))
    const first = this.#random.integer(members.length)
    for (const [i, place] of this.#o.partitions().entries()) shares[(first + i) % shares.length]!.places.push(place)
    return shares
  }

  async #sync(
    connection: Connection,
    generation: number,
    shares: readonly { readonly memberId: string; readonly places: readonly Place[] }[],
  ): Promise<Holding | undefined> {
    const since = this.#now
    const assignments = shares.map(({ memberId, places }) => {
      const assignedPartitions = byTopic(places, ({ partition }) => partition).map(({ name, items }) => ({
        topic: name,
        partitions: items,
      }))
      return { memberId, assignment: encodeVersioned(ConsumerProtocolAssignment, 0, { assignedPartitions, userData: null }) }
    })
    const { plan } = this.#o
    const protocol = { protocolType: 'consumer', protocolName: 'even' }
    const timeoutMs = plan.rebalanceTimeoutMs + plan.sessionTimeoutMs + GROUP_TIMEOUT_MS
    const answer = await connection.request(
      SyncGroup,
      { ...this.#identity, generationId: generation, ...protocol, assignments },
      { timeoutMs },
    )
    if (answer.errorCode !== NONE) {
      this.#lostPlace(answer.errorCode)
      return undefined
    }
    const { assignedPartitions } = decodeExtensible(ConsumerProtocolAssignment, answer.assignment).value
    const names = assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => nameOf({ topic, partition }))).sort()
    this.#note({ type: 'groupAssigned', since, member: this.#name, generation, partitions: names })
    const places = names.map(placeOf)
    const stable = this.#random.chance(0.5)
    const committed = await fetchOffsets(connection, { group: this.#o.group, places, stable, history: this.#o.history })
    // Without knowing where to begin nothing may be read: asked again as a member that joins anew.
    if (committed === undefined) return undefined
    const positions = places.map((place, i) => ({ ...place, offset: Math.max(0, committed[i]!) }))
    return { generation, positions: new Map(positions.map(position => [nameOf(position), position])), dirty: new Set() }
  }

  async #perhapsHeartbeat(connection: Connection): Promise<void> {
    const holding = this.#holding
    if (holding === undefined || this.#env.clock.now() < this.#heartbeatAt) return
    this.#heartbeatAt = this.#env.clock.now() + this.#o.plan.heartbeatMs
    const body = { ...this.#identity, generationId: holding.generation }
    const { errorCode } = await connection.request(Heartbeat, body, { timeoutMs: GROUP_TIMEOUT_MS })
    if (errorCode === REBALANCE_IN_PROGRESS && this.#random.chance(0.5)) await this.#commit(connection, holding)
    this.#lostPlace(errorCode)
  }

  #lostPlace(errorCode: number): void {
    if (!REFUSALS.has(errorCode)) return
    this.#holding = undefined
    if (errorCode === UNKNOWN_MEMBER_ID || errorCode === FENCED_INSTANCE_ID) this.#memberId = ''
  }

  /** Something happens to it. */
  async #wander(connection: Connection): Promise<void> {
    const { clock } = this.#env
    const ms = this.#o.plan.sessionTimeoutMs * 2 * this.#random.fraction()
    const way = this.#random.fraction()
    if (way < 0.4) {
      // Stopped, it does not know what it missed: its next word may be a commit of another age.
      await sleep(clock, ms)
      if (this.#holding !== undefined) await this.#commit(connection, this.#holding)
      return
    }
    if (way < 0.7) connection.close()
    else await this.#leave(connection)
    // Killed, it forgets all but who it is to be.
    this.#memberId = ''
    this.#holding = undefined
    await sleep(clock, ms)
  }

  async #leave(connection: Connection): Promise<void> {
    if (this.#memberId === '') return
    const { memberId, groupInstanceId } = this.#identity
    const members = [{ memberId, groupInstanceId, reason: null }]
    await connection.request(LeaveGroup, { groupId: this.#o.group, memberId, members }, { timeoutMs: GROUP_TIMEOUT_MS })
  }

  // ---------------------------------------------------------------------------------------------------------------------------- records

  async #read(connection: Connection, { positions, dirty }: Holding): Promise<void> {
    const asked = byTopic([...positions.values()], ({ partition, offset }) => ({
      partition,
      fetchOffset: offset,
      partitionMaxBytes: FETCH_BYTES,
    }))
    const topics = asked.map(({ name, items }) => ({ topic: name, partitions: items }))
    const request = { maxWaitMs: FETCH_MS, minBytes: 1, maxBytes: 1 << 20, topics, forgottenTopicsData: [], rackId: '' }
    const since = this.#now
    const answer = await connection.request(Fetch, request, { version: 12, timeoutMs: GROUP_TIMEOUT_MS })
    let isEmpty = true
    const lost: Place[] = []
    for (const { topic, partitions } of answer.responses) {
      for (const { partitionIndex, errorCode, records } of partitions) {
        const position = positions.get(nameOf({ topic, partition: partitionIndex }))!
        if (errorCode === OFFSET_OUT_OF_RANGE) lost.push(position)
        if (errorCode !== NONE || records === null) continue
        const next = endOf(records, position.offset)
        if (next === position.offset) continue
        isEmpty = false
        this.#note({ type: 'groupGiven', since, partition: nameOf(position), from: position.offset, to: next })
        position.offset = next
        dirty.add(nameOf(position))
      }
    }
    if (lost.length > 0) await this.#reset(connection, { positions, dirty }, lost)
    if (isEmpty) await sleep(this.#env.clock, EARLIEST_PAUSE_MS)
  }

  /** To the nearest record there is. */
  async #reset(connection: Connection, { positions, dirty }: Pick<Holding, 'positions' | 'dirty'>, lost: readonly Place[]): Promise<void> {
    const since = this.#now
    const earliest = await listOffsets(connection, lost, EARLIEST)
    const latest = await listOffsets(connection, lost, LATEST)
    for (const [i, place] of lost.entries()) {
      const position = positions.get(nameOf(place))!
      const [first, end] = [earliest[i]!, latest[i]!]
      if (first < 0 || end < 0) continue
      const next = Math.min(end, Math.max(first, position.offset))
      this.#note({ type: 'groupGiven', since, partition: nameOf(place), from: Math.min(position.offset, next), to: next })
      position.offset = next
      dirty.add(nameOf(place))
    }
  }

  async #perhapsCommit(connection: Connection): Promise<void> {
    const holding = this.#holding
    const now = this.#env.clock.now()
    if (holding === undefined || holding.dirty.size === 0 || now < this.#commitAt) return
    this.#commitAt = now + this.#o.plan.commitMs
    await this.#commit(connection, holding)
  }

  async #commit(connection: Connection, { generation, positions, dirty }: Holding): Promise<void> {
    const committing = [...dirty].map(name => ({ ...positions.get(name)! }))
    if (committing.length === 0) return
    const since = this.#now
    const member = this.#name
    const note = (position: Place & { offset: number }, outcome: 'done' | 'refused' | 'unknown') =>
      this.#note({ type: 'groupCommit', since, member, generation, partition: nameOf(position), offset: position.offset, outcome })
    const topics = byTopic(committing, ({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    })).map(({ name, items }) => ({ name, partitions: items }))
    const body = { ...this.#identity, generationIdOrMemberEpoch: generation, topics }
    let codes: Map<string, number>
    try {
      const answer = await connection.request(OffsetCommit, body, { version: 9, timeoutMs: GROUP_TIMEOUT_MS })
      codes = new Map(
        answer.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, errorCode }) => [nameOf({ topic: name, partition: partitionIndex }), errorCode] as const),
        ),
      )
    } catch (error) {
      for (const position of committing) note(position, 'unknown')
      throw error
    }
    for (const position of committing) {
      const name = nameOf(position)
      const code = codes.get(name)!
      note(position, code === NONE ? 'done' : REFUSALS.has(code) ? 'refused' : 'unknown')
      if (code === NONE) dirty.delete(name)
      else this.#lostPlace(code)
    }
  }

  get #now(): number {
    return this.#o.history.events.length
  }

  #note(event: NotedEvent): void {
    this.#o.history.add({ ...event, group: this.#o.group })
  }
}

type WithoutGroup<T> = T extends unknown ? Omit<T, 'group'> : never
type NotedEvent = WithoutGroup<import('../history.ts').GroupEvent>

/** After the last whole batch. */
function endOf(records: Buffer | readonly Uint8Array[] | Uint8Array, offset: number): number {
  const b = Buffer.isBuffer(records) ? records : Buffer.concat(Array.isArray(records) ? records : [records as Uint8Array])
  let end = offset
  for (let p = 0; p + LOG_OVERHEAD <= b.length && p + batch.batchSize(b, p) <= b.length; p += batch.batchSize(b, p))
    end = batch.lastOffset(b, p) + 1
  return Math.max(offset, end)
}
