import { expect, test } from 'vitest'
import { firstDifference, type StoredBatch } from '../../src/testing/sim/stored-batches.ts'

/** `0-4a 5-5b`: batches by their offsets, and what is in them. */
function copy(text: string, logStartOffset = 0) {
  const batches: StoredBatch[] = text.split(' ').map(word => {
    const [, base, last] = /^(\d+)-(\d+)/.exec(word)!
    return { baseOffset: Number(base), endOffset: Number(last) + 1, bytes: Buffer.alloc(70, word) }
  })
  return { batches, logStartOffset }
}

test.each([
  ['equal copies are', '0-4a 5-5b', '0-4a 5-5b', 6, undefined],
  ['what lies behind the end may differ', '0-4a 5-5b', '0-4a 5-6c', 5, undefined],
  ['other bytes are found', '0-4a 5-5b', '0-4a 5-5c', 6, /at offset 5/],
  ['other borders are found', '0-4a', '0-2a 3-4a', 5, /at offset 0/],
  ['a copy that is too short is found', '0-4a 5-5b', '0-4a', 6, /the second ends at 5/],
  ['as is one that lacks its beginning', '0-4a 5-5b', '5-5b', 6, /at offset 0/],
  ['both may be too short', '0-4a', '0-4a', 6, /both end at 5/],
] as [string, string, string, number, RegExp | undefined][])('%s', (_, one, other, endOffset, expected) => {
  const difference = firstDifference(copy(one), copy(other), endOffset)
  if (expected === undefined) expect(difference).toBeUndefined()
  else expect(difference).toMatch(expected)
})

test('what one copy has deleted is not missed, also when its first batch begins before', () => {
  expect(firstDifference(copy('0-4a 5-5b 6-9c'), copy('5-5b 6-9c', 5), 10)).toBeUndefined()
  expect(firstDifference(copy('0-4a 5-5b 6-9c', 3), copy('5-5b 6-9c', 5), 10)).toBeUndefined()
  expect(firstDifference(copy('0-4a 5-5b'), copy('0-4a 5-5b', 2), 6)).toBeUndefined()
})
