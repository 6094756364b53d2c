import { describe, expect, test } from 'vitest'
import { emptyMetadata, leaderOf, type MetadataAnswer, type MetadataState, nextAskMs, step } from '../../src/client/metadata.ts'
import { INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION } from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAg'

function open(): MetadataState {
  return emptyMetadata({ maxAgeMs: 1000, maxIdleMs: 5000, backoff: { initialMs: 10, maxMs: 80 } })
}

const broker = (nodeId: number) => ({ nodeId, host: `h${nodeId}`, port: 9092, rack: null })

/** 't' with the given leaders as [leader, epoch] by partition. */
function answer(
  leaders: readonly [number, number][],
  options: { topicId?: string; brokers?: number[]; errorCode?: number } = {},
): MetadataAnswer {
  const partitions = leaders.map(([leaderId, leaderEpoch], partition) => {
    return { partition, errorCode: 0, leaderId, leaderEpoch, replicas: [1, 2], isr: [1, 2] }
  })
  const topic = { name: 't', topicId: options.topicId ?? ID, isInternal: false, partitions }
  const brokers = (options.brokers ?? [1, 2, 3]).map(broker)
  return { clusterId: 'c', controllerId: 1, brokers, topics: [{ errorCode: options.errorCode ?? 0, topic }] }
}

function take(state: MetadataState, heard: MetadataAnswer, now: number) {
  state.asking ??= ['t']
  return step(state, { type: 'answered', answer: heard, fraction: 0.5 }, now).map(effect => effect.type)
}

function known(heard: MetadataAnswer = answer([[1, 5]])): MetadataState {
  const state = open()
  step(state, { type: 'wanted', topic: 't' }, 0)
  take(state, heard, 0)
  return state
}

describe('leaders', () => {
  test('an answer that is behind does not take a partition back', () => {
    const state = known(answer([[1, 5], [1, 5]])) // biome-ignore format: pairs
    take(state, answer([[2, 4], [2, 6]]), 50) // biome-ignore format: pairs
    expect(leaderOf(state, 't', 0)).toMatchObject({ leaderId: 1, leaderEpoch: 5 })
    expect(leaderOf(state, 't', 1)).toMatchObject({ leaderId: 2, leaderEpoch: 6 })
  })

  test('a topic made anew begins its epochs again', () => {
    const state = known()
    take(state, answer([[2, 0]], { topicId: OTHER_ID }), 50)
    expect(leaderOf(state, 't', 0)).toMatchObject({ leaderId: 2, leaderEpoch: 0 })
  })

  test('a broker too old for topic ids does not make it a new topic', () => {
    const state = known()
    take(state, answer([[2, 4]], { topicId: ZERO_UUID }), 50)
    expect(leaderOf(state, 't', 0)).toMatchObject({ leaderId: 1, leaderEpoch: 5 })
  })

  test('without epochs (brokers older than 2.1) the last answer counts', () => {
    const state = known(answer([[1, -1]]))
    take(state, answer([[2, -1]]), 50)
    expect(leaderOf(state, 't', 0)?.leaderId).toBe(2)
  })

  test('a leader without an address is no leader', () => {
    const state = known(answer([[3, 5]], { brokers: [1, 2] }))
    expect(leaderOf(state, 't', 0)).toBe(undefined)
  })

  test('a leader named in an answer is taken at once, with its address, unless it is older', () => {
    const state = known(answer([[1, 5]], { brokers: [1] }))
    const name = (leaderId: number, leaderEpoch: number, endpoints = [broker(leaderId)]) =>
      step(state, { type: 'leaderNamed', topic: 't', partition: 0, leader: { leaderId, leaderEpoch, endpoints } }, 10).length
    expect(name(2, 5)).toBe(0)
    expect(name(4, 7, [])).toBe(0)
    expect(name(2, 6)).toBe(1)
    expect(leaderOf(state, 't', 0)).toMatchObject({ leaderId: 2, leaderEpoch: 6 })
    expect(state.brokers.get(2)?.host).toBe('h2')
  })

  test('a broker that has just started and knows nobody does not empty the address book', () => {
    const state = known()
    take(state, answer([[1, 5]], { brokers: [] }), 50)
    expect(leaderOf(state, 't', 0)?.leaderId).toBe(1)
  })
})

describe('asking', () => {
  test('a new topic is asked for at once, one under way is not asked for twice', () => {
    const state = open()
    expect(step(state, { type: 'wanted', topic: 't' }, 0)).toEqual([{ type: 'ask', topics: ['t'] }])
    expect(step(state, { type: 'wanted', topic: 't' }, 1)).toEqual([])
    expect(step(state, { type: 'wanted', topic: 'u' }, 2)).toEqual([])
    expect(step(state, { type: 'answered', answer: answer([[1, 5]]), fraction: 0.5 }, 3)).toEqual([
      { type: 'changed' },
      { type: 'ask', topics: ['t', 'u'] },
    ])
  })

  test('what is fresh is asked for again when it is old', () => {
    const state = known()
    expect(nextAskMs(state)).toBe(1000)
    expect(step(state, { type: 'tick' }, 999)).toEqual([])
    expect(step(state, { type: 'tick' }, 1000)).toEqual([{ type: 'ask', topics: ['t'] }])
  })

  test('a complaint is heard after a moment, and answers that change nothing wear the patience out', () => {
    const state = known()
    const waits: number[] = []
    let now = 100
    for (let i = 0; i < 6; i++) {
      const before = now
      step(state, { type: 'stale' }, now)
      if (state.asking === undefined) step(state, { type: 'tick' }, (now = nextAskMs(state)))
      waits.push(now - before)
      take(state, answer([[1, 5]]), now)
    }
    expect(waits).toEqual([0, 10, 20, 40, 80, 80])
    step(state, { type: 'stale' }, now)
    step(state, { type: 'tick' }, (now = nextAskMs(state)))
    take(state, answer([[2, 6]]), now)
    step(state, { type: 'stale' }, now)
    expect(nextAskMs(state) - now).toBe(10)
  })

  test('a complaint during a request is answered by another one', () => {
    const state = known()
    step(state, { type: 'stale' }, 100)
    step(state, { type: 'stale' }, 101)
    take(state, answer([[1, 5]]), 102)
    expect(nextAskMs(state)).toBe(112)
  })

  test('failures back off; a topic never asked for does not wait for that', () => {
    const state = open()
    step(state, { type: 'wanted', topic: 't' }, 0)
    step(state, { type: 'failed', fraction: 0.5 }, 0)
    expect(nextAskMs(state)).toBe(10)
    step(state, { type: 'tick' }, 10)
    step(state, { type: 'failed', fraction: 0.5 }, 10)
    expect(nextAskMs(state)).toBe(30)
    expect(step(state, { type: 'wanted', topic: 'u' }, 12)).toEqual([{ type: 'ask', topics: ['t', 'u'] }])
  })

  test('a partition without a leader is asked for until it has one', () => {
    const state = known(answer([[-1, 5]]))
    expect(nextAskMs(state)).toBe(10)
  })

  test('a topic that is refused is remembered with the first time, and asked for until it is there or unwanted', () => {
    const state = known(answer([], { errorCode: UNKNOWN_TOPIC_OR_PARTITION }))
    expect(state.topicErrors.get('t')).toEqual({ errorCode: UNKNOWN_TOPIC_OR_PARTITION, sinceMs: 0 })
    take(state, answer([], { errorCode: INVALID_TOPIC_EXCEPTION }), 500)
    expect(state.topicErrors.get('t')).toEqual({ errorCode: INVALID_TOPIC_EXCEPTION, sinceMs: 0 })
    expect(nextAskMs(state)).toBeLessThan(600)
    step(state, { type: 'unwanted', topic: 't' }, 500)
    expect([state.topics.size, state.topicErrors.size, state.wanted.size]).toEqual([0, 0, 0])
    take(known(), answer([[1, 5]]), 600)
    expect(state.topics.size).toBe(0)
  })

  test('a topic nobody uses is forgotten', () => {
    const state = known()
    step(state, { type: 'wanted', topic: 't' }, 3000)
    step(state, { type: 'tick' }, 8000)
    take(state, answer([[1, 5]]), 8000)
    expect(leaderOf(state, 't', 0)).toBeDefined()
    expect(step(state, { type: 'tick' }, 9001)).toEqual([{ type: 'ask', topics: [] }])
    expect(leaderOf(state, 't', 0)).toBe(undefined)
  })
})
