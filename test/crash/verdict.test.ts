import { describe, expect, test } from 'vitest'
import { type AckedRecord, findViolations } from './verdict.ts'

const stream = (...sequences: number[]): AckedRecord[] =>
  sequences.map((sequence, offset) => ({ writer: 'w', partition: 0, sequence, offset }))

describe('the verdict over a crash', () => {
  test('passes when every acked record is read once, in order, where it was acked', () => {
    expect(findViolations(stream(0, 1, 2), stream(0, 1, 2))).toEqual([])
  })

  test('lets a record that nobody acked be there or not', () => {
    expect(findViolations(stream(0, 1), stream(0, 1, 2))).toEqual([])
    expect(findViolations([], [])).toEqual([])
  })

  test.each<[string, AckedRecord[], AckedRecord[], RegExp]>([
    ['a lost record', stream(0, 1, 2), stream(0, 1), /lost: w partition 0 sequence 2 was acked at offset 2/],
    ['a doubled record', stream(0, 1), stream(0, 1, 1), /doubled: .* offset 1 and again at 2/],
    ['a reordered record', stream(0), stream(0, 2, 1), /reordered: w partition 0 sequence 1 is read after sequence 2/],
    ['a moved record', stream(1), stream(0, 1), /moved: .* acked at offset 0 and is read at 1/],
    [
      'a hole in the offsets',
      [],
      [{ writer: 'w', partition: 0, sequence: 0, offset: 3 }],
      /offsets: partition 0: offset 3 is read where 0 was due/,
    ],
  ])('finds %s', (_what, acked, read, sentence) => {
    expect(findViolations(acked, read).join('\n')).toMatch(sentence)
  })

  test('says how many there are instead of all of them', () => {
    const violations = findViolations(stream(...Array.from({ length: 100 }, (_, i) => i)), [])
    expect(violations).toHaveLength(6)
    expect(violations.at(-1)).toBe('lost: and 95 more')
  })
})
