import { expect, test } from 'vitest'
import { type Ack, judgeLog, longestGap, type StoredRecord } from '../compat/failover/verdict.ts'

/** Records of one partition by their sequences; two keys take turns. */
const stored = (...sequences: number[]): StoredRecord[] =>
  sequences.map((sequence, offset) => ({ partition: 0, offset, key: `key-${sequence % 2}`, sequence }))
const ack = (sequence: number, offset?: number, at = 0): Ack => ({
  at,
  sequence,
  ...(offset === undefined ? {} : { partition: 0, offset }),
})
const judged = (acks: Ack[], log: StoredRecord[]) => {
  const { lost, doubled, reordered } = judgeLog(acks, log)
  return { lost, doubled, reordered }
}

test('what was acked and stands where it was acked is fine, and so is what nobody was told of', () => {
  expect(judged([ack(0, 0), ack(1, 1), ack(2)], stored(0, 1, 2, 3))).toEqual({ lost: 0, doubled: 0, reordered: 0 })
})

test('a record that was acked and is nowhere is lost, and so is one that stands elsewhere', () => {
  expect(judged([ack(0, 0), ack(5)], stored(0, 1))).toEqual({ lost: 1, doubled: 0, reordered: 0 })
  expect(judgeLog([ack(1, 4)], stored(0, 1)).sentences).toEqual(['lost: record 1 was acked at offset 4 of 0 and stands at offset 1 of 0'])
})

test('a record that stands twice is doubled, not reordered', () => {
  expect(judged([], stored(0, 1, 2, 0))).toEqual({ lost: 0, doubled: 1, reordered: 0 })
})

test('order is kept for each key alone', () => {
  expect(judged([], stored(1, 0, 3, 2))).toEqual({ lost: 0, doubled: 0, reordered: 0 })
  expect(judged([], stored(2, 0, 1))).toEqual({ lost: 0, doubled: 0, reordered: 1 })
})

test('the longest gap is that of one key', () => {
  expect(longestGap([ack(0, 0, 100), ack(1, 1, 110), ack(3, 2, 150), ack(2, 3, 900), ack(5, 4, 910)], 2)).toBe(800)
})
