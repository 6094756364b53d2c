import { describe, expect, test } from 'vitest'
import type { FetchedBytes } from '../../src/client/fetched.ts'
import {
  type AutoOffsetReset,
  type FetcherEvent,
  type FetcherState,
  hasPolled,
  openFetcher,
  type PartitionFetched,
  seek,
  step,
  takePolled,
  unassign,
} from '../../src/client/fetcher.ts'
import { emptyMetadata, step as stepMetadata } from '../../src/client/metadata.ts'
import * as errors from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'

class Scene {
  readonly state: FetcherState
  now = 0

  constructor(options: { reset?: AutoOffsetReset; leaders?: [number, number][]; maxBufferedBytes?: number } = {}) {
    const metadata = emptyMetadata({ maxAgeMs: 1e9, maxIdleMs: 1e9, backoff: { initialMs: 100, maxMs: 1000 } })
    const { reset = 'none', maxBufferedBytes = 1e6 } = options
    const backoff = { initialMs: 100, maxMs: 1000 }
    this.state = openFetcher({ autoOffsetReset: reset, maxBufferedBytes, maxBatchBytes: 1 << 20, backoff }, metadata, {
      fraction: () => 0.5,
    })
    this.lead(options.leaders ?? [[1, 5]])
  }

  lead(leaders: [number, number][]): string[] {
    const { metadata } = this.state
    const partitions = leaders.map(([leaderId, leaderEpoch], partition) => {
      return { partition, errorCode: 0, leaderId, leaderEpoch, replicas: [], isr: [] }
    })
    metadata.wanted.set('t', 0)
    metadata.asking = ['t']
    const brokers = [1, 2].map(nodeId => ({ nodeId, host: 'h', port: 1, rack: null }))
    const topics = [{ errorCode: 0, topic: { name: 't', topicId: ZERO_UUID, isInternal: false, partitions } }]
    stepMetadata(metadata, { type: 'answered', answer: { clusterId: null, controllerId: 1, brokers, topics }, fraction: 0.5 }, this.now)
    return this.step({ type: 'metadataChanged' })
  }

  seek(position: Parameters<typeof seek>[3], partition = 0): string[] {
    seek(this.state, 't', partition, position)
    return this.step({ type: 'tick' })
  }

  tick(ms = 0): string[] {
    this.now += ms
    return this.step({ type: 'tick' })
  }

  step(event: FetcherEvent): string[] {
    return step(this.state, event, this.now).map(effect => {
      if (effect.type === 'fetch') {
        const partitions = effect.partitions.map(
          ({ partition, fetchOffset, currentLeaderEpoch }) => `${partition}:${fetchOffset}@${currentLeaderEpoch}`,
        )
        return `fetch #${effect.requestId} from ${effect.nodeId} ${partitions.join(' ')}`
      }
      if (effect.type !== 'lookUp') return effect.type
      return `lookUp #${effect.requestId} ${effect.queries.map(({ partition, spec }) => `${partition}:${JSON.stringify(spec)}`).join(' ')}`
    })
  }

  /** Partition → the error, or the records as [first offset, values …]. */
  fetched(requestId: number, answers: Record<number, number | [number, ...string[]]>): string[] {
    const partitions = Object.entries(answers).map(([partition, answer]): PartitionFetched => {
      const [baseOffset, ...values] = typeof answer === 'number' ? [0] : answer
      const records = values.map(value => ({ key: null, value: Buffer.from(value as string), timestamp: 0 }))
      return {
        topic: 't',
        partition: Number(partition),
        errorCode: typeof answer === 'number' ? answer : 0,
        highWatermark: 100,
        records: records.length === 0 ? null : encodeBatch({ records, codec: 0, baseOffset: baseOffset as number }),
        aborted: null,
      }
    })
    return this.step({ type: 'fetched', requestId, errorCode: 0, partitions })
  }

  take(maxRecords = 100): string[] {
    return takePolled(this.state, maxRecords).map(record => `${record.partition}:${record.offset}${record.value}`)
  }

  position(partition = 0): number | undefined {
    return this.state.partitions.get(`t-${partition}`)!.position
  }
}

describe('fetching', () => {
  test('one round is given out while the next is under way, and one more is held', () => {
    const scene = new Scene()
    expect(scene.seek({ offset: 5 })).toEqual(['fetch #1 from 1 0:5@5'])
    expect(scene.fetched(1, { 0: [5, 'a', 'b'] })).toEqual(['available', 'fetch #2 from 1 0:7@5'])
    expect(scene.fetched(2, { 0: [7, 'c'] })).toEqual(['available'])
    expect(scene.take(1)).toEqual(['0:5a'])
    expect(scene.tick()).toEqual([])
    expect(scene.position()).toBe(6)
    expect(scene.take()).toEqual(['0:6b', '0:7c'])
    expect(scene.tick()).toEqual(['fetch #3 from 1 0:8@5'])
    expect(scene.fetched(3, { 0: [8] })).toEqual(['fetch #4 from 1 0:8@5'])
  })

  test('each node is asked for its partitions in one request, and not again before it answered', () => {
    const scene = new Scene({ leaders: [[1, 5], [2, 6], [1, 7]] }) // biome-ignore format: pairs
    for (const partition of [0, 1, 2]) seek(scene.state, 't', partition, { offset: 0 })
    expect(scene.tick()).toEqual(['fetch #1 from 1 0:0@5 2:0@7', 'fetch #2 from 2 1:0@6'])
    expect(scene.tick()).toEqual([])
    expect(scene.fetched(2, { 1: [0] })).toEqual(['fetch #3 from 2 1:0@6'])
  })

  test('a node with a partition that has no room waits; a paused one needs none', () => {
    const scene = new Scene({ leaders: [[1, 5], [1, 5]] }) // biome-ignore format: pairs
    for (const partition of [0, 1]) seek(scene.state, 't', partition, { offset: 0 })
    scene.tick()
    scene.fetched(1, { 0: [0, 'a'], 1: [0] })
    expect(scene.fetched(2, { 0: [1, 'b'], 1: [0] })).toEqual(['available'])
    scene.state.partitions.get('t-0')!.paused = true
    expect(scene.tick()).toEqual(['fetch #3 from 1 1:0@5'])
    expect(scene.take()).toEqual([])
    scene.state.partitions.get('t-0')!.paused = false
    expect(hasPolled(scene.state)).toBe(true)
    expect(scene.take()).toEqual(['0:0a', '0:1b'])
  })

  test('over the byte budget a node with anything held waits', () => {
    const scene = new Scene({ maxBufferedBytes: 10 })
    scene.seek({ offset: 0 })
    expect(scene.fetched(1, { 0: [0, 'a'] })).toEqual(['available'])
    scene.take()
    expect(scene.state.bufferedBytes).toBe(0)
    expect(scene.tick()).toEqual(['fetch #2 from 1 0:1@5'])
  })

  test('partitions take turns', () => {
    const scene = new Scene({ leaders: [[1, 5], [2, 5]] }) // biome-ignore format: pairs
    for (const partition of [0, 1]) seek(scene.state, 't', partition, { offset: 0 })
    scene.tick()
    scene.fetched(1, { 0: [0, 'a', 'b', 'c'] })
    scene.fetched(2, { 1: [0, 'x', 'y', 'z'] })
    expect([scene.take(2), scene.take(2), scene.take(2)].flat()).toEqual(['0:0a', '0:1b', '1:0x', '1:1y', '0:2c', '1:2z'])
  })

  test('what was fetched before a seek is dropped, also what is still under way', () => {
    const scene = new Scene()
    scene.seek({ offset: 0 })
    scene.fetched(1, { 0: [0, 'a'] })
    expect(scene.seek({ offset: 9 })).toEqual([])
    expect(scene.take()).toEqual([])
    expect(scene.fetched(2, { 0: [1, 'b'] })).toEqual(['fetch #3 from 1 0:9@5'])
    expect(scene.fetched(3, { 0: [9, 'z'] })[0]).toBe('available')
    expect(scene.take()).toEqual(['0:9z'])
    unassign(scene.state, 't', 0)
    expect(scene.fetched(4, { 0: [10, 'late'] })).toEqual([])
    expect([scene.take(), scene.state.bufferedBytes, scene.state.fetching.size]).toEqual([[], 0, 0])
  })
})

describe('errors', () => {
  test('a deposed leader is asked again after a while, another one at once', () => {
    const scene = new Scene()
    scene.seek({ offset: 0 })
    expect(scene.fetched(1, { 0: errors.NOT_LEADER_OR_FOLLOWER })).toEqual(['stale'])
    expect(scene.state.wakeAtMs).toBe(100)
    expect(scene.tick(99)).toEqual([])
    expect(scene.tick(1)).toEqual(['fetch #2 from 1 0:0@5'])
    expect(scene.fetched(2, { 0: errors.FENCED_LEADER_EPOCH })).toEqual(['stale'])
    expect(scene.lead([[2, 6]])).toEqual(['fetch #3 from 2 0:0@6'])
  })

  test('a lost connection asks for metadata and waits', () => {
    const scene = new Scene()
    scene.seek({ offset: 0 })
    expect(scene.step({ type: 'unfetched', requestId: 1 })).toEqual(['stale'])
    expect(scene.tick(100)).toEqual(['fetch #2 from 1 0:0@5'])
  })

  test('an offset outside the log is thrown by each poll until the user seeks', () => {
    const scene = new Scene()
    scene.seek({ offset: 50 })
    expect(scene.fetched(1, { 0: errors.OFFSET_OUT_OF_RANGE })).toEqual(['available'])
    expect(hasPolled(scene.state)).toBe(true)
    expect(() => scene.take()).toThrow(/offset 50 of t-0/)
    expect(scene.take()).toEqual([])
    expect(scene.tick()).toEqual(['fetch #2 from 1 0:50@5'])
    scene.fetched(2, { 0: errors.OFFSET_OUT_OF_RANGE })
    scene.seek({ offset: 3 })
    expect(scene.take()).toEqual([])
  })

  test('or the position is looked up anew, once what was fetched before is given out', () => {
    const scene = new Scene({ reset: 'earliest' })
    scene.seek({ offset: 5 })
    scene.fetched(1, { 0: [5, 'a'] })
    expect(scene.fetched(2, { 0: errors.OFFSET_OUT_OF_RANGE })).toEqual([])
    expect(scene.take()).toEqual(['0:5a'])
    expect(scene.tick(100)).toEqual(['fetch #3 from 1 0:6@5'])
    expect(scene.fetched(3, { 0: errors.OFFSET_OUT_OF_RANGE })).toEqual(['lookUp #4 0:"earliest"'])
    expect(scene.step({ type: 'lookedUp', requestId: 4, results: [40] })).toEqual(['available', 'fetch #5 from 1 0:40@5'])
  })

  test('records come before the failure of another partition', () => {
    const scene = new Scene({ leaders: [[1, 5], [2, 5]] }) // biome-ignore format: pairs
    for (const partition of [0, 1]) seek(scene.state, 't', partition, { offset: 0 })
    scene.tick()
    scene.fetched(1, { 0: errors.TOPIC_AUTHORIZATION_FAILED })
    scene.fetched(2, { 1: [0, 'x'] })
    expect(scene.take()).toEqual(['1:0x'])
    expect(() => scene.take()).toThrow(errors.KafkaError)
  })

  test('a damaged batch is named with its offset, and the position stays before it', () => {
    const scene = new Scene()
    scene.seek({ offset: 0 })
    scene.fetched(1, { 0: [0, 'a', 'b'] })
    const held: FetchedBytes = scene.state.partitions.get('t-0')!.held[0]!
    held.bytes[held.end - 1]! ^= 1
    expect(() => scene.take()).toThrow(/t-0 holds a damaged batch at offset 0/)
    expect(scene.position()).toBe(0)
  })

  test('an answer that holds no whole batch is an error, not an endless loop', () => {
    const scene = new Scene()
    scene.seek({ offset: 0 })
    const bytes = encodeBatch({ records: [{ key: null, value: null, timestamp: 0 }], codec: 0 }).subarray(0, 40)
    const answer = { topic: 't', partition: 0, errorCode: 0, highWatermark: 1, records: bytes, aborted: null }
    expect(scene.step({ type: 'fetched', requestId: 1, errorCode: 0, partitions: [answer] })).toEqual(['available'])
    expect(() => scene.take()).toThrow(/hold no whole batch/)
  })

  test('a topic that stays unknown is told to the user', () => {
    const scene = new Scene()
    scene.state.metadata.topics.clear()
    scene.state.metadata.topicErrors.set('t', { errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION, sinceMs: 0 })
    expect(scene.seek({ offset: 0 })).toEqual([])
    expect(scene.state.wakeAtMs).toBe(1500)
    expect(scene.tick(1500)).toEqual(['available'])
    expect(() => scene.take()).toThrow(/topic 't'/)
  })
})

describe('positions', () => {
  test('are looked up together; a time after the last record means the end', () => {
    const scene = new Scene({ leaders: [[1, 5], [1, 5]] }) // biome-ignore format: pairs
    seek(scene.state, 't', 0, 'latest')
    seek(scene.state, 't', 1, { timestamp: 77 })
    expect(scene.tick()).toEqual(['lookUp #1 0:"latest" 1:{"timestamp":77}'])
    expect(scene.position()).toBe(undefined)
    expect(scene.step({ type: 'lookedUp', requestId: 1, results: [8, -1] })).toEqual([
      'available',
      'fetch #2 from 1 0:8@5',
      'lookUp #3 1:"latest"',
    ])
    expect(scene.position()).toBe(8)
  })

  test('that cannot be looked up now are tried again, others are errors', () => {
    const scene = new Scene()
    scene.seek('earliest')
    expect(scene.step({ type: 'lookedUp', requestId: 1, results: [new errors.KafkaError(errors.NETWORK_EXCEPTION)] })).toEqual([])
    expect(scene.tick(100)).toEqual(['lookUp #2 0:"earliest"'])
    expect(scene.step({ type: 'lookedUp', requestId: 2, results: [new errors.KafkaError(errors.TOPIC_AUTHORIZATION_FAILED)] })).toEqual([
      'available',
    ])
    expect(() => scene.take()).toThrow(/Not authorized/)
  })
})
