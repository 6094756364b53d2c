import { expect, test } from 'vitest'
import { checkGroups } from '../../src/testing/group-checker.ts'
import type { GroupEvent } from '../../src/testing/history.ts'

const group = 'g'

/** Each begins when the one before has ended, unless it says otherwise. */
function history(...events: readonly (GroupEvent | ((at: number) => GroupEvent))[]): GroupEvent[] {
  return events.map((event, at) => (typeof event === 'function' ? event(at) : event))
}

const commit = (offset: number, o: { generation?: number; outcome?: 'done' | 'refused' | 'unknown'; since?: number } = {}) => {
  return (at: number): GroupEvent => ({
    ...{ type: 'groupCommit', group, since: o.since ?? at, member: 'm', generation: o.generation ?? 1 },
    ...{ partition: 't-0', offset, outcome: o.outcome ?? 'done' },
  })
}
const saw = (offset: number, since?: number) => {
  return (at: number): GroupEvent => ({ type: 'groupSaw', group, since: since ?? at, partition: 't-0', offset })
}
const joined = (generation: number, isFormed = true) => {
  return (at: number): GroupEvent => ({ type: 'groupJoined', group, since: at, member: 'm', generation, isFormed })
}
const planned = (generation: number, shares: Record<string, string[]>) => {
  return (at: number): GroupEvent => ({ type: 'groupPlanned', group, since: at, generation, shares: new Map(Object.entries(shares)) })
}
const assigned = (generation: number, member: string, ...partitions: string[]) => {
  return (at: number): GroupEvent => ({ type: 'groupAssigned', group, since: at, member, generation, partitions })
}
const given = (from: number, to: number) => {
  return (at: number): GroupEvent => ({ type: 'groupGiven', group, since: at, partition: 't-0', from, to })
}

const sound: readonly [name: string, events: GroupEvent[]][] = [
  ['what was committed last is fetched', history(given(0, 9), commit(5), commit(9), saw(9))],
  ['nothing is committed', history(saw(-1))],
  ['a deleted offset is gone', history(given(0, 5), commit(5), commit(-1), saw(-1))],
  ['a commit without an answer may count, or not', history(given(0, 9), commit(5), commit(9, { outcome: 'unknown' }), saw(9), saw(5))],
  ['a fetch during a commit finds the old or the new', history(given(0, 9), commit(5), saw(9), commit(9, { since: 2 }))],
  ['a generation that nobody was assigned in is formed again', history(joined(1), joined(1))],
  ['a static member returns to its generation', history(planned(1, { m: [] }), joined(1), assigned(1, 'm'), joined(1, false))],
  ['everybody has a share', history(planned(1, { a: ['t-0'], b: ['t-1'] }), assigned(1, 'a', 't-0'), assigned(1, 'b', 't-1'))],
]

test.each(sound)('%s', (_, events) => {
  expect(checkGroups(events)).toEqual([])
})

const unsound: readonly [kind: string, events: GroupEvent[]][] = [
  ['stale commit', history(given(0, 9), commit(5), commit(9), saw(5))],
  ['stale commit', history(given(0, 9), commit(5), saw(-1))],
  ['stale commit', history(given(0, 9), commit(5), commit(9, { outcome: 'refused' }), saw(9))],
  ['stale commit', history(saw(3))],
  ['fenced commit', history(given(0, 9), planned(2, { b: [] }), assigned(2, 'b'), commit(5, { generation: 1 }))],
  ['generation went back', history(planned(2, { m: [] }), assigned(2, 'm'), joined(1))],
  ['generation went back', history(planned(2, { m: [] }), assigned(2, 'm'), joined(2))],
  ['held twice', history(planned(1, { a: ['t-0'], b: ['t-0'] }), assigned(1, 'a', 't-0'), assigned(1, 'b', 't-0'))],
  ['wrong assignment', history(planned(1, { a: ['t-0'] }), assigned(1, 'a', 't-1'))],
  ['skipped by the group', history(given(0, 3), given(5, 9), commit(9))],
  ['skipped by the group', history(given(0, 3), commit(9))],
]

test.each(unsound)('%s: told', (kind, events) => {
  expect(checkGroups(events).map(anomaly => anomaly.kind)).toEqual([kind])
})
