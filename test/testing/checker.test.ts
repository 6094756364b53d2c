import { describe, expect, test } from 'vitest'
import { type Anomaly, type AnomalyKind, check } from '../../src/testing/checker.ts'
import type { Acked, Final, HistoryEvent, Read, SeenRecord, Sent } from '../../src/testing/history.ts'

const facts = { flushesFirst: (topic: string) => topic !== 'loose' }

function sent(id: string, o: Partial<Sent> = {}): Sent {
  return { type: 'sent', id, topic: 't', partition: 0, producer: 'p', acks: -1, idempotent: true, ...o }
}

const acked = (id: string, offset: number): Acked => ({ type: 'acked', id, offset })
const record = (offset: number, id: string | undefined, intact = true): SeenRecord => ({ offset, id, intact })
const read = (records: readonly SeenRecord[], o: Partial<Read> = {}): Read => ({
  type: 'read',
  topic: 't',
  partition: 0,
  reader: 'r',
  records,
  ...o,
})

function final(records: readonly SeenRecord[], o: Partial<Final> = {}): Final {
  return { type: 'final', topic: 't', partition: 0, logStartOffset: 0, endOffset: records.length, records, ...o }
}

/** Three records, sent, acknowledged, read by two readers, and there at the end. */
const good: readonly HistoryEvent[] = [
  sent('a'),
  sent('b'),
  acked('a', 0),
  read([record(0, 'a')]),
  sent('c'),
  acked('b', 1),
  acked('c', 2),
  read([record(1, 'b'), record(2, 'c')]),
  read([record(1, 'b')], { reader: 'other' }),
  { type: 'highWatermark', topic: 't', partition: 0, leaderEpoch: 1, offset: 3 },
  { type: 'led', topic: 't', partition: 0, incarnation: 0, leaderEpoch: 1 },
  { type: 'led', topic: 't', partition: 0, incarnation: 1, leaderEpoch: 2 },
  { type: 'highWatermark', topic: 't', partition: 0, leaderEpoch: 2, offset: 2 },
  { type: 'producerId', producerId: 1, producerEpoch: 0 },
  { type: 'producerId', producerId: 1, producerEpoch: 1 },
  { type: 'producerId', producerId: 2, producerEpoch: 0 },
  final([record(0, 'a'), record(1, 'b'), record(2, 'c')]),
]

const kinds = (anomalies: readonly Anomaly[]): AnomalyKind[] => [...new Set(anomalies.map(anomaly => anomaly.kind))]
const judged = (events: readonly HistoryEvent[]) => kinds(check(events, facts))

/** The good history with its last event, the final pass, replaced. */
const ending = (last: HistoryEvent): HistoryEvent[] => [...good.slice(0, -1), last]

describe('a history in which', () => {
  test('all promises were kept has no anomaly', () => {
    expect(check(good, facts)).toEqual([])
  })

  const broken: [name: string, kind: AnomalyKind, events: readonly HistoryEvent[]][] = [
    ['an acknowledged record is gone', 'lost', ending(final([record(0, 'a'), record(1, 'b')]))],
    ['a record stands twice', 'duplicated', ending(final([record(0, 'a'), record(1, 'b'), record(2, 'c'), record(3, 'c')]))],
    ['two records changed places', 'reordered', [sent('a'), sent('b'), final([record(0, 'b'), record(1, 'a')])]],
    [
      'a reader saw another record at an offset than the end has',
      'inconsistent offset',
      ending(final([record(0, 'b'), record(1, 'a'), record(2, 'c')])),
    ],
    [
      'an acknowledgement named another offset',
      'inconsistent offset',
      [sent('a'), sent('b'), acked('a', 1), final([record(0, 'a'), record(1, 'b')])],
    ],
    ['bytes changed', 'corrupted', ending(final([record(0, 'a'), record(1, 'b', false), record(2, 'c')]))],
    ['a reader was shown changed bytes', 'corrupted', [sent('a'), read([record(0, 'a', false)])]],
    ['a record was sent by nobody', 'phantom', ending(final([record(0, 'a'), record(1, 'b'), record(2, 'c'), record(3, 'x')]))],
    ['a record has no name', 'phantom', ending(final([record(0, 'a'), record(1, 'b'), record(2, 'c'), record(3, undefined)]))],
    ['a record stands in another partition', 'phantom', [sent('a'), final([record(0, 'a')], { partition: 1 })]],
    [
      'a refused record stands there',
      'phantom',
      [sent('a'), { type: 'refused', id: 'a', certain: true, reason: 'MESSAGE_TOO_LARGE' }, final([record(0, 'a')])],
    ],
    ['a reader skipped an offset', 'skipped', [sent('a'), sent('b'), read([record(0, 'a')]), read([record(2, 'b')])]],
    ['a reader went back', 'skipped', [sent('a'), read([record(0, 'a')]), read([record(0, 'a')])]],
    ['the end is nearer than it is said to be', 'incomplete', [sent('a'), final([record(0, 'a')], { endOffset: 2 })]],
    ['the final pass has a hole', 'incomplete', [sent('a'), sent('b'), final([record(0, 'a'), record(2, 'b')], { endOffset: 3 })]],
    ['the final pass starts late', 'incomplete', [sent('a'), final([record(1, 'a')], { endOffset: 2 })]],
    [
      'the high watermark went back',
      'high watermark went back',
      [...good, { type: 'highWatermark', topic: 't', partition: 0, leaderEpoch: 1, offset: 2 }],
    ],
    [
      'a leader epoch was used by two lives',
      'leader epoch did not rise',
      [...good, { type: 'led', topic: 't', partition: 0, incarnation: 2, leaderEpoch: 2 }],
    ],
    ['a producer id was given twice', 'producer id given twice', [...good, { type: 'producerId', producerId: 2, producerEpoch: 0 }]],
  ]
  test.each(broken)('%s is flagged', (_name, kind, events) => {
    expect(judged(events)).toContain(kind)
  })

  const fine: [name: string, events: readonly HistoryEvent[]][] = [
    ['an unacknowledged record is gone', [sent('a'), sent('b'), acked('b', 0), final([record(0, 'b')])]],
    ['a record with acks=0 is gone', [sent('a', { acks: 0, idempotent: false }), acked('a', -1), final([])]],
    [
      'a record refused without certainty is there',
      [sent('a'), { type: 'refused', id: 'a', certain: false, reason: 'timeout' }, final([record(0, 'a')])],
    ],
    [
      'a producer without idempotence wrote twice and out of order',
      [
        sent('a', { idempotent: false }),
        sent('b', { idempotent: false }),
        acked('a', 1),
        final([record(0, 'b'), record(1, 'a'), record(2, 'b')]),
      ],
    ],
    [
      'two producers are interleaved',
      [sent('a', { producer: 'p' }), sent('b', { producer: 'q' }), final([record(0, 'b'), record(1, 'a')])],
    ],
    [
      'an old record was deleted with its segment',
      [sent('a'), acked('a', 0), sent('b'), final([record(1, 'b')], { logStartOffset: 1, endOffset: 2 })],
    ],
    [
      'a new pass begins elsewhere',
      [sent('a'), sent('b'), read([record(1, 'b')]), read([record(0, 'a'), record(1, 'b')], { reader: 'again' })],
    ],
    ['a topic without a final pass was deleted', [sent('a'), acked('a', 0)]],
  ]
  test.each(fine)('%s is not flagged', (_name, events) => {
    expect(check(events, facts)).toEqual([])
  })
})

describe('a power cut', () => {
  const loose = { topic: 'loose' }
  const cut: HistoryEvent = { type: 'powerCut' }

  test('takes back nothing where records are flushed before they are acknowledged', () => {
    expect(judged([sent('a'), acked('a', 0), cut, final([])])).toEqual(['lost'])
  })

  test('may take back what was sent before it where they are not', () => {
    expect(check([sent('a', loose), acked('a', 0), cut, sent('b', loose), acked('b', 0), final([record(0, 'b')], loose)], facts)).toEqual(
      [],
    )
    expect(judged([sent('a', loose), acked('a', 0), cut, sent('b', loose), acked('b', 0), final([], loose)])).toEqual(['lost'])
  })

  test('lets an offset be given again where records are not flushed first', () => {
    const events = [
      sent('a', loose),
      read([record(0, 'a')], loose),
      cut,
      sent('b', loose),
      read([record(0, 'b')], loose),
      final([record(0, 'b')], loose),
    ]
    expect(check(events, facts)).toEqual([])
    expect(judged(events.filter(event => event !== cut))).toContain('inconsistent offset')
  })
})

test('any single change to a good history is flagged', () => {
  const last = good.at(-1) as Final
  for (let i = 0; i < last.records.length; i++) {
    const without = last.records.filter((_, k) => k !== i).map((seen, k) => ({ ...seen, offset: k }))
    expect(judged(ending(final(without)))).not.toEqual([])
    const doubled = [...last.records.slice(0, i + 1), ...last.records.slice(i)].map((seen, k) => ({ ...seen, offset: k }))
    expect(judged(ending(final(doubled)))).not.toEqual([])
    for (let j = 0; j < i; j++) {
      const swapped = [...last.records]
      swapped[i] = { ...last.records[j]!, offset: i }
      swapped[j] = { ...last.records[i]!, offset: j }
      expect(judged(ending(final(swapped)))).not.toEqual([])
    }
  }
})

describe('of a compacted log', () => {
  const compacted = { ...facts, compacts: () => true }

  test('offsets may be missing', () => {
    const events = [
      sent('a'),
      sent('b'),
      read([record(0, 'a')]),
      read([record(2, 'b')]),
      final([record(0, 'a'), record(2, 'b')], { endOffset: 4 }),
    ]
    expect(check(events, compacted)).toEqual([])
  })

  test('offsets ascend, and what was acknowledged is there', () => {
    const back = [sent('a'), read([record(1, 'a')]), read([record(1, 'a')])]
    expect(check(back, compacted).map(({ kind }) => kind)).toEqual(['skipped'])
    const lost = [sent('a'), sent('b'), acked('a', 0), acked('b', 1), final([record(1, 'b')], { endOffset: 2 })]
    expect(check(lost, compacted).map(({ kind }) => kind)).toEqual(['lost'])
  })
})
