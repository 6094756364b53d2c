// Facts: KIP-101, KIP-279, KIP-320; Kafka's LeaderEpochFileCache.
import { describe, expect, test } from 'vitest'
import { LeaderEpochs } from '../../src/log/epochs.ts'

const log = { logEndOffset: 100 }

/** 'epoch@startOffset …' */
function epochs(text: string): LeaderEpochs {
  const entries = text === '' ? [] : text.split(' ').map(entry => entry.split('@').map(Number) as [number, number])
  return new LeaderEpochs(entries.map(([epoch, startOffset]) => ({ epoch, startOffset }))).follow(log)
}

function text(of: LeaderEpochs): string {
  return of.entries.map(entry => `${entry.epoch}@${entry.startOffset}`).join(' ')
}

describe('assigning an epoch', () => {
  test.each([
    ['the first one', '', [3, 10], '3@10'],
    ['a later one behind it', '3@10', [5, 20], '3@10 5@20'],
    ['the latest once more, behind its start, changes nothing', '3@10 5@20', [5, 40], '3@10 5@20'],
    ['the latest once more, at its start, changes nothing', '3@10 5@20', [5, 20], '3@10 5@20'],
    ['the latest once more, before its start, moves it', '3@10 5@20', [5, 15], '3@10 5@15'],
    ['a later one where nothing was written under the latest', '3@10 5@20', [6, 20], '3@10 6@20'],
    ['a later one before the start of others drops those', '3@10 5@20 6@30', [7, 15], '3@10 7@15'],
    ['an earlier one drops the later ones', '3@10 5@20 6@30', [4, 40], '3@10 4@40'],
    ['one before all, at the start, is alone', '3@10 5@20', [1, 0], '1@0'],
  ])('%s', (_, before, [epoch, startOffset], after) => {
    const known = epochs(before)
    expect(known.assign(epoch!, startOffset!)).toBe(before !== after)
    expect(text(known)).toBe(after)
  })

  test.each([
    [-1, 0],
    [0, -1],
  ])('%d at %d is our own mistake', (epoch, startOffset) => {
    expect(() => epochs('').assign(epoch, startOffset)).toThrow('leader epoch')
  })
})

describe('the end of an epoch', () => {
  const known = epochs('2@10 5@20 6@50')
  test.each([
    ['the latest ends at the log end', 6, 6, 100],
    ['an earlier one ends where the next starts', 5, 5, 50],
    ['the first one too', 2, 2, 20],
    ['one without records: the epoch below it', 3, 2, 20],
    ['one before all: itself, and the start of the first', 1, 1, 10],
    ['one not reached yet is unknown', 7, -1, -1],
    ['no epoch is unknown', -1, -1, -1],
  ])('%s', (_, epoch, found, endOffset) => {
    expect(known.endOffsetFor(epoch)).toEqual({ epoch: found, endOffset })
  })

  test.each([-1, 0, 5])('%d is unknown to a log without epochs', epoch => {
    expect(epochs('').endOffsetFor(epoch)).toEqual({ epoch: -1, endOffset: -1 })
  })

  test('moves with the log for the latest epoch', () => {
    const growing = { logEndOffset: 7 }
    const its = new LeaderEpochs([{ epoch: 1, startOffset: 0 }]).follow(growing)
    growing.logEndOffset = 9
    expect(its.endOffsetFor(1)).toEqual({ epoch: 1, endOffset: 9 })
  })
})

test.each([
  [9, -1],
  [10, 2],
  [19, 2],
  [20, 5],
  [1000, 5],
])('the epoch at offset %d is %d', (offset, epoch) => {
  expect(epochs('2@10 5@20').epochAt(offset)).toBe(epoch)
})

describe('truncating', () => {
  test.each([
    ['behind all epochs', 60, '2@10 5@20 6@50'],
    ['exactly where the latest starts', 50, '2@10 5@20'],
    ['inside an epoch', 49, '2@10 5@20'],
    ['before all epochs', 3, ''],
  ])('from the end, %s', (_, endOffset, after) => {
    const known = epochs('2@10 5@20 6@50')
    expect(known.truncateFromEnd(endOffset)).toBe(after !== '2@10 5@20 6@50')
    expect(text(known)).toBe(after)
  })

  test.each([
    ['before all epochs', 3, '2@10 5@20 6@50'],
    ['at the first start', 10, '2@10 5@20 6@50'],
    ['inside the first epoch', 12, '2@12 5@20 6@50'],
    ['exactly where an epoch starts', 20, '5@20 6@50'],
    ['inside a later epoch', 30, '5@30 6@50'],
    ['behind all epochs', 80, '6@80'],
  ])('from the start, %s', (_, startOffset, after) => {
    const known = epochs('2@10 5@20 6@50')
    expect(known.truncateFromStart(startOffset)).toBe(after !== '2@10 5@20 6@50')
    expect(text(known)).toBe(after)
  })
})

test('entries persisted in any order come back as they were', () => {
  expect(text(epochs('6@50 2@10 5@20'))).toBe('2@10 5@20 6@50')
})

test('clearing leaves nothing known', () => {
  const known = epochs('2@10')
  known.clear()
  expect(known.latestEpoch).toBe(-1)
})
