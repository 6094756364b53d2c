// The assignors: by example where Kafka's are documented, by property for everything else.
import { describe, expect, test } from 'vitest'
import type { GroupAssignment, MemberSubscription, TopicPartition } from '../../../src/client/group/assignment.ts'
import { ASSIGNORS, type AssignorName } from '../../../src/client/group/assignors.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../../src/client/group/blobs.ts'
import { SeededRandom } from '../../../src/env/sim/random.ts'
import { ProtocolError } from '../../../src/protocol/errors.ts'

const NAMES = Object.keys(ASSIGNORS) as AssignorName[]

function member(memberId: string, topics: readonly string[], o: Partial<MemberSubscription> = {}): MemberSubscription {
  return { memberId, groupInstanceId: null, topics: new Set(topics), owned: [], generationId: -1, ...o }
}

const show = (assignment: GroupAssignment) =>
  Object.fromEntries([...assignment].map(([memberId, partitions]) => [memberId, partitions.map(keyOf).join(' ')]))
const keyOf = ({ topic, partition }: TopicPartition) => `${topic}${partition}`
const parse = (text: string): TopicPartition[] =>
  text
    .split(' ')
    .filter(word => word !== '')
    .map(word => ({ topic: word[0]!, partition: Number(word.slice(1)) }))
const counts = (of: Record<string, number>) => new Map(Object.entries(of))

describe('range', () => {
  test('gives neighbours, the first members one more, topic by topic', () => {
    const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
    expect(show(ASSIGNORS.range.assign(members, counts({ t: 3, u: 3 })))).toEqual({ a: 't0 t1 u0 u1', b: 't2 u2' })
  })

  test('puts members with instance ids first, so that they keep their places', () => {
    const members = [member('a', ['t']), member('z', ['t'], { groupInstanceId: '1' }), member('b', ['t'], { groupInstanceId: '2' })]
    expect(show(ASSIGNORS.range.assign(members, counts({ t: 4 })))).toEqual({ a: 't3', b: 't2', z: 't0 t1' })
  })
})

describe('roundrobin', () => {
  test('deals all topics together', () => {
    const members = [member('a', ['t', 'u']), member('b', ['t', 'u'])]
    expect(show(ASSIGNORS.roundrobin.assign(members, counts({ t: 3, u: 3 })))).toEqual({ a: 't0 t2 u1', b: 't1 u0 u2' })
  })

  test('passes over who is not subscribed', () => {
    const members = [member('a', ['t']), member('b', ['t', 'u']), member('c', ['t', 'u', 'v'])]
    expect(show(ASSIGNORS.roundrobin.assign(members, counts({ t: 1, u: 2, v: 3 })))).toEqual({ a: 't0', b: 'u0', c: 'u1 v0 v1 v2' })
  })
})

describe('sticky', () => {
  const { assign } = ASSIGNORS.sticky

  test('moves what balance asks for and nothing else', () => {
    const members = [
      member('a', ['t'], { owned: parse('t0 t1 t2'), generationId: 1 }),
      member('b', ['t'], { owned: parse('t3 t4 t5'), generationId: 1 }),
      member('c', ['t']),
    ]
    expect(show(assign(members, counts({ t: 6 })))).toEqual({ a: 't0 t1', b: 't3 t4', c: 't2 t5' })
  })

  test('believes the later generation, and of one generation neither', () => {
    const members = [
      member('a', ['t'], { owned: parse('t0 t1'), generationId: 1 }),
      member('b', ['t'], { owned: parse('t0 t2'), generationId: 2 }),
      member('c', ['t'], { owned: parse('t2'), generationId: 2 }),
    ]
    expect(show(assign(members, counts({ t: 3 })))).toEqual({ a: 't1', b: 't0', c: 't2' })
  })

  test('forgets what is not there, or not subscribed to, any more', () => {
    const members = [member('a', ['t'], { owned: parse('t0 t9 u0'), generationId: 1 }), member('b', ['t', 'u'])]
    expect(show(assign(members, counts({ t: 2, u: 1 })))).toEqual({ a: 't0 t1', b: 'u0' })
  })

  test('balances by several steps where subscriptions differ', () => {
    const members = [
      member('a', ['t'], { owned: parse('t0 t1 t2 t3'), generationId: 1 }),
      member('b', ['t', 'u'], { owned: parse('u0 u1 u2'), generationId: 1 }),
      member('c', ['u']),
    ]
    const sizes = [...assign(members, counts({ t: 4, u: 3 })).values()].map(({ length }) => length)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
  })
})

describe('cooperative-sticky', () => {
  test('gives nobody what its owner has not given up yet', () => {
    const owned = parse('t0 t1 t2 t3')
    const members = [member('a', ['t'], { owned, generationId: 1 }), member('b', ['t'])]
    const first = ASSIGNORS['cooperative-sticky'].assign(members, counts({ t: 4 }))
    expect(show(first)).toEqual({ a: 't0 t1', b: '' })
    const then = [member('a', ['t'], { owned: first.get('a')!, generationId: 2 }), member('b', ['t'], { generationId: 2 })]
    expect(show(ASSIGNORS['cooperative-sticky'].assign(then, counts({ t: 4 })))).toEqual({ a: 't0 t1', b: 't2 t3' })
  })
})

// ------------------------------------------------------------------------------------------------------------------------------ properties

interface Group {
  members: MemberSubscription[]
  counts: Map<string, number>
}

function drawGroup(random: SeededRandom, alike: boolean): Group {
  const topics = Array.from({ length: 1 + random.integer(4) }, (_, i) => String.fromCharCode(97 + i))
  const size = 1 + random.integer(8)
  return {
    counts: new Map(topics.filter(() => random.integer(10) > 0).map(topic => [topic, random.integer(12)])),
    members: Array.from({ length: size }, (_, i) => member(`m${i}`, alike ? topics : topics.filter(() => random.integer(3) > 0))),
  }
}

/** Some leave, some come, topics grow; the others still have what they were given. */
function change(random: SeededRandom, { members, counts }: Group, assignment: GroupAssignment, generationId: number): Group {
  const stay = members.filter(() => random.integer(5) > 0).map(old => ({ ...old, owned: assignment.get(old.memberId)!, generationId }))
  const come = Array.from({ length: random.integer(3) + (stay.length === 0 ? 1 : 0) }, (_, i) =>
    member(`n${generationId}-${i}`, [...counts.keys()]),
  )
  return { members: [...stay, ...come], counts: new Map([...counts].map(([topic, count]) => [topic, count + random.integer(2)])) }
}

function expectShared({ members, counts }: Group, assignment: GroupAssignment): void {
  expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
  const given = [...assignment.values()].flat().map(keyOf)
  const wanted = [...counts].flatMap(([topic, count]) =>
    members.some(({ topics }) => topics.has(topic)) ? Array.from({ length: count }, (_, partition) => keyOf({ topic, partition })) : [],
  )
  expect(given.sort()).toEqual(wanted.sort())
  expect(members.every(({ memberId, topics }) => assignment.get(memberId)!.every(({ topic }) => topics.has(topic)))).toBe(true)
}

/** Nobody could take a partition from a member that has two more. */
function expectBalanced({ members }: Group, assignment: GroupAssignment): void {
  const sizeOf = ({ memberId }: MemberSubscription) => assignment.get(memberId)!.length
  const unfair = members.flatMap(rich =>
    [...new Set(assignment.get(rich.memberId)!.map(({ topic }) => topic))].flatMap(topic =>
      members.filter(poor => poor.topics.has(topic) && sizeOf(rich) - sizeOf(poor) > 1).map(poor => [rich.memberId, topic, poor.memberId]),
    ),
  )
  expect(unfair).toEqual([])
}

/** As few moved as balance among equals allows. */
function expectSticky({ members, counts }: Group, assignment: GroupAssignment): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const [least, extra] = [Math.floor(total / members.length), total % members.length]
  const held = members.map(({ owned }) => owned.length).sort((a, b) => b - a)
  const mayKeep = held.reduce((sum, count, i) => sum + Math.min(count, least + (i < extra ? 1 : 0)), 0)
  const kept = members.reduce((sum, { memberId, owned }) => {
    const now = new Set(assignment.get(memberId)!.map(keyOf))
    return sum + owned.filter(target => now.has(keyOf(target))).length
  }, 0)
  expect(kept).toBe(mayKeep)
}

describe.each(NAMES)('%s, whatever the group', name => {
  test('gives every partition to exactly one subscriber', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new SeededRandom(seed, name)
      const group = drawGroup(random, seed % 2 === 0)
      expectShared(group, ASSIGNORS[name].assign(group.members, group.counts))
    }
  })
})

describe.each(['sticky', 'cooperative-sticky'] as const)('%s, while the group changes', name => {
  test('stays balanced, and among equals moves as little as it can', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new SeededRandom(seed, name)
      const alike = seed % 2 === 0
      let group = drawGroup(random, alike)
      let assignment = ASSIGNORS[name].assign(group.members, group.counts)
      expectBalanced(group, assignment)
      for (let generation = 1; generation <= 5; generation++) {
        group = change(random, group, assignment, generation)
        assignment = ASSIGNORS[name].assign(group.members, group.counts)
        if (name === 'cooperative-sticky') {
          // What moves is given away in a second round.
          const again = group.members.map(one => ({ ...one, owned: assignment.get(one.memberId)!, generationId: generation }))
          assignment = ASSIGNORS[name].assign(again, group.counts)
        }
        expectShared(group, assignment)
        expectBalanced(group, assignment)
        if (alike) expectSticky(group, assignment)
      }
    }
  })
})

describe('the bytes', () => {
  test.each(NAMES)('of a subscription for %s come back', name => {
    const held = { owned: parse('a0 b3'), generationId: 7 }
    const previous = { owned: parse('a0 a1 b3'), generationId: 6 }
    const read = decodeSubscription(name, encodeSubscription(name, { topics: ['b', 'a'], held, previous }))
    // Only `sticky` is told what was held before.
    expect(read).toEqual({ topics: new Set(['a', 'b']), ...(name === 'sticky' ? previous : held) })
  })

  test('of an assignment come back; none at all are an empty one', () => {
    expect(decodeAssignment(encodeAssignment(parse('a0 b3 a1')))).toEqual(parse('a0 a1 b3'))
    expect(decodeAssignment(Buffer.alloc(0))).toEqual([])
  })

  test('of old clients, without owned partitions and with user data of their own, are read', () => {
    const version0 = Buffer.from('000000000001000161ffffffff', 'hex')
    expect(decodeSubscription('range', version0)).toEqual({ topics: new Set(['a']), owned: [], generationId: -1 })
    const withUserData = Buffer.from('00000000000100016100000002abcd', 'hex')
    expect(decodeSubscription('sticky', withUserData)).toEqual({ topics: new Set(['a']), owned: [], generationId: -1 })
    expect(() => decodeSubscription('range', Buffer.from('00'))).toThrow(ProtocolError)
    expect(() => decodeSubscription('range', Buffer.from('0000ffff', 'hex'))).toThrow(ProtocolError)
  })
})
