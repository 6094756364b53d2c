import { describe, expect, test } from 'vitest'
import { type FetchSource, FetchWaits, OffsetWaits, ParkedFetch, PendingProduce } from '../../src/broker/purgatory.ts'
import type { Clock } from '../../src/env/env.ts'

/** A clock whose timers run when told to. */
function handClock() {
  const timers = new Set<{ at: number; callback: () => void }>()
  let now = 0
  const clock: Clock = {
    wallTime: () => now,
    now: () => now,
    setTimer(delayMs, callback) {
      const timer = { at: now + delayMs, callback }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    turn: callback => callback(),
  }
  const advance = (ms: number): void => {
    now += ms
    for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.callback()
  }
  return { clock, advance, timers }
}

class Source implements FetchSource {
  visibleBytes = 0
  readonly fetchWaits = new FetchWaits()
  grow(bytes: number): void {
    this.visibleBytes += bytes
    this.fetchWaits.progressed()
  }
}

function parked(o: { sources: Source[]; minBytes: number; readBytes?: number; maxBytes?: number; maxWaitMs?: number }) {
  const time = handClock()
  const answers: number[] = []
  const fetch = new ParkedFetch({
    watches: o.sources.map(source => ({
      source,
      visibleBytesAtRead: source.visibleBytes,
      readBytes: o.readBytes ?? 0,
      maxBytes: o.maxBytes ?? 1000,
    })),
    minBytes: o.minBytes,
    answer: () => answers.push(time.clock.now()),
  })
  fetch.park(time.clock, o.maxWaitMs ?? 500)
  return { ...time, fetch, answers }
}

describe('a parked fetch', () => {
  test('is answered when the bytes of all its partitions reach minBytes', () => {
    const [a, b] = [new Source(), new Source()]
    const { answers } = parked({ sources: [a, b], minBytes: 100 })
    a.grow(60)
    expect(answers).toEqual([])
    b.grow(40)
    expect(answers).toHaveLength(1)
  })

  test('counts no partition for more than the client would take of it', () => {
    const [a, b] = [new Source(), new Source()]
    const { answers } = parked({ sources: [a, b], minBytes: 100, maxBytes: 60 })
    a.grow(5000)
    expect(answers).toEqual([])
    b.grow(40)
    expect(answers).toHaveLength(1)
  })

  test('counts what its first read gave', () => {
    const a = new Source()
    const { answers } = parked({ sources: [a], minBytes: 100, readBytes: 90 })
    a.grow(10)
    expect(answers).toHaveLength(1)
  })

  test('is never parked when the bytes came while it was reading', () => {
    const a = new Source()
    const time = handClock()
    let answered = 0
    const fetch = new ParkedFetch({
      watches: [{ source: a, visibleBytesAtRead: 0, readBytes: 0, maxBytes: 1000 }],
      minBytes: 1,
      answer: () => answered++,
    })
    a.visibleBytes = 10
    fetch.park(time.clock, 500)
    expect(answered).toBe(1)
    expect(a.fetchWaits.size).toBe(0)
    expect(time.timers.size).toBe(0)
  })

  test('is answered at its deadline, not before', () => {
    const a = new Source()
    const { advance, answers } = parked({ sources: [a], minBytes: 1, maxWaitMs: 500 })
    advance(499)
    expect(answers).toEqual([])
    advance(1)
    expect(answers).toEqual([500])
  })

  test('is answered once, and leaves neither a timer nor a watch behind', () => {
    const [a, b] = [new Source(), new Source()]
    const { advance, answers, timers } = parked({ sources: [a, b], minBytes: 1 })
    a.grow(10)
    b.grow(10)
    b.fetchWaits.disturbed()
    advance(1000)
    expect(answers).toHaveLength(1)
    expect([a.fetchWaits.size, b.fetchWaits.size, timers.size]).toEqual([0, 0, 0])
  })

  test('is answered when one of its partitions is disturbed', () => {
    const [a, b] = [new Source(), new Source()]
    const { answers } = parked({ sources: [a, b], minBytes: 1 })
    b.fetchWaits.disturbed()
    expect(answers).toHaveLength(1)
  })
})

describe('waits for an offset', () => {
  function pending(slots: number) {
    const settled: [slot: number, errorCode: number][] = []
    let done = 0
    const produce = new PendingProduce(
      (slot, errorCode) => settled.push([slot, errorCode]),
      () => done++,
    )
    for (let slot = 0; slot < slots; slot++) produce.add(slot)
    return { produce, settled, done: () => done }
  }

  test('end when the offset is reached, oldest first', () => {
    const waits = new OffsetWaits()
    const [first, second] = [pending(1), pending(1)]
    waits.add(5, first.produce, 0)
    waits.add(9, second.produce, 0)
    waits.reached(8)
    expect([first.done(), second.done()]).toEqual([1, 0])
    waits.reached(9)
    expect(second.settled).toEqual([[0, 0]])
  })

  test('of a repeated batch end with those of the first, not behind what came since', () => {
    const waits = new OffsetWaits()
    const [first, later, repeated] = [pending(1), pending(1), pending(1)]
    waits.add(5, first.produce, 0)
    waits.add(9, later.produce, 0)
    waits.add(5, repeated.produce, 0)
    waits.reached(5)
    expect([first.done(), later.done(), repeated.done()]).toEqual([1, 0, 1])
    waits.reached(9)
    expect(later.done()).toBe(1)
  })

  test('end a request when its last partition is reached', () => {
    const [a, b] = [new OffsetWaits(), new OffsetWaits()]
    const { produce, done } = pending(2)
    a.add(5, produce, 0)
    b.add(5, produce, 1)
    a.reached(5)
    expect(done()).toBe(0)
    b.reached(5)
    expect(done()).toBe(1)
  })

  test('end with the error when the partition is no longer led here', () => {
    const waits = new OffsetWaits()
    const { produce, settled } = pending(1)
    waits.add(5, produce, 0)
    waits.failAll(6)
    waits.reached(5)
    expect(settled).toEqual([[0, 6]])
    expect(waits.size).toBe(0)
  })

  test('are forgotten when the request is abandoned', () => {
    const waits = new OffsetWaits()
    const { produce, settled, done } = pending(1)
    waits.add(5, produce, 0)
    produce.abandon()
    waits.reached(5)
    expect(settled).toEqual([])
    expect(done()).toBe(1)
  })

  test('settle a partition once, whichever of two waits comes first', () => {
    const [own, all] = [new OffsetWaits(), new OffsetWaits()]
    const { produce, settled } = pending(1)
    own.add(5, produce, 0)
    all.add(5, produce, 0)
    all.reached(5)
    own.reached(5)
    expect(settled).toEqual([[0, 0]])
  })

  test('thousands of them pass through one queue', () => {
    const waits = new OffsetWaits()
    let done = 0
    for (let offset = 1; offset <= 5000; offset++) {
      const produce = new PendingProduce(
        () => undefined,
        () => done++,
      )
      produce.add(0)
      waits.add(offset, produce, 0)
      if (offset % 3 === 0) waits.reached(offset - 2)
    }
    waits.reached(5000)
    expect(done).toBe(5000)
    expect(waits.size).toBe(0)
  })
})
