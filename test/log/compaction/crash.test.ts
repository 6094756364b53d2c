// A cleaning that is cut short at each of its steps: before and after every operation on names and every flush, by a kill and by a power cut. What is left is
// a sound log with the newest record of each key, and nothing else in the folder.
import { describe, expect, test } from 'vitest'
import { type Disk, sleep } from '../../../src/env/env.ts'
import { Lab } from '../lab.ts'

const LIMITS = { mapBytes: 1 << 20, mapLoadFactor: 0.9, maxBytesPerSecond: Number.MAX_SAFE_INTEGER, leaveFreeBytes: 0 }
const KEYS = 7
const RECORDS = 120

function labOf(seed: number): Lab {
  return new Lab(seed, { hotTailBytes: 0, config: { cleanupPolicy: ['compact'], segmentBytes: 600, indexIntervalBytes: 200 } })
}

function fill(lab: Lab): void {
  for (let i = 0; i < RECORDS; i++) {
    const record = { key: Buffer.from(`key ${i % KEYS}`), value: Buffer.from(`value ${i}`), timestamp: 1000 + i }
    lab.append([record], i % 2 === 0 ? { producerId: 5, producerEpoch: 0, baseSequence: i / 2 } : {})
  }
}

async function check(lab: Lab): Promise<void> {
  expect(lab.verdict).toMatch(/clean|new/)
  expect(lab.log.logEndOffset).toBe(RECORDS)
  const records = await lab.readAll(300)
  const offsets = records.map(({ offset }) => offset)
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  const newest = new Map(records.map(({ key, value }) => [key!.toString(), value!.toString()]))
  for (let i = RECORDS - KEYS; i < RECORDS; i++) expect(newest.get(`key ${i % KEYS}`)).toBe(`value ${i}`)
  expect(lab.log.producers.producers.get(5)?.batches.at(-1)?.lastSequence).toBe(RECORDS / 2 - 1)
  expect((await lab.files()).filter(name => !/^(\d{20}\.log|partition\.metadata)$/.test(name))).toEqual([])
}

/** Counts the steps, and calls back before the one that was asked for. */
function stepped(disk: Disk, before: (step: number) => void): Disk {
  let step = 0
  const wrapped = { ...disk } as Record<string, unknown>
  for (const name of ['rename', 'remove', 'syncDirectory', 'open', 'list', 'makeDirectory', 'space'] as const) {
    const call = disk[name].bind(disk) as (...args: unknown[]) => Promise<unknown>
    wrapped[name] = (...args: unknown[]) => {
      if (name !== 'list' && name !== 'space') before(step++)
      return call(...args)
    }
  }
  return wrapped as unknown as Disk
}

describe.each([
  ['a kill', false],
  ['a power cut', true],
])('after %s', (_, power) => {
  test.each([1, 3])('at any step of a cleaning the log is sound (seed %i)', async seed => {
    for (let at = 0, wasReached = true; wasReached; at++) {
      wasReached = false
      const lab = labOf(100 * seed + at)
      await lab.run(async () => {
        let armed = false
        let first: number | undefined
        let crashed: (() => void) | undefined
        lab.watch = disk =>
          stepped(disk, step => {
            if (!armed) return
            first ??= step
            if (step - first !== at) return
            armed = false
            crashed?.()
          })
        await lab.open()
        fill(lab)
        await lab.acked()
        const crash = new Promise<void>(resolve => (crashed = resolve))
        armed = true
        const cleaning = lab.log.compaction.clean({ ...LIMITS, highWatermark: RECORDS })
        cleaning.catch(() => {})
        wasReached = await Promise.race([crash.then(() => true), cleaning.then(() => false)])
        armed = false
        // Right then, or when that step has perhaps been taken and the next one not.
        if (seed > 2) await sleep(lab.env.clock, lab.world.stream('pause').fraction())
        lab.watch = disk => disk
        await lab.crash({ power })
        await check(lab)
        await lab.log.compaction.clean({ ...LIMITS, highWatermark: RECORDS })
        await check(lab)
        await lab.reopen({ clean: true })
        await check(lab)
      })
      expect(at).toBeLessThan(500)
      if (!wasReached) expect(at).toBeGreaterThan(10)
    }
  })
})

test('what a full disk cuts short leaves the log as it was', async () => {
  const lab = labOf(9)
  await lab.run(async () => {
    await lab.open()
    fill(lab)
    await lab.acked()
    const { storage } = lab.world.host('a')
    for (const fault of [
      { operation: 'write', path: '.cleaned' },
      { operation: 'open', path: '.cleaned' },
      { operation: 'batch', path: 'index' },
    ] as const) {
      storage.failNext({ ...fault, code: 'ENOSPC' })
      expect((await lab.log.compaction.clean({ ...LIMITS, highWatermark: RECORDS })).outcome, fault.path).not.toBe('done')
      storage.heal()
      expect(lab.failures).toEqual([])
      await check(lab)
    }
    await lab.reopen({ clean: true })
    await check(lab)
    const nothing = { ...LIMITS, leaveFreeBytes: Number.MAX_SAFE_INTEGER, highWatermark: RECORDS }
    expect((await lab.log.compaction.clean(nothing)).outcome).toBe('no room')
    expect((await lab.log.compaction.clean({ ...LIMITS, highWatermark: RECORDS })).outcome).toBe('done')
    await check(lab)
  })
})

test('damage that a cleaning meets is not compacted away', async () => {
  const lab = labOf(10)
  await lab.run(async () => {
    await lab.open()
    fill(lab)
    await lab.acked()
    const [first] = await lab.segmentFiles()
    await lab.damage(`data/logs/t-0/${first}`, bytes => {
      bytes[100]! ^= 1
      return bytes
    })
    await expect(lab.log.compaction.clean({ ...LIMITS, highWatermark: RECORDS })).rejects.toThrow('wrong checksum')
    expect(lab.log.refusal?.message).toMatch('wrong checksum')
    expect(await lab.segmentFiles()).toContain(first)
  })
})
