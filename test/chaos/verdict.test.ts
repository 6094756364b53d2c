import { describe, expect, test } from 'vitest'
import { judge } from './verdict.ts'

/** One partition. */
const verdict = (o: { acked: [sequence: number, offset: number][]; final: number[]; live?: number[] }) =>
  judge('t', {
    acks: [{ sequences: o.acked.map(([sequence]) => sequence), offsets: o.acked.map(([, offset]) => offset), times: [] }],
    live: [o.live ?? []],
    final: [o.final],
  })

describe('of what was acknowledged and read', () => {
  test.each([
    [
      'all is well',
      {
        acked: [
          [0, 0],
          [1, 1],
        ],
        final: [0, 1, 2],
        live: [0, 1],
      },
      {},
    ],
    [
      'an acknowledged record is gone',
      {
        acked: [
          [0, 0],
          [1, 1],
        ],
        final: [0],
      },
      { lost: 1 },
    ],
    ['an acknowledged record is elsewhere', { acked: [[0, 1]], final: [1, 2, 0] }, { lost: 1, reordered: 1 }],
    ['a record is there twice', { acked: [[0, 0]], final: [0, 1, 0] }, { doubled: 1 }],
    ['two records have changed places', { acked: [], final: [1, 0] }, { reordered: 1 }],
    ['what was read once is something else', { acked: [], final: [0, 2], live: [0, 1] }, { changed: 1 }],
    ['what was read once is not there', { acked: [], final: [0], live: [0, 1] }, { changed: 1 }],
    [
      'an acknowledgement without an offset counts',
      {
        acked: [
          [1, -1],
          [5, -1],
        ],
        final: [0, 1],
      },
      { lost: 1 },
    ],
  ] as [string, Parameters<typeof verdict>[0], object][])('%s', (_, o, expected) => {
    const { sentences, acked, ...counts } = verdict(o)
    expect(counts).toEqual({ lost: 0, doubled: 0, reordered: 0, changed: 0, ...expected })
    expect(sentences.length).toBe(Object.values(counts).reduce((sum, count) => sum + count))
    expect(acked).toBe(o.acked.length)
  })
})
