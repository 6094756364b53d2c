// Requests that no honest client sends: what a group keeps stays bounded, and nobody else is kept from it.
import { expect, test } from 'vitest'
import { ClassicGroup, newMemberId } from '../../../../src/broker/group/classic/classic-group.ts'
import type { GroupEffect, GroupEvent, GroupSettings } from '../../../../src/broker/group/classic/types.ts'
import { JoinGroup } from '../../../../src/protocol/api/11-join-group.ts'
import { errorName, NONE } from '../../../../src/protocol/errors.ts'
import { Writer } from '../../../../src/protocol/writer.ts'

const MIB = 1 << 20
const SETTINGS: GroupSettings = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 2 ** 31 - 1,
  initialRebalanceDelayMs: 0,
  maxRecordBytes: MIB,
}
const AT = { now: 0, wallTime: 0 }

type Join = Extract<GroupEvent, { type: 'join' }>

let asked = 0

function join(o: Partial<Join['body']> & { apiVersion?: number; clientId?: string } = {}): Join {
  const { apiVersion = 3, clientId = 'c', ...body } = o
  return {
    type: 'join',
    request: ++asked,
    apiVersion,
    clientId,
    clientHost: '/h',
    newMemberId: newMemberId(clientId, body.groupInstanceId ?? null, `${asked}`),
    body: {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      reason: null,
      ...body,
    },
  }
}

/** The error each request got; nothing for those that wait. */
function answers(effects: readonly GroupEffect[]): string[] {
  return effects.flatMap(effect => (effect.type === 'answer' ? [errorName(effect.body.errorCode ?? NONE)] : []))
}

test('10,000 protocols are taken, and one of them is found that both members have', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const protocols = (from: number) => Array.from({ length: 10_000 }, (_, i) => ({ name: `p${from + i}`, metadata: Buffer.from([i]) }))
  expect(answers(group.step(join({ protocols: protocols(0) }), AT))).toEqual(['NONE'])
  expect(answers(group.step(join({ protocols: protocols(9999) }), AT))).toEqual([])
  const rejoined = group.step(join({ memberId: 'c-1', protocols: protocols(0) }), AT)
  expect(answers(rejoined)).toEqual(['NONE', 'NONE'])
  expect(group.protocolName).toBe('p9999')
  expect(group.heldBytes).toBeLessThan(4 * MIB)
})

test('protocols beyond any count are refused', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const protocols = Array.from({ length: 100_000 }, (_, i) => ({ name: `${i}`, metadata: Buffer.alloc(0) }))
  expect(answers(group.step(join({ protocols }), AT))).toEqual(['MESSAGE_TOO_LARGE'])
  expect(group.isForgettable).toBe(true)
})

test('10 MiB of metadata are refused, of a new member and of one that is in', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const protocols = [{ name: 'range', metadata: Buffer.alloc(10 * MIB) }]
  expect(answers(group.step(join({ protocols }), AT))).toEqual(['MESSAGE_TOO_LARGE'])
  const event = join()
  group.step(event, AT)
  expect(answers(group.step(join({ memberId: event.newMemberId, protocols }), AT))).toEqual(['MESSAGE_TOO_LARGE'])
  expect(group.memberCount).toBe(1)
  expect(group.heldBytes).toBeLessThan(2000)
})

test('a group that holds as much as it may takes nobody else, and goes on', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const protocols = [{ name: 'range', metadata: Buffer.alloc(1.5 * MIB) }]
  let refused = 0
  for (let i = 0; i < 40; i++) refused += answers(group.step(join({ protocols }), AT)).includes('GROUP_MAX_SIZE_REACHED') ? 1 : 0
  expect(refused).toBeGreaterThan(10)
  expect(group.heldBytes).toBeLessThanOrEqual(32 * MIB)
  // Those who wait have not rejoined but once; the time of the others ends.
  expect(answers(group.step({ type: 'tick' }, { now: 60_000, wallTime: 0 }))).toContain('NONE')
  expect(group.state).toBe('CompletingRebalance')
})

test('members without any metadata fill a group too', () => {
  const group = ClassicGroup.create('g', { ...SETTINGS, maxRecordBytes: 10_000 })
  let taken = 0
  for (let i = 0; i < 1000; i++) taken += answers(group.step(join(), AT)).includes('GROUP_MAX_SIZE_REACHED') ? 0 : 1
  expect(taken).toBeLessThan(500)
  expect(group.heldBytes).toBeLessThan(330_000)
})

test('a member does not hold on to the frame that its request came in', () => {
  const frame = Buffer.alloc(MIB)
  const group = ClassicGroup.create('g', SETTINGS)
  const event = join({ protocols: [{ name: 'range', metadata: frame.subarray(0, 10) }] })
  group.step(event, AT)
  const memberId = event.newMemberId
  const effects = group.step(
    {
      type: 'sync',
      request: ++asked,
      body: {
        groupId: 'g',
        generationId: 1,
        memberId,
        groupInstanceId: null,
        protocolType: null,
        protocolName: null,
        assignments: [{ memberId, assignment: frame.subarray(10, 20) }],
      },
    },
    AT,
  )
  const write = effects.find(effect => effect.type === 'persist')!
  group.step({ type: 'persisted', id: write.id, errorCode: NONE }, AT)
  const [member] = group.describe().members
  expect(member!.memberMetadata.buffer.byteLength).toBe(10)
  expect(member!.memberAssignment.buffer.byteLength).toBe(10)
})

test('ids that are asked for and never used take no more than their share, and the latest still works', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  let latest = join({ apiVersion: 9 })
  for (let i = 0; i < 30_000; i++) group.step((latest = join({ apiVersion: 9 })), AT)
  expect(group.heldBytes).toBeLessThan(5 * MIB)
  for (let i = 0; i < 10_000; i++) group.step((latest = join({ apiVersion: 9, clientId: 'x'.repeat(30_000) })), AT)
  expect(group.heldBytes).toBeLessThan(5 * MIB)
  expect(answers(group.step(join({ apiVersion: 9, memberId: latest.newMemberId }), AT))).toEqual(['NONE'])
})

test('a member id fits on the wire, whatever the client is called, and no character is cut', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const clientId = `${'x'.repeat(999)}${'🦦'.repeat(8000)}`
  const [effect] = group.step(join({ apiVersion: 4, clientId }), AT)
  if (effect?.type !== 'answer' || effect.api !== 'JoinGroup') throw new Error('no answer')
  const writer = new Writer()
  JoinGroup.res(4).encode(effect.body, writer)
  const bytes = Buffer.concat(writer.done())
  const told = JoinGroup.res(4).decode(bytes, 0, bytes.length)
  expect(told.memberId).toBe(effect.body.memberId)
  expect(answers(group.step(join({ apiVersion: 4, memberId: told.memberId }), AT))).toEqual(['NONE'])
})

test('protocol types and instance ids of every odd kind', () => {
  for (const protocolType of [' ', '\0', 'конзюмер', 'x'.repeat(32_767), '__proto__', 'constructor']) {
    const group = ClassicGroup.create('g', SETTINGS)
    expect(answers(group.step(join({ protocolType }), AT))).toEqual(['NONE'])
    expect(group.protocolType).toBe(protocolType)
  }
  for (const groupInstanceId of ['', ' ', '__proto__', 'constructor', 'x'.repeat(32_000)]) {
    const group = ClassicGroup.create('g', SETTINGS)
    expect(answers(group.step(join({ apiVersion: 5, groupInstanceId }), AT))).toEqual(['NONE'])
    expect(group.describe().members[0]!.groupInstanceId).toBe(groupInstanceId)
  }
  for (const name of ['', '__proto__', 'toString']) {
    const group = ClassicGroup.create('g', SETTINGS)
    expect(answers(group.step(join({ protocols: [{ name, metadata: Buffer.from([1]) }] }), AT))).toEqual(['NONE'])
    expect(group.protocolName).toBe(name)
  }
})

test('timeouts of every odd size end', () => {
  for (const rebalanceTimeoutMs of [-(2 ** 31), -1, 0, 2 ** 31 - 1]) {
    const group = ClassicGroup.create('g', SETTINGS)
    expect(answers(group.step(join({ apiVersion: 3, rebalanceTimeoutMs }), AT))).toEqual(['NONE'])
    let at = AT
    for (let turn = 0; group.deadline !== undefined; turn++) {
      expect(turn).toBeLessThan(10)
      at = { now: Math.max(at.now, group.deadline), wallTime: 0 }
      for (const effect of group.step({ type: 'tick' }, at)) {
        if (effect.type === 'persist') group.step({ type: 'persisted', id: effect.id, errorCode: NONE }, at)
      }
    }
    expect(group.state).toBe('Empty')
  }
})

test('a subscription that claims 2^31 topics costs nothing', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  const metadata = Buffer.from([0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 1, 0x74])
  expect(answers(group.step(join({ protocols: [{ name: 'range', metadata }] }), AT))).toEqual(['NONE'])
  expect(group.isSubscribedTo('anything')).toBe(true)
})

test('a batch of 100,000 who leave and are no members is answered one by one', () => {
  const group = ClassicGroup.create('g', SETTINGS)
  group.step(join(), AT)
  const members = Array.from({ length: 100_000 }, (_, i) => ({ memberId: `m${i}`, groupInstanceId: null, reason: null }))
  const [effect] = group.step({ type: 'leave', request: ++asked, apiVersion: 5, body: { groupId: 'g', memberId: '', members } }, AT)
  if (effect?.type !== 'answer' || effect.api !== 'LeaveGroup') throw new Error('no answer')
  expect(effect.body.members).toHaveLength(100_000)
  expect(group.memberCount).toBe(1)
})
