import { expect, test } from 'vitest'
import { HotTail, HotTailBudget } from '../../src/log/hot-tail.ts'
import type { LogEvents } from '../../src/log/log-events.ts'
import { setBaseOffset } from '../../src/protocol/batch.ts'
import { encodeBatch } from '../../src/protocol/records.ts'
import { BufferPool, type Lease } from '../../src/util/buffer-pool.ts'

const CLOCK = { now: () => 60_000, wallTime: () => 0, setTimer: () => ({ cancel() {} }), turn() {} }
const pool = new BufferPool({ smallestBytes: 0, maxIdleBytes: 1 << 20, poisons: true })

function tailOf(budget: HotTailBudget, isAwaited: LogEvents['isAwaited']) {
  const tail = new HotTail(budget, { clock: CLOCK, isAwaited })
  let next = 0
  return {
    tail,
    /** One batch of one record. */
    write(isKept = true): Lease {
      const batch = encodeBatch({ codec: 0, records: [{ key: null, value: Buffer.alloc(8192), timestamp: 0 }] })
      const lease = pool.take(batch.length)!
      const chunk = lease.bytes.subarray(0, batch.length)
      batch.copy(chunk)
      setBaseOffset(chunk, 0, next)
      lease.retain()
      tail.wrote({ chunks: [chunk], leases: [lease], isKept, baseOffset: next, endOffset: ++next })
      return lease
    },
    read: (offset: number, withEmpty: boolean) => {
      const slice = tail.read({ offset, maxBytes: 1 << 20, endOffset: next, minOneBatch: true, withEmpty })
      for (const lease of slice.leases ?? []) lease.release()
      return tail.noteRead(slice, next)
    },
  }
}

/** Nobody but who took it holds it. */
function isOurs(lease: Lease): boolean {
  const before = pool.idleBytes
  lease.release()
  return pool.idleBytes > before
}

test('what all followers have goes with the next write, its memory too; what one of them lacks stays', () => {
  let from = -1
  const { tail, write, read } = tailOf(new HotTailBudget(1 << 20), () => ({ from }))
  const [first, second] = [write(), write()]
  expect(tail.holds(0)).toBe(true)
  expect(read(0, true).chunks.length).toBe(2)
  from = 1
  write()
  expect([tail.holds(0), tail.holds(1), tail.holds(2)]).toEqual([false, true, true])
  expect(isOurs(first)).toBe(true)
  expect(isOurs(second)).toBe(false)
  from = 3
  write()
  expect([tail.holds(1), tail.holds(2), tail.holds(3)]).toEqual([false, false, true])
})

test('where a consumer has read the end lately, or waits for it, followers alone decide nothing', () => {
  let awaited: boolean | { from: number } = { from: 0 }
  const { tail, write, read } = tailOf(new HotTailBudget(1 << 20), () => awaited)
  write()
  read(0, false)
  awaited = { from: 1 }
  write()
  expect(tail.holds(0)).toBe(true)

  const other = tailOf(new HotTailBudget(1 << 20), () => true)
  other.write()
  other.write()
  expect(other.tail.holds(0)).toBe(true)
})

test('what a tail dropped by itself costs neither its next chunks their place nor the budget memory', () => {
  let from = 0
  const budget = new HotTailBudget(100_000)
  const quick = tailOf(budget, () => ({ from }))
  const slow = tailOf(budget, () => true)
  slow.write()
  for (let i = 0; i < 5000; i++) {
    from = i
    quick.write()
  }
  expect(slow.tail.holds(0)).toBe(true)
  expect(quick.tail.holds(4999)).toBe(true)
  // The budget has room for eight of 12 KiB: now the oldest goes, and no other.
  for (let i = 0; i < 7; i++) slow.write()
  expect([slow.tail.holds(0), quick.tail.holds(4999), slow.tail.holds(7)]).toEqual([false, true, true])
  expect(budget.bytes).toBeLessThanOrEqual(100_000)
})
