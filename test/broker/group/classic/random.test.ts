// Random events against one classic group: sane clients, confused ones, a slow or failing log, late timers, crashes. Whatever comes, the promises below
// hold after every event; and left alone the group always comes to rest, with nobody left waiting.
import { expect, test } from 'vitest'
import { ClassicGroup, newMemberId } from '../../../../src/broker/group/classic/classic-group.ts'
import type { GroupAnswer, GroupEffect, GroupEvent, GroupMetadataValue } from '../../../../src/broker/group/classic/types.ts'
import { SeededRandom } from '../../../../src/env/sim/random.ts'
import { JoinGroup } from '../../../../src/protocol/api/11-join-group.ts'
import { Heartbeat } from '../../../../src/protocol/api/12-heartbeat.ts'
import { LeaveGroup } from '../../../../src/protocol/api/13-leave-group.ts'
import { SyncGroup } from '../../../../src/protocol/api/14-sync-group.ts'
import { NONE, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS, REBALANCE_IN_PROGRESS } from '../../../../src/protocol/errors.ts'
import { GroupMetadata } from '../../../../src/protocol/stored/classic-group.ts'
import { Writer } from '../../../../src/protocol/writer.ts'
import { assert } from '../../../../src/util/assert.ts'

const SEEDS = Number(process.env['SEEDS'] ?? 250)
const STEPS = 400

/** By client or instance, so that every join of a member brings the same. */
const SESSIONS_MS = new Map([
  ['a', 6000],
  ['b', 7000],
  ['c', 10_000],
  ['d', 30_000],
  ['i', 8000],
  ['j', 60_000],
])
const NEW_MEMBER_TIMEOUT_MS = 300_000

interface Asked {
  readonly api: GroupAnswer['api']
  readonly apiVersion: number
  /** Who asked, or who it becomes. */
  readonly memberId: string
}

/** What was seen at least once in all seeds together: a test that never gets there shows nothing. */
const reached = new Set<string>()

class World {
  readonly #random: SeededRandom
  readonly #settings
  #group: ClassicGroup
  #now = 0
  #tokens = 0
  #ids = 0
  readonly #open = new Map<number, Asked>()
  readonly #writes: { readonly id: number; readonly value: GroupMetadataValue | null }[] = []
  #committed: GroupMetadataValue | null = null
  readonly #known: string[] = ['zoe-1']
  readonly #lastSign = new Map<string, number>()
  #generation = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed, 'classic group')
    this.#settings = {
      minSessionTimeoutMs: 6000,
      maxSessionTimeoutMs: 60_000,
      maxSize: this.#some([2, 4, 100]),
      initialRebalanceDelayMs: this.#some([0, 0, 500, 3000]),
      maxRecordBytes: 10_000,
    }
    this.#group = ClassicGroup.create('g', this.#settings)
  }

  step(): void {
    const what = this.#random.integer(24)
    if (what < 2) this.#step(this.#join('', this.#some(['a', 'b', 'c', 'd']), null))
    else if (what < 3) this.#step(this.#join('', 'a', this.#some(['i', 'j'])))
    else if (what < 6) this.#confuse(what)
    else if (what < 7) this.#rarely()
    else if (what < 8) this.#commit(this.#some(this.#known))
    else if (what < 10) this.#pass(this.#random.integer(this.#random.integer(8) === 0 ? 40_000 : 2000))
    // Nobody wakes the group: its next event comes late.
    else if (what < 11) this.#now += this.#random.integer(2000)
    else if (what < 14) this.#settle(this.#random.integer(10) === 0 ? NOT_ENOUGH_REPLICAS : NONE)
    else this.#cooperate()
  }

  /** Left alone: nothing is asked any more. */
  rest(): void {
    for (let turn = 0; ; turn++) {
      while (this.#writes.length > 0) this.#settle(NONE)
      const { deadline } = this.#group
      if (deadline === undefined) break
      assert(turn < 2000, `the group does not come to rest: ${this.#group.state}`)
      this.#now = Math.max(this.#now, deadline)
      this.#step({ type: 'tick' })
    }
    assert(this.#open.size === 0, `${this.#open.size} requests have no answer`)
    assert(this.#group.memberCount === 0, `${this.#group.memberCount} members are left`)
    assert(this.#group.state === 'Empty', `the group is ${this.#group.state}`)
  }

  // ------------------------------------------------------------------------------------------------------------------------------ events

  #some<T>(list: readonly T[]): T {
    return list[this.#random.integer(list.length)]!
  }

  #ask(api: Asked['api'], apiVersion: number, memberId: string): number {
    this.#open.set(++this.#tokens, { api, apiVersion, memberId })
    return this.#tokens
  }

  #join(memberId: string, clientId: string, groupInstanceId: string | null): GroupEvent {
    const name = groupInstanceId ?? clientId
    const apiVersion = groupInstanceId === null ? this.#some([0, 1, 3, 4, 9]) : this.#some([5, 8, 9])
    const fresh = newMemberId(clientId, groupInstanceId, `${++this.#ids}`)
    const protocols = ['sticky', 'range', 'cooperative'].slice(this.#random.integer(3) === 0 ? this.#random.integer(4) : 1)
    if (this.#random.integer(3) === 0) protocols.reverse()
    return {
      type: 'join',
      request: this.#ask('JoinGroup', apiVersion, memberId === '' ? fresh : memberId),
      apiVersion,
      clientId,
      clientHost: '/h',
      newMemberId: fresh,
      body: {
        groupId: 'g',
        sessionTimeoutMs: SESSIONS_MS.get(memberId === '' ? name : memberId.split('-')[0]!) ?? 5000,
        rebalanceTimeoutMs: 1000 + this.#random.integer(20_000),
        memberId,
        groupInstanceId,
        protocolType: this.#random.integer(20) === 0 ? 'connect' : 'consumer',
        protocols: protocols.map(protocol => ({ name: protocol, metadata: Buffer.alloc(this.#random.integer(3) * 8) })),
        reason: null,
      },
    }
  }

  #sync(memberId: string, generationId: number, groupInstanceId: string | null = null): GroupEvent {
    const assignments = this.#group.describe().members.map(member => ({
      memberId: member.memberId,
      assignment: Buffer.from(`${generationId}:${member.memberId}`),
    }))
    const request = this.#ask('SyncGroup', this.#some([0, 3, 5]), memberId)
    return {
      type: 'sync',
      request,
      body: { groupId: 'g', generationId, memberId, groupInstanceId, protocolType: null, protocolName: null, assignments },
    }
  }

  #beat(memberId: string, generationId: number, groupInstanceId: string | null = null): GroupEvent {
    const request = this.#ask('Heartbeat', 4, memberId)
    return { type: 'heartbeat', request, body: { groupId: 'g', generationId, memberId, groupInstanceId } }
  }

  #leave(): GroupEvent {
    const apiVersion = this.#some([0, 2, 3, 5])
    const members = [0, 1]
      .slice(this.#random.integer(2))
      .map(() =>
        this.#random.integer(4) === 0
          ? { memberId: '', groupInstanceId: 'i' }
          : { memberId: this.#some(this.#known), groupInstanceId: null },
      )
      .map(member => ({ ...member, reason: null }))
    const request = this.#ask('LeaveGroup', apiVersion, '')
    return { type: 'leave', request, apiVersion, body: { groupId: 'g', memberId: members[0]!.memberId, members } }
  }

  /** A member that does not know where the group is, or that it is none. */
  #confuse(what: number): void {
    const memberId = this.#some(this.#known)
    const generationId = this.#group.generationId - this.#random.integer(2)
    const groupInstanceId = this.#some([null, null, 'i', 'j'])
    if (what === 3) this.#step(this.#join(memberId, memberId.split('-')[0]!, groupInstanceId))
    else if (what === 4) this.#step(this.#sync(memberId, generationId, groupInstanceId))
    else this.#step(this.#beat(memberId, generationId, groupInstanceId))
  }

  #commit(memberId: string): void {
    const committer = { memberId, groupInstanceId: null, generationId: this.#group.generationId, transactional: false }
    if (this.#group.judgeCommit(committer, this.#at) === NONE) this.#lastSign.set(memberId, this.#now)
    this.#check()
  }

  /** What a member that understood the group would do now. */
  #cooperate(): void {
    const { members } = this.#group.describe()
    if (members.length === 0) return
    const { memberId, groupInstanceId, clientId } = this.#some(members)
    if (this.#waits(memberId)) return
    if (this.#group.state === 'PreparingRebalance') this.#step(this.#join(memberId, clientId, groupInstanceId))
    else if (this.#group.state === 'CompletingRebalance') this.#step(this.#sync(memberId, this.#group.generationId, groupInstanceId))
    else this.#step(this.#beat(memberId, this.#group.generationId, groupInstanceId))
  }

  #rarely(): void {
    const what = this.#random.integer(10)
    if (what === 0) this.#crash()
    else if (what < 3 && this.#group.judgeDelete() === NONE) this.#delete()
    else if (what < 5) this.#step({ type: 'gone', request: this.#tokens })
    else if (what < 8) this.#step(this.#leave())
  }

  /** Unloaded, and loaded from what the log has by then. */
  #crash(): void {
    for (let kept = this.#random.integer(this.#writes.length + 1); kept > 0; kept--) this.#committed = this.#writes.shift()!.value
    this.#writes.length = 0
    this.#step({ type: 'unload', errorCode: NOT_COORDINATOR })
    assert(this.#open.size === 0, `${this.#open.size} requests have no answer after the unload`)
    assert(this.#group.deadline === undefined, 'a dead group is timed')
    this.#reopen()
    reached.add('loaded')
  }

  #delete(): void {
    this.#step({ type: 'delete' })
    while (this.#writes.length > 0) this.#settle(NONE)
    assert(this.#open.size === 0, `${this.#open.size} requests have no answer after the deletion`)
    this.#reopen()
    reached.add('deleted')
  }

  #reopen(): void {
    const value = this.#committed
    this.#lastSign.clear()
    if (value === null) this.#group = ClassicGroup.create('g', this.#settings)
    else {
      const { value: read } = GroupMetadata.decodeValue(GroupMetadata.encodeValue(3, value))
      this.#group = ClassicGroup.fromRecord('g', read, this.#at, this.#settings)
      assert(this.#group.memberCount === value.members.length, `${this.#group.memberCount} of ${value.members.length} members came back`)
      assert(this.#group.generationId === value.generation, `generation ${value.generation} came back as ${this.#group.generationId}`)
    }
    for (const { memberId } of this.#group.describe().members) this.#lastSign.set(memberId, this.#now)
    this.#generation = this.#group.generationId
    this.#check()
  }

  // ------------------------------------------------------------------------------------------------------------------------------ time, log

  get #at() {
    return { now: this.#now, wallTime: 1e12 + this.#now }
  }

  #pass(ms: number): void {
    const end = this.#now + ms
    for (let turn = 0; ; turn++) {
      const { deadline } = this.#group
      if (deadline === undefined || deadline > end) break
      assert(turn < 1000, 'the group wants to be woken without end')
      this.#now = Math.max(this.#now, deadline)
      this.#step({ type: 'tick' })
    }
    this.#now = end
    this.#checkSessions()
  }

  #settle(errorCode: number): void {
    const write = this.#writes.shift()
    if (write === undefined) return
    if (errorCode === NONE) this.#committed = write.value
    else reached.add('lost')
    this.#step({ type: 'persisted', id: write.id, errorCode })
    // A static member that comes back to its old id begins anew.
    if (errorCode !== NONE) for (const { memberId } of this.#group.describe().members) this.#lastSign.set(memberId, this.#now)
  }

  #step(event: GroupEvent): void {
    const effects = this.#group.step(event, this.#at)
    for (const effect of effects) this.#take(effect)
    if (this.#group.generationId > this.#generation) {
      for (const { memberId } of this.#group.describe().members) this.#lastSign.set(memberId, this.#now)
    }
    this.#check()
  }

  #take(effect: GroupEffect): void {
    if (effect.type === 'persist') {
      // The record has to fit its codec.
      if (effect.value !== null) GroupMetadata.encodeValue(3, effect.value)
      this.#writes.push(effect)
      if (effect.value !== null) for (const { memberId } of effect.value.members) this.#lastSign.set(memberId, this.#now)
    } else if (effect.type === 'answer') {
      const asked = this.#open.get(effect.request)
      assert(asked !== undefined, `request ${effect.request} is answered twice, or was never asked`)
      assert(asked.api === effect.api, `${asked.api} is answered as ${effect.api}`)
      this.#open.delete(effect.request)
      this.#read(effect, asked)
    }
  }

  #read(answer: GroupAnswer, { apiVersion, memberId }: Asked): void {
    const errorCode = answer.body.errorCode ?? NONE
    reached.add(`${answer.api} ${errorCode}`)
    // Whether its codec takes it is asked of some: that costs more than everything else.
    const fits = answer.request % 8 === 0
    switch (answer.api) {
      case 'JoinGroup': {
        if (fits) JoinGroup.res(apiVersion).encode(answer.body, new Writer())
        if (answer.body.memberId !== '') this.#know(answer.body.memberId)
        if (errorCode !== NONE) break
        this.#lastSign.set(memberId, this.#now)
        assert(answer.body.generationId === this.#group.generationId, 'an answer names another generation than the group has')
        // Whoever is let into a Stable group without a rebalance is in the log.
        if (this.#group.state === 'Stable') assert(this.#isStored(memberId), `${memberId} is not in the log`)
        break
      }
      case 'SyncGroup': {
        if (fits) SyncGroup.res(apiVersion).encode(answer.body, new Writer())
        // A member that waited is timed from its answer on, whatever that says.
        if (errorCode === NONE || errorCode === REBALANCE_IN_PROGRESS) this.#lastSign.set(memberId, this.#now)
        if (errorCode !== NONE) break
        const stored = this.#committed!.members.find(member => member.memberId === memberId)
        assert(this.#committed!.generation === this.#group.generationId, 'an assignment is told that is not in the log')
        assert(stored?.assignment.equals(answer.body.assignment) === true, `${memberId} is told another assignment than the log has`)
        break
      }
      case 'Heartbeat':
        if (fits) Heartbeat.res(apiVersion).encode(answer.body, new Writer())
        if (errorCode === NONE || errorCode === REBALANCE_IN_PROGRESS) this.#lastSign.set(memberId, this.#now)
        break
      case 'LeaveGroup':
        if (fits) LeaveGroup.res(apiVersion).encode(answer.body, new Writer())
    }
  }

  #know(memberId: string): void {
    if (this.#known.includes(memberId)) return
    this.#known.push(memberId)
    if (this.#known.length > 8) this.#known.shift()
  }

  #isStored(memberId: string): boolean {
    return this.#committed?.members.some(member => member.memberId === memberId) === true
  }

  #waits(memberId: string): boolean {
    for (const asked of this.#open.values()) if (asked.memberId === memberId) return true
    return false
  }

  // ------------------------------------------------------------------------------------------------------------------------------ promises

  #check(): void {
    const group = this.#group
    const { members } = group.describe()
    reached.add(group.state)
    assert(group.generationId >= this.#generation, `the generation fell from ${this.#generation} to ${group.generationId}`)
    this.#generation = group.generationId
    const ids = members.map(member => member.memberId)
    const instances = members.flatMap(member => member.groupInstanceId ?? [])
    assert(new Set(instances).size === instances.length, `an instance is there twice: ${instances}`)
    assert(ids.length === 0 ? group.leaderId === null : ids.includes(group.leaderId!), `${group.leaderId} leads and is none of ${ids}`)
    if (group.state === 'Empty' || group.state === 'Dead') assert(ids.length === 0, `${group.state} with ${ids}`)
    if (group.state === 'CompletingRebalance' || group.state === 'Stable') assert(ids.length > 0, `${group.state} without members`)
    if (group.state === 'Stable') {
      for (const { memberId, memberAssignment } of members) {
        const generation = `${memberAssignment}`.split(':')[0]
        assert(generation === `${group.generationId}`, `${memberId} has '${memberAssignment}' in generation ${group.generationId}`)
      }
    }
    if (group.state === 'PreparingRebalance') assert(group.deadline !== undefined, 'a rebalance is not timed')
    if (ids.some(id => !this.#waits(id))) assert(group.deadline !== undefined, 'members are not timed')
    if (group.isForgettable) assert(group.deadline === undefined, 'a group that could be forgotten is timed')
    const joins = [...this.#open.values()].filter(asked => asked.api === 'JoinGroup').length
    assert(joins <= this.#settings.maxSize, `${joins} wait to join a group of ${this.#settings.maxSize}`)
  }

  /** Whoever does not wait, and has not been heard for its session, is no member any more. */
  #checkSessions(): void {
    for (const { memberId } of this.#group.describe().members) {
      const silentMs = this.#now - (this.#lastSign.get(memberId) ?? this.#now)
      const allowedMs = this.#waits(memberId)
        ? Number.POSITIVE_INFINITY
        : (SESSIONS_MS.get(memberId.split('-')[0]!) ?? NEW_MEMBER_TIMEOUT_MS)
      assert(silentMs <= allowedMs, `${memberId} has been silent for ${silentMs} ms`)
    }
  }
}

test(`promises hold through ${SEEDS} × ${STEPS} random events`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed)
    let step = 0
    try {
      for (; step < STEPS; step++) world.step()
      world.rest()
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error })
    }
  }
  const wanted = ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead', 'loaded', 'deleted', 'lost']
  const errors = [0, 15, 16, 23, 25, 26, 27, 79, 81, 82].map(code => `JoinGroup ${code}`)
  expect(
    [...wanted, ...errors, 'SyncGroup 0', 'SyncGroup 22', 'SyncGroup 82', 'Heartbeat 0', 'Heartbeat 22'].filter(
      sight => !reached.has(sight),
    ),
  ).toEqual([])
})
