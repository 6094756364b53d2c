import { expect, test } from 'vitest'
import { type Event, judgeGroup } from '../compat/group/verdict.ts'

const ends = new Map([[0, 4]])
const assigned = (member: string, at: number): Event => ({ kind: 'assigned', member, at, partitions: [0] })
const committed = (member: string, at: number, offset: number): Event => ({ kind: 'committed', member, at, partition: 0, offset })
const reads = (member: string, at: number, ...offsets: number[]): Event[] =>
  offsets.map(offset => ({ kind: 'record', member, at, partition: 0, offset }))
const sentences = (events: Event[]) => judgeGroup(events, ends).violations.map(({ sentence }) => sentence)

test('a member that takes over at the last answered commit breaks no promise, and what came after it is seen twice', () => {
  const events = [assigned('a', 1), ...reads('a', 2, 0, 1, 2), committed('a', 3, 2), assigned('b', 5), ...reads('b', 6, 2, 3)]
  expect(judgeGroup(events, ends)).toEqual({ violations: [], seen: 4, doubled: 1 })
})

test('records that nobody saw are missed', () => {
  expect(sentences([assigned('a', 1), ...reads('a', 2, 0), assigned('b', 3), ...reads('b', 4, 2, 3)])).toEqual([
    '1 records of partition 0 below 4 were never seen, the first at 1',
  ])
})

test('an answered commit that is forgotten is noticed, and one answered too late to be known is not held against anybody', () => {
  const events = (at: number) => [
    assigned('a', 1),
    ...reads('a', 2, 0, 1, 2),
    committed('a', at, 3),
    assigned('b', 5),
    ...reads('b', 6, 1, 2, 3),
  ]
  expect(sentences(events(4))).toEqual(['b begins partition 0 at 1, though 3 was committed before'])
  expect(sentences(events(5))).toEqual([])
})

test('a member reads on where it was, and only what it was given', () => {
  expect(sentences([assigned('a', 1), ...reads('a', 2, 0, 1, 0, 1, 2, 3)])).toEqual(['a reads offset 0 of partition 0 after 1'])
  expect(sentences(reads('a', 2, 0, 1, 2, 3))).toContain('a reads partition 0, which it was never given')
})
