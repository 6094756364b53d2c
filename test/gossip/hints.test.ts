import { describe, expect, test } from 'vitest'
import { type Candidate, toDial } from '../../src/gossip/dialling.ts'
import { type Announcement, type Digest, decodeHint, encodeHint } from '../../src/gossip/hints.ts'
import { Neighbours } from '../../src/gossip/neighbours.ts'
import { pack } from '../../src/util/pack.ts'

const MAX_BYTES = 16 * 1024
const head = { nodeId: 2, incarnationId: 'first', sequence: 1 }
const metadata = { epoch: 5, leaderId: 1, committedOffset: 900 }
const announcement: Announcement = { type: 'announcement', ...head, ...metadata }
const digest: Digest = {
  type: 'digest',
  ...head,
  ...metadata,
  leaderId: -1,
  internal: { host: '10.0.0.2', port: 10_092 },
  gossip: { host: 'two.example', port: 4001 },
  load: {
    receivedBytesPerSecond: 1e9,
    sentBytesPerSecond: 0,
    partitionsLed: undefined,
    connections: 3,
    cpuShare: 0.25,
    residentBytes: 80_000_000,
    diskFreeBytes: undefined,
  },
}

describe('a hint', () => {
  test.each([announcement, digest, { ...digest, gossip: undefined }])('of type $type is read as it was said', hint => {
    expect(decodeHint(encodeHint(hint), MAX_BYTES)).toEqual(hint)
  })

  const fields = [2, 'first', 1, 5, 1, 900]
  const place = ['host', 1]
  const numbers = [0, 0, 0, 0, 0, 0, 0]
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['no packed value', Buffer.from('hello')],
    ['another version', pack(1, 2, fields)],
    ['another type', pack(3, 1, fields)],
    ['too few fields', pack(1, 1, fields.slice(0, 5))],
    ['a node id below zero', pack(1, 1, [-1, ...fields.slice(1)])],
    ['an offset that is no number', pack(1, 1, [...fields.slice(0, 5), 'far'])],
    ['a leader below -1', pack(1, 1, [2, 'first', 1, 5, -2, 900])],
    ['an incarnation without end', pack(1, 1, [2, 'x'.repeat(65), ...fields.slice(2)])],
    ['a digest without an address', pack(2, 1, [...fields, null, place, numbers])],
    ['a port out of range', pack(2, 1, [...fields, ['host', 65_536], place, numbers])],
    ['a host without end', pack(2, 1, [...fields, ['x'.repeat(256), 1], place, numbers])],
    ['a load below zero', pack(2, 1, [...fields, place, place, [-1, ...numbers.slice(1)]])],
    ['a load that is too short', pack(2, 1, [...fields, place, place, numbers.slice(1)])],
    ['more bytes than are read', pack(1, 1, [...fields, 'x'.repeat(MAX_BYTES)])],
  ])('is not %s', (_, bytes) => {
    expect(decodeHint(bytes, MAX_BYTES)).toBeUndefined()
  })

  test('may have fields that came later', () => {
    expect(decodeHint(pack(1, 1, [...fields, 'later']), MAX_BYTES)).toEqual(announcement)
    expect(decodeHint(pack(2, 1, [...fields, place, null, [...numbers, 7], true]), MAX_BYTES)?.type).toBe('digest')
  })
})

describe('what is known of the others', () => {
  const said = (incarnationId: string, sequence: number, nodeId = 2) => ({ ...digest, nodeId, incarnationId, sequence })

  test('is the newest, in whatever order it arrives', () => {
    const known = new Neighbours(1)
    expect([said('a', 2), said('a', 1), said('a', 2), said('a', 3)].map(hint => known.hear(hint, 0))).toEqual([true, false, false, true])
    // Its process was started again; what the one before said comes late.
    expect([said('b', 1), said('a', 4), said('b', 2)].map(hint => known.hear(hint, 10))).toEqual([true, false, true])
    expect(known.get(2)).toMatchObject({ incarnationId: 'b', heardAt: 10, digest: { sequence: 2 } })
  })

  test('keeps the digest when something is announced, and not that of the process before', () => {
    const known = new Neighbours(1)
    known.hear(said('a', 1), 0)
    known.hear({ ...announcement, incarnationId: 'a', sequence: 2 }, 5)
    expect(known.get(2)).toMatchObject({ heardAt: 5, digest: { sequence: 1 } })
    known.hear({ ...announcement, incarnationId: 'b', sequence: 1 }, 6)
    expect(known.get(2)?.digest).toBeUndefined()
  })

  test('is nothing under its own id, and no more than there is room for', () => {
    const known = new Neighbours(1)
    expect(known.hear(said('a', 1, 1), 0)).toBe(false)
    for (let id = 2; id < 5000; id++) known.hear(said('made up', 1, id), 0)
    expect(known.size).toBe(1000)
    expect(known.hear(said('a', 1, 9000), 1000)).toBe(false)
    expect(known.hear(said('a', 1, 9000), 61_000)).toBe(true)
    expect(known.size).toBe(1)
  })
})

describe('of two nodes', () => {
  const candidate = (nodeId: number, o: Partial<Candidate> = {}): Candidate => ({
    nodeId,
    waitingSince: 0,
    triedAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    isConnected: false,
    ...o,
  })

  test('the one with the lower id dials, and the other one when nothing came', () => {
    expect(toDial(2, [candidate(1), candidate(3)], 0)).toEqual([3])
    expect(toDial(2, [candidate(1), candidate(3)], 5000)).toEqual([1, 3])
    expect(toDial(2, [candidate(1, { isConnected: true }), candidate(3, { isConnected: true })], 5000)).toEqual([])
  })

  test('it dials again, less and less often', () => {
    const tried = (failures: number, agoMs: number) => toDial(1, [candidate(2, { triedAt: 100_000 - agoMs, failures })], 100_000)
    expect([tried(1, 499), tried(1, 500), tried(3, 1999), tried(3, 2000), tried(50, 7999), tried(50, 8000)].map(ids => ids.length)).toEqual(
      [0, 1, 0, 1, 0, 1],
    )
  })

  test('of many, each dials those that follow it in a ring', () => {
    const others = Array.from({ length: 40 }, (_, i) => candidate(i + 1)).filter(({ nodeId }) => nodeId !== 35)
    expect(toDial(35, others, 0)).toEqual([36, 37, 38, 39, 40, 1, 2, 3, 4, 5, 6, 7])
  })
})
