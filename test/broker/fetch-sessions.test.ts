// KIP-227, case by case.
import { describe, expect, test } from 'vitest'
import { type FetchAnswer, FetchSessions, type FetchTarget } from '../../src/broker/fetch-sessions.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'

const FETCH_SESSION_ID_NOT_FOUND = 70
const INVALID_FETCH_SESSION_EPOCH = 71
const FETCH_SESSION_TOPIC_ID_ERROR = 106

function sessions(o: { maxSessions?: number; maxBytes?: number } = {}) {
  let id = 100
  return new FetchSessions({ maxSessions: o.maxSessions ?? 1000, maxBytes: o.maxBytes ?? 1e9, evictionMs: 120_000, randomId: () => ++id })
}

function target(topic: string, partition = 0, fetchOffset = 0): FetchTarget {
  return {
    topic,
    topicId: ZERO_UUID,
    wish: { partition, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, partitionMaxBytes: 100 },
  }
}

function answer(o: Partial<FetchAnswer> = {}): FetchAnswer {
  return { errorCode: 0, highWatermark: 5, logStartOffset: 0, recordsBytes: 0, preferredReadReplica: -1, diverges: false, ...o }
}

interface Asked {
  sessionId?: number
  sessionEpoch: number
  targets?: FetchTarget[]
  forgotten?: { topic: string; topicId: string; partition: number }[]
  usesTopicIds?: boolean
  answers?: FetchAnswer[]
  nowMs?: number
}

/** One whole fetch. */
function fetch(cache: FetchSessions, o: Asked) {
  const context = cache.begin(
    {
      sessionId: o.sessionId ?? 0,
      sessionEpoch: o.sessionEpoch,
      usesTopicIds: o.usesTopicIds ?? false,
      targets: o.targets ?? [],
      forgotten: o.forgotten ?? [],
    },
    o.nowMs ?? 0,
  )
  const result = cache.finish(context, o.answers ?? context.targets.map(() => answer()), o.nowMs ?? 0)
  return { ...result, read: context.targets.map(({ topic }) => topic), told: result.sent.map(i => context.targets[i]!.topic) }
}

function opened(cache: FetchSessions, topics: string[], nowMs = 0): number {
  return fetch(cache, { sessionEpoch: 0, targets: topics.map(topic => target(topic)), nowMs }).sessionId
}

describe('a fetch with epoch', () => {
  test('-1 has no session and is told everything', () => {
    const cache = sessions()
    expect(fetch(cache, { sessionEpoch: -1, targets: [target('a'), target('b')] })).toMatchObject({ sessionId: 0, told: ['a', 'b'] })
    expect(cache.size).toBe(0)
  })

  test('0 opens a session and is told everything', () => {
    const cache = sessions()
    const { sessionId, told } = fetch(cache, { sessionEpoch: 0, targets: [target('a'), target('b')] })
    expect(sessionId).toBeGreaterThan(0)
    expect(told).toEqual(['a', 'b'])
  })

  test('0 or -1 closes the session it names', () => {
    const cache = sessions()
    const first = opened(cache, ['a'])
    fetch(cache, { sessionId: first, sessionEpoch: -1, targets: [target('a')] })
    expect(cache.size).toBe(0)
    const second = opened(cache, ['a'])
    const third = fetch(cache, { sessionId: second, sessionEpoch: 0, targets: [target('a')] }).sessionId
    expect(third).not.toBe(second)
    expect(cache.size).toBe(1)
  })

  test('n of an unknown session is refused', () => {
    expect(fetch(sessions(), { sessionId: 5, sessionEpoch: 1 })).toMatchObject({
      errorCode: FETCH_SESSION_ID_NOT_FOUND,
      sessionId: 0,
      told: [],
    })
  })

  test('that is not the next one is refused', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    expect(fetch(cache, { sessionId, sessionEpoch: 2 })).toMatchObject({ errorCode: INVALID_FETCH_SESSION_EPOCH, sessionId: 0 })
    expect(fetch(cache, { sessionId, sessionEpoch: 1 }).errorCode).toBe(0)
    expect(fetch(cache, { sessionId, sessionEpoch: 1 }).errorCode).toBe(INVALID_FETCH_SESSION_EPOCH)
    expect(fetch(cache, { sessionId, sessionEpoch: 2 }).errorCode).toBe(0)
  })

  test('n that changes between names and ids is refused', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    expect(fetch(cache, { sessionId, sessionEpoch: 1, usesTopicIds: true }).errorCode).toBe(FETCH_SESSION_TOPIC_ID_ERROR)
  })

  test('2^31-1 is followed by 1', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    const context = cache.begin({ sessionId, sessionEpoch: 1, usesTopicIds: false, targets: [], forgotten: [] }, 0)
    context.session!.epoch = 0x7fffffff
    expect(fetch(cache, { sessionId, sessionEpoch: 0x7fffffff }).errorCode).toBe(0)
    expect(fetch(cache, { sessionId, sessionEpoch: 1 }).errorCode).toBe(0)
  })
})

describe('an incremental fetch', () => {
  test('reads what earlier fetches asked for, with what it changes, adds and forgets', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a', 'b'])
    const context = cache.begin(
      {
        sessionId,
        sessionEpoch: 1,
        usesTopicIds: false,
        targets: [target('a', 0, 77), target('c')],
        forgotten: [{ topic: 'b', topicId: ZERO_UUID, partition: 0 }],
      },
      0,
    )
    expect(context.targets.map(({ topic, wish }) => [topic, wish.fetchOffset])).toEqual([
      ['a', 77],
      ['c', 0],
    ])
  })

  test('is not told what it knows', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a', 'b'])
    expect(fetch(cache, { sessionId, sessionEpoch: 1 }).told).toEqual([])
  })

  test.each<[string, Partial<FetchAnswer>]>([
    ['records', { recordsBytes: 10 }],
    ['another high watermark', { highWatermark: 6 }],
    ['another log start', { logStartOffset: 1 }],
    ['an error', { errorCode: 6 }],
    ['a preferred read replica', { preferredReadReplica: 3 }],
    ['a divergence', { diverges: true }],
  ])('is told of %s', (_, news) => {
    const cache = sessions()
    const sessionId = opened(cache, ['a', 'b'])
    expect(fetch(cache, { sessionId, sessionEpoch: 1, answers: [answer(), answer(news)] }).told).toEqual(['b'])
  })

  test('is told when an error is over, although nothing else changed', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    fetch(cache, { sessionId, sessionEpoch: 1, answers: [answer({ errorCode: 6, highWatermark: -1, logStartOffset: -1 })] })
    expect(fetch(cache, { sessionId, sessionEpoch: 2 }).told).toEqual(['a'])
    expect(fetch(cache, { sessionId, sessionEpoch: 3 }).told).toEqual([])
  })

  test('is told of a partition it just added', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    expect(fetch(cache, { sessionId, sessionEpoch: 1, targets: [target('b')] }).told).toEqual(['b'])
  })

  test('reads last what returned data last', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a', 'b', 'c'])
    fetch(cache, { sessionId, sessionEpoch: 1, answers: [answer({ recordsBytes: 10 }), answer(), answer({ highWatermark: 9 })] })
    expect(fetch(cache, { sessionId, sessionEpoch: 2 }).read).toEqual(['b', 'c', 'a'])
  })

  test('that forgets everything ends the session', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    expect(fetch(cache, { sessionId, sessionEpoch: 1, forgotten: [{ topic: 'a', topicId: ZERO_UUID, partition: 0 }] })).toMatchObject({
      sessionId: 0,
      errorCode: 0,
    })
    expect(cache.size).toBe(0)
  })

  test('whose session moved on while it waited is refused', () => {
    const cache = sessions()
    const sessionId = opened(cache, ['a'])
    const slow = cache.begin({ sessionId, sessionEpoch: 1, usesTopicIds: false, targets: [], forgotten: [] }, 0)
    fetch(cache, { sessionId, sessionEpoch: 2 })
    expect(cache.finish(slow, [answer()], 0)).toMatchObject({ errorCode: INVALID_FETCH_SESSION_EPOCH, sent: [] })
  })
})

describe('a full cache', () => {
  test('opens no session while the others are in use', () => {
    const cache = sessions({ maxSessions: 1 })
    opened(cache, ['a'])
    expect(opened(cache, ['b', 'c'], 1000)).toBe(0)
  })

  test('gives up a session that was unused for two minutes', () => {
    const cache = sessions({ maxSessions: 1 })
    const stale = opened(cache, ['a', 'b'])
    expect(opened(cache, ['c'], 120_001)).toBeGreaterThan(0)
    expect(fetch(cache, { sessionId: stale, sessionEpoch: 1 }).errorCode).toBe(FETCH_SESSION_ID_NOT_FOUND)
  })

  test('gives up an old session for a larger one only', () => {
    const cache = sessions({ maxSessions: 1 })
    const sessionId = opened(cache, ['a', 'b'])
    fetch(cache, { sessionId, sessionEpoch: 1, nowMs: 100_000 })
    expect(opened(cache, ['c', 'd'], 130_000)).toBe(0)
    expect(opened(cache, ['c', 'd', 'e'], 130_000)).toBeGreaterThan(0)
    expect(cache.size).toBe(1)
  })

  test('is bounded in bytes, too', () => {
    const cache = sessions({ maxBytes: 1000 })
    const sessionId = opened(cache, ['a', 'b'])
    expect(sessionId).toBeGreaterThan(0)
    expect(opened(cache, ['x'.repeat(500)])).toBe(0)
    expect(fetch(cache, { sessionId, sessionEpoch: 1, targets: [target('y'.repeat(500))] }).errorCode).toBe(FETCH_SESSION_ID_NOT_FOUND)
    expect(cache.size).toBe(0)
    expect(opened(cache, ['a', 'b'])).toBeGreaterThan(0)
  })
})
