// What `cluster status` and `cluster watch` say, from made-up facts.
import { describe, expect, test } from 'vitest'
import { changesBetween, changeText } from '../../bin/commands/status/changes.ts'
import { type Facts, NO_SETTINGS, type Settings } from '../../bin/commands/status/facts.ts'
import { frameLines } from '../../bin/commands/status/frame.ts'
import { notOlder } from '../../bin/commands/status/observer.ts'
import { RateMeter } from '../../bin/commands/status/rates.ts'
import { statusOf } from '../../bin/commands/status/status.ts'
import { durationText, sizeText, statusText } from '../../bin/commands/status/text.ts'

interface World {
  readonly down?: readonly number[]
  readonly leader?: number
  readonly partitions?: readonly { leader: number; isr: readonly number[]; epoch?: number }[]
  readonly replicas?: readonly number[]
  readonly quorum?: null
}

const ALL = [1, 2, 3]
const WELL = [
  { leader: 1, isr: ALL },
  { leader: 2, isr: ALL },
]

function facts({ down = [], leader = 1, partitions = WELL, replicas = ALL, quorum }: World = {}): Facts {
  const heard = (nodeId: number) => ({
    nodeId,
    directoryId: null,
    logEndOffset: down.includes(nodeId) ? 40 : 200,
    lastFetchTimestamp: nodeId === leader ? 100_000 : down.includes(nodeId) ? 85_000 : 99_900,
    lastCaughtUpTimestamp: 99_900,
  })
  return {
    atMs: 1_700_000_000_000,
    clusterId: 'kHnQ',
    brokers: ALL.map(nodeId => ({ nodeId, host: '127.0.0.1', port: 9091 + nodeId, rack: null, isFenced: down.includes(nodeId) })),
    topics: [
      {
        name: 'orders',
        topicId: 'id-of-orders',
        isInternal: false,
        partitions: partitions.map(({ leader: leaderId, isr, epoch = 1 }, partition) => ({
          partition,
          leaderId,
          leaderEpoch: epoch,
          replicas,
          isr,
        })),
      },
    ],
    quorum:
      quorum === null
        ? null
        : { leaderId: leader, leaderEpoch: 5, highWatermark: 200, voters: ALL.map(heard), observers: [{ ...heard(7), logEndOffset: 10 }] },
    quorumError: quorum === null ? new Error('no answer') : undefined,
  }
}

const settings: Settings = { minInsync: new Map([['orders', 2]]), defaultReplicationFactor: 3, isFactorFixed: false }
const status = (world: World = {}, given = settings) =>
  statusOf(facts(world), given, new Map([[1, { sizeBytes: 1_234_567, usableBytes: 5e9 }]]))
const ONE_LEFT = [
  { leader: 3, isr: [3, 1] },
  { leader: 3, isr: [3] },
]

describe('a status', () => {
  test('of a cluster that is well says so', () => {
    expect(statusText(status(), { topicCount: 9 })).toBe(
      `kHnQ  3 brokers, 1 topic, 2 partitions
Quorum: led by node 1, epoch 5, high watermark 200, voters 1, 2, 3, observers 7

NODE  ADDRESS         STATE  QUORUM                LEADS  IN SYNC    DATA    FREE
   1  127.0.0.1:9092  up     leader                    1  2/2      1.2 MB  5.0 GB
   2  127.0.0.1:9093  up     voter                     1  2/2
   3  127.0.0.1:9094  up     voter                     0  2/2
   7                         observer, 190 behind      0  0/0

All replicas are in sync.

TOPIC   PARTITIONS  REPLICAS  IN SYNC  LED BY (NODE:PARTITIONS)
orders           2         3  6/6      1:1 2:1
`,
    )
  })

  test('of one that lacks something says what, and which partitions', () => {
    const found = status({ down: [2], leader: 3, partitions: [{ leader: -1, isr: [2] }, ...ONE_LEFT] })
    expect(found.leaderless).toEqual(['orders-0'])
    expect(found.belowMinInsync).toEqual(['orders-2'])
    expect(found.underReplicated).toEqual(['orders-0', 'orders-1', 'orders-2'])
    expect(found.nodes[1]).toMatchObject({ id: 2, state: 'down', role: 'voter', silentMs: 15_000, metadataLag: 160, outOfSync: 2 })
    const text = statusText(found, { topicCount: 9 })
    expect(text).toContain('3 brokers (1 down)')
    expect(text).toMatch(/^ +2 +127\.0\.0\.1:9093 +down +voter, silent for 15 s/m)
    expect(text).toContain('Without a leader, nobody can read or write: orders-0')
    expect(text).toContain('Below min.insync.replicas, acks=all is refused: orders-2')
    expect(text).toContain('orders           3         3  4/9      none:1 3:2')
  })

  test('without a quorum that answers shows the brokers all the same, and why', () => {
    expect(statusText(status({ quorum: null }), { topicCount: 9 })).toMatch(
      /Quorum: no answer, perhaps because a majority of the voters is away: no answer\n\nNODE/,
    )
  })

  test('a node that came back with an empty disk follows without a vote, and that is said', () => {
    const { quorum, ...rest } = facts({ down: [2] })
    const back = { ...quorum!.voters[2]!, nodeId: 2 }
    const found = statusOf({ ...rest, brokers: facts().brokers, quorum: { ...quorum!, observers: [back] } }, settings, new Map())
    expect(found.nodes[1]).toMatchObject({ id: 2, state: 'up', role: 'observer', lostVote: true, metadataLag: 0 })
    expect(statusText(found, { topicCount: 9 })).toMatch(/up +observer, no vote/)
    expect(found.warnings).toEqual([expect.stringContaining('Node 2 came back with another data directory than the one that votes')])
  })

  test('a broker that the others count on and that does not answer is silent', () => {
    const found = statusOf(facts(), settings, new Map([[2, null]]))
    expect(found.nodes.map(({ state }) => state)).toEqual(['up', 'silent', 'up', 'controller'])
    expect(statusText(found, { topicCount: 9 })).toContain('3 brokers (1 silent)')
    expect(changesBetween(status(), found).map(changeText)).toEqual(['broker 2 does not answer'])
  })

  test('a replica on a broker that nobody knows any more is a broker that is down', () => {
    const found = status({ replicas: [1, 2, 9] })
    expect(found.nodes.find(({ id }) => id === 9)).toMatchObject({ state: 'down', host: null, replicas: 2, outOfSync: 2 })
  })

  test('warns of defaults that were made for fewer brokers, with the command that changes them', () => {
    const { warnings } = status({}, { ...settings, defaultReplicationFactor: 1 })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(
      'ottla config set --brokers default.replication.factor=3 offsets.topic.replication.factor=3 min.insync.replicas=2',
    )
    expect(status({ replicas: [1], partitions: [{ leader: 1, isr: [1] }] }).warnings[0]).toContain('Kept on one broker only')
    expect(status({}, NO_SETTINGS).warnings).toEqual([])
  })
})

describe('between two looks', () => {
  const told = (before: World, after: World) => changesBetween(status(before), status(after)).map(changeText)

  test('nothing happened: nothing is told', () => {
    expect(told({}, {})).toEqual([])
  })

  test('a node died: one line an event, not one a partition', () => {
    const after = [
      { leader: 3, isr: [2, 3] },
      { leader: 2, isr: [2, 3] },
    ]
    expect(told({}, { down: [1], leader: 2, partitions: after })).toEqual([
      'broker 1 is down',
      'node 2 leads the quorum, epoch 5',
      'broker 3 leads 1 partition that 1 led: orders-0',
      'broker 1 is out of sync in 2 partitions: orders-0, orders-1',
    ])
  })

  test('it came back', () => {
    const before = [{ leader: 3, isr: [2, 3] }]
    expect(told({ down: [1], partitions: before }, { partitions: [{ leader: 1, isr: ALL }] })).toEqual([
      'broker 1 is up',
      'broker 1 leads 1 partition that 3 led: orders-0',
      'broker 1 is in sync again in 1 partition: orders-0',
    ])
  })

  test('a partition lost its last leader, the quorum too', () => {
    expect(told({ partitions: [{ leader: 1, isr: [1] }] }, { leader: -1, partitions: [{ leader: -1, isr: [1] }] })).toEqual([
      'the quorum has no leader',
      'no leader any more: orders-0',
    ])
  })

  test('an answer from a broker that lies behind takes no leader back', () => {
    const newer = facts({ partitions: [{ leader: 3, isr: [3], epoch: 7 }] })
    const older = facts({ partitions: [{ leader: 1, isr: ALL, epoch: 6 }] })
    expect(notOlder(newer, older).topics[0]!.partitions[0]).toMatchObject({ leaderId: 3, leaderEpoch: 7 })
    expect(notOlder(older, newer).topics[0]!.partitions[0]).toMatchObject({ leaderId: 3, leaderEpoch: 7 })
  })
})

describe('the screen', () => {
  const rates = { brokers: new Map([[1, 12_345.6]]), topics: new Map([['orders', 12_345.6]]) }
  const history = Array.from({ length: 40 }, (_, i) => ({ atMs: i, change: { event: 'brokerUp', node: i } as const }))
  const frame = (width: number, height: number, colours = false) =>
    frameLines({ status: status({ down: [2], partitions: ONE_LEFT }), rates, history, note: undefined, width, height, colours })

  test.each([
    [80, 24],
    [200, 60],
    [40, 10],
    [20, 3],
    [1, 1],
  ])('fits into %d × %d', (width, height) => {
    const lines = frame(width, height)
    expect(lines).toHaveLength(height)
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(width)
  })

  test('shows rates, the newest events last, and how to leave', () => {
    const lines = frame(160, 40)
    expect(lines.some(line => /^ +1 .* 12,346$/.test(line))).toBe(true)
    expect(lines.filter(line => line.endsWith('is up')).at(-1)).toContain('broker 39 is up')
    expect(lines.at(-1)).toContain('Ctrl-C')
  })

  test('paints what is wrong, and only where there are colours', () => {
    const down = frame(160, 40, true).find(line => line.includes(' down '))!
    expect([down.startsWith('\x1b[31m'), down.endsWith('\x1b[0m')]).toEqual([true, true])
    expect(frame(160, 40).join('')).not.toContain('\x1b')
  })
})

test('rates come from two ends of a log, and end when nobody tells', () => {
  const meter = new RateMeter()
  const end = (offset: number, atMs: number, leader = 1) => [{ topic: 't', partition: 0, leader, offset, atMs }]
  meter.add(end(100, 1000))
  expect(meter.rates(1000).topics.size).toBe(0)
  meter.add(end(600, 1500, 2))
  expect(meter.rates(1500).brokers).toEqual(new Map([[2, 1000]]))
  expect(meter.rates(1500).topics.get('t')).toBe(1000)
  expect(meter.rates(9000).topics.size).toBe(0)
  meter.add(end(5, 9000))
  meter.add(end(4, 9100))
  expect(meter.rates(9100).topics.size).toBe(0)
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_949, '99.9 kB'],
  [999_600, '1.0 MB'],
  [123_456_789, '123 MB'],
  [null, ''],
])('%j bytes are %j', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text)
})

test.each([
  [12.3, '12 ms'],
  [1500, '2 s'],
  [99_000, '99 s'],
  [120_000, '2 min'],
  [7_200_000, '2 h'],
])('%d ms are %j', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})
