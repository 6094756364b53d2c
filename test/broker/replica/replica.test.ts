import { describe, expect, test } from 'vitest'
import {
  becomeLeader,
  hasEnoughReplicas,
  knowsLatest,
  type LeaderReplica,
  type ReplicaEvent,
  step as stepAt,
} from '../../../src/broker/replica.ts'

const NOW = 1000

function step(replica: LeaderReplica, event: ReplicaEvent) {
  return stepAt(replica, event, NOW)
}

function broker(brokerId: number) {
  return { brokerId, brokerEpoch: 100 + brokerId, isLive: true }
}

function leader(o: Partial<Parameters<typeof becomeLeader>[0]> = {}): LeaderReplica {
  return becomeLeader(
    {
      brokerId: 1,
      brokerEpoch: 101,
      leaderEpoch: 5,
      partitionEpoch: 3,
      isr: [1],
      replicas: [broker(1), broker(2)],
      effectiveMinIsr: 1,
      lagTimeMaxMs: 1500,
      leaseUntilMs: Number.POSITIVE_INFINITY,
      logStartOffset: 0,
      logEndOffset: 10,
      ackableOffset: 10,
      highWatermark: 0,
      ...o,
    },
    NOW,
  )
}

describe('the high watermark of a leader alone', () => {
  test('is its ackable offset when it begins', () => {
    expect(leader().highWatermark).toBe(10)
    expect(leader({ ackableOffset: 7 }).highWatermark).toBe(7)
  })

  test('stays when records are appended and moves when they are ackable', () => {
    const replica = leader()
    expect(step(replica, { type: 'appended', endOffset: 15, sizeBytes: 500 })).toEqual([])
    expect(replica.highWatermark).toBe(10)
    expect(step(replica, { type: 'ackable', endOffset: 12 })).toEqual([{ type: 'advancedHighWatermark', offset: 12 }])
    expect(step(replica, { type: 'ackable', endOffset: 15 })).toEqual([{ type: 'advancedHighWatermark', offset: 15 }])
  })

  test('never moves back', () => {
    const replica = leader()
    step(replica, { type: 'ackable', endOffset: 10 })
    expect(step(replica, { type: 'ackable', endOffset: 4 })).toEqual([])
    expect(replica.highWatermark).toBe(10)
  })

  test('never passes the end of the log', () => {
    const replica = leader()
    step(replica, { type: 'ackable', endOffset: 99 })
    expect(replica.highWatermark).toBe(10)
  })
})

describe('the high watermark of a larger in-sync set', () => {
  test('waits for the slowest member and moves when it leaves', () => {
    const replica = leader({ isr: [1, 2], effectiveMinIsr: 1, highWatermark: 6 })
    expect(replica.highWatermark).toBe(6)
    expect(step(replica, { type: 'ackable', endOffset: 10 })).toEqual([])
    expect(step(replica, { type: 'isrCommitted', isr: [1], partitionEpoch: 4, replicas: [broker(1), broker(2)] })).toEqual([
      { type: 'advancedHighWatermark', offset: 10 },
    ])
  })

  test('stands still while the set is below min ISR', () => {
    const replica = leader({ isr: [1], effectiveMinIsr: 2, highWatermark: 6 })
    expect(hasEnoughReplicas(replica, NOW)).toBe(false)
    expect(step(replica, { type: 'ackable', endOffset: 10 })).toEqual([])
    expect(step(replica, { type: 'minIsrChanged', effectiveMinIsr: 1 })).toEqual([{ type: 'advancedHighWatermark', offset: 10 }])
  })

  test('ignores a change of the set that is older than the one it has', () => {
    const replica = leader({ isr: [1, 2], partitionEpoch: 7 })
    step(replica, { type: 'isrCommitted', isr: [1], partitionEpoch: 6, replicas: [broker(1), broker(2)] })
    expect(replica.isr).toEqual([1, 2])
  })
})

describe('a new leader', () => {
  test('does not know the latest offset before its high watermark covers what it inherited', () => {
    const replica = leader({ ackableOffset: 8 })
    expect(knowsLatest(replica)).toBe(false)
    step(replica, { type: 'ackable', endOffset: 10 })
    expect(knowsLatest(replica)).toBe(true)
  })
})

describe('visible bytes', () => {
  test('count whole batches as the high watermark passes their end', () => {
    const replica = leader()
    step(replica, { type: 'appended', endOffset: 12, sizeBytes: 100 })
    step(replica, { type: 'appended', endOffset: 15, sizeBytes: 70 })
    expect(replica.visibleBytes).toBe(0)
    step(replica, { type: 'ackable', endOffset: 14 })
    expect(replica.visibleBytes).toBe(100)
    step(replica, { type: 'ackable', endOffset: 15 })
    expect(replica.visibleBytes).toBe(170)
    expect(replica.unseen).toEqual([])
  })

  test('count thousands of batches one by one', () => {
    const replica = leader()
    for (let i = 1; i <= 2000; i++) step(replica, { type: 'appended', endOffset: 10 + i, sizeBytes: 1 })
    for (let i = 7; i <= 2000; i += 7) {
      step(replica, { type: 'ackable', endOffset: 10 + i })
      expect(replica.visibleBytes).toBe(i)
    }
    expect(replica.unseen.length - replica.firstUnseen).toBe(2000 % 7)
  })

  test('count inherited records of unknown size as enough for anybody', () => {
    const replica = leader({ ackableOffset: 8 })
    step(replica, { type: 'ackable', endOffset: 10 })
    expect(replica.visibleBytes).toBeGreaterThanOrEqual(0x7fffffff)
  })
})

describe('a log cut short by a full disk', () => {
  test('takes back what was appended and not written, and goes on from there', () => {
    const replica = leader()
    step(replica, { type: 'appended', endOffset: 12, sizeBytes: 100 })
    step(replica, { type: 'appended', endOffset: 15, sizeBytes: 70 })
    step(replica, { type: 'cut', endOffset: 12 })
    step(replica, { type: 'appended', endOffset: 13, sizeBytes: 30 })
    expect(step(replica, { type: 'ackable', endOffset: 13 })).toEqual([{ type: 'advancedHighWatermark', offset: 13 }])
    expect(replica.visibleBytes).toBe(130)
  })

  test('is never cut below the high watermark', () => {
    expect(() => step(leader(), { type: 'cut', endOffset: 9 })).toThrow(/below the high watermark/)
  })
})

test('an append that does not move the end of the log is our own mistake', () => {
  expect(() => step(leader(), { type: 'appended', endOffset: 10, sizeBytes: 1 })).toThrow(/appended up to 10, log end was 10/)
})
