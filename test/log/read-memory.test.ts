// Reads of files into memory that is used again: while bytes are on their way to a client, other reads, cuts and deletions go on.
import { describe, expect, test } from 'vitest'
import type { Disk } from '../../src/env/env.ts'
import { sleep } from '../../src/env/env.ts'
import type { LogSlice } from '../../src/log/walk.ts'
import { BufferPool, type Lease } from '../../src/util/buffer-pool.ts'
import { Lab, recordsOf, values } from './lab.ts'

const BOUNDS = { maxBytes: 4000, endOffset: Number.MAX_SAFE_INTEGER, minOneBatch: true }

const poisoned = () => new BufferPool({ smallestBytes: 0, maxIdleBytes: 1 << 20, poisons: true })

/** Batch i holds "i.0 …" and "i.1 …"; nothing stays in memory. */
async function filled(lab: Lab, count: number): Promise<void> {
  await lab.open()
  for (let i = 0; i < count; i++) lab.append([`${i}.0 ${'x'.repeat(300)}`, `${i}.1 ${'y'.repeat(10)}`])
  await lab.acked()
}

function releaseAll(leases: readonly Lease[]): void {
  for (const lease of leases) lease.release()
}

const first = (slice: LogSlice) => values(recordsOf(slice))[0]!.split(' ')[0]

/** Reads of files begin this much later than they are asked for. */
function slowReads(lab: Lab, ms: () => number): void {
  const open = async (disk: Disk, path: string, mode: 'create' | 'readWrite' | 'read') => {
    const file = await disk.open(path, mode)
    const read = file.read.bind(file)
    file.read = async (position, length, into) => {
      await sleep(lab.env.clock, ms())
      return read(position, length, into)
    }
    return file
  }
  lab.watch = disk => ({
    open: (path, mode) => open(disk, path, mode),
    size: path => disk.size(path),
    list: path => disk.list(path),
    makeDirectory: path => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: path => disk.remove(path),
    syncDirectory: path => disk.syncDirectory(path),
    space: path => disk.space(path),
  })
}

describe('reading into memory that is used again', () => {
  test('readers side by side, who let go at different times, each see their own batches', async () => {
    const lab = new Lab(31, { config: { segmentBytes: 9000 }, hotTailBytes: 0 })
    const memory = poisoned()
    const random = lab.world.stream('readers')
    let leased = 0
    await lab.run(async () => {
      await filled(lab, 100)
      const reader = async () => {
        for (let i = 0; i < 60; i++) {
          const wanted = random.integer(100)
          const slice = await lab.log.read({ ...BOUNDS, offset: 2 * wanted, maxBytes: 1 + random.integer(6000), memory })
          if (slice.leases !== undefined) leased++
          await sleep(lab.env.clock, random.integer(4))
          expect(first(slice)).toBe(`${wanted}.0`)
          releaseAll(slice.leases ?? [])
        }
      }
      await Promise.all(Array.from({ length: 6 }, reader))
      expect(leased).toBeGreaterThan(100)
      expect(memory.idleBytes).toBeGreaterThan(0)
    })
  })

  test('memory comes back also from reads that find nothing', async () => {
    const lab = new Lab(32, { hotTailBytes: 0 })
    const memory = poisoned()
    await lab.run(async () => {
      await filled(lab, 3)
      expect((await lab.log.read({ ...BOUNDS, offset: 0, maxBytes: 10, minOneBatch: false, memory })).sizeBytes).toBe(0)
      const idle = memory.idleBytes
      expect(idle).toBeGreaterThan(0)
      for (let i = 0; i < 10; i++) await lab.log.read({ ...BOUNDS, offset: 0, maxBytes: 10, minOneBatch: false, memory })
      expect(memory.idleBytes).toBe(idle)
    })
  })

  test('a small slice of a large read does not hold the memory of all of it', async () => {
    const lab = new Lab(36, { config: { maxMessageBytes: 10 << 20 }, hotTailBytes: 0 })
    const memory = new BufferPool({ smallestBytes: 0, maxIdleBytes: 64 << 20, poisons: true })
    await lab.run(async () => {
      await lab.open()
      lab.append(['small'])
      lab.append(['v'.repeat(1 << 20)])
      await lab.acked()
      const slice = await lab.log.read({ ...BOUNDS, offset: 0, maxBytes: 1 << 20, memory })
      expect(memory.idleBytes).toBeGreaterThan(1 << 20)
      expect(values(recordsOf(slice))).toEqual(['small'])
      expect(slice.chunks[0]!.buffer.byteLength).toBeLessThan(10_000)
    })
  })

  test('a batch larger than one read is given whole, in memory of its size', async () => {
    const lab = new Lab(33, { config: { maxMessageBytes: 10 << 20 }, hotTailBytes: 0 })
    const memory = new BufferPool({ smallestBytes: 0, maxIdleBytes: 64 << 20, poisons: true })
    await lab.run(async () => {
      await lab.open()
      lab.append(['v'.repeat(2 << 20)])
      await lab.acked()
      for (let i = 0; i < 3; i++) {
        const slice = await lab.log.read({ ...BOUNDS, offset: 0, memory })
        expect(values(recordsOf(slice)).map(value => value.length)).toEqual([2 << 20])
        releaseAll(slice.leases!)
      }
    })
  })
})

describe('a log that is cut under a reader', () => {
  test('is not taken for damaged, and gives no bytes of two times', async () => {
    const lab = new Lab(34, { hotTailBytes: 0 })
    let delayMs = 0
    slowReads(lab, () => delayMs)
    await lab.run(async () => {
      await filled(lab, 40)
      for (let round = 0; round < 10; round++) {
        delayMs = 5
        const reading = Promise.all([4, 20, 30, 60].map(offset => Promise.resolve(lab.log.read({ ...BOUNDS, offset }))))
        await sleep(lab.env.clock, 1)
        delayMs = 0
        const end = 30 + round
        await lab.log.truncateTo(end)
        for (let i = 0; i < 30; i++) lab.append([`again ${round} ${'z'.repeat(200 + round)}`, 'w'])
        await lab.acked()
        for (const slice of await reading) {
          for (const { offset, value } of recordsOf(slice)) {
            if (offset < 30) expect(String(value)).toMatch(/^\d+\.[01] /)
          }
        }
        expect(lab.log.refusal).toBeUndefined()
      }
      expect(lab.failures).toEqual([])
    })
  })

  test('a segment that retention deletes is read to the end by who has begun', async () => {
    const lab = new Lab(35, { config: { segmentBytes: 2000 }, hotTailBytes: 0 })
    let delayMs = 0
    slowReads(lab, () => delayMs)
    await lab.run(async () => {
      await filled(lab, 40)
      delayMs = 20
      const reading = lab.log.read({ ...BOUNDS, offset: 0 })
      await sleep(lab.env.clock, 5)
      await lab.log.setLogStartOffset(40)
      const deleting = lab.log.deleteExpiredSegments(lab.log.logEndOffset, lab.env.clock.wallTime())
      expect(first(await reading)).toBe('0.0')
      expect(await deleting).toBeGreaterThan(0)
      expect(lab.log.refusal).toBeUndefined()
    })
  })
})
