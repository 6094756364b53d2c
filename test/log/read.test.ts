// Reads and lookups against the plain list of what was appended, with the bytes in the hot tail, in files, and in both.
import { beforeAll, describe, expect, test } from 'vitest'
import * as batch from '../../src/protocol/batch.ts'
import type { RecordInput } from '../../src/protocol/records.ts'
import { FOLDER, Lab, recordOf, recordsOf, values } from './lab.ts'

interface Stored {
  readonly baseOffset: number
  readonly endOffset: number
  readonly sizeBytes: number
}

const EVERYTHING = { endOffset: Number.MAX_SAFE_INTEGER, minOneBatch: true }

/** 200 batches of mixed sizes and codecs over several segments. */
async function filled(lab: Lab): Promise<{ batches: Stored[]; records: (RecordInput & { offset: number })[] }> {
  const random = lab.world.stream('content')
  const batches: Stored[] = []
  const records: (RecordInput & { offset: number })[] = []
  await lab.open()
  for (let i = 0; i < 200; i++) {
    const content = Array.from({ length: 1 + random.integer(6) }, (_, k) =>
      recordOf(`${i}.${k} ${'x'.repeat(random.integer(200))}`, 1_000_000 + random.integer(5000)),
    )
    const result = lab.append(content, { codec: random.pick([0, 0, 1]) })
    if (!result.ok) throw new Error(result.errorMessage)
    batches.push({ baseOffset: result.baseOffset, endOffset: result.lastOffset + 1, sizeBytes: result.sizeBytes })
    content.forEach((record, k) => void records.push({ ...record, offset: result.baseOffset + k }))
    if (random.chance(0.3)) await lab.acked()
  }
  await lab.acked()
  return { batches, records }
}

describe.each([
  ['from files', 0],
  ['from both', 9000],
  ['from memory', 1 << 20],
])('reading %s', (_name, hotTailBytes) => {
  const lab = new Lab(21, { config: { segmentBytes: 9000, indexIntervalBytes: 800 }, hotTailBytes, maxIdleFiles: 2 })
  let batches: Stored[]

  beforeAll(() =>
    lab.run(async () => {
      batches = (await filled(lab)).batches
    }),
  )

  test.each([1, 200, 3000, 1 << 20])('at every offset gives whole batches from the one that holds it, within %i bytes', async maxBytes => {
    await lab.run(async () => {
      for (let offset = 0; offset < lab.log.logEndOffset; offset++) {
        const slice = await lab.log.read({ offset, maxBytes, ...EVERYTHING })
        const first = batches.findIndex(b => b.endOffset > offset)
        const last = batches.findIndex(b => b.endOffset === slice.nextOffset)
        expect(last).toBeGreaterThanOrEqual(first)
        const wanted = batches.slice(first, last + 1)
        expect(slice.sizeBytes).toBe(wanted.reduce((sum, b) => sum + b.sizeBytes, 0))
        expect(slice.chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(slice.sizeBytes)
        expect(recordsOf(slice).map(record => record.offset)).toEqual(
          Array.from({ length: slice.nextOffset - wanted[0]!.baseOffset }, (_, i) => wanted[0]!.baseOffset + i),
        )
        if (wanted.length > 1) expect(slice.sizeBytes).toBeLessThanOrEqual(maxBytes)
      }
    })
  })

  test('without minOneBatch a batch that is too large is not given', async () => {
    await lab.run(async () => {
      for (const { baseOffset, sizeBytes, endOffset } of batches) {
        const bounds = { offset: baseOffset, endOffset, minOneBatch: false }
        expect(await lab.log.read({ ...bounds, maxBytes: sizeBytes - 1 })).toEqual({ chunks: [], sizeBytes: 0, nextOffset: baseOffset })
        expect(await lab.log.read({ ...bounds, maxBytes: sizeBytes })).toMatchObject({ sizeBytes, nextOffset: endOffset })
      }
    })
  })

  test('stops before the batch that reaches the bound', async () => {
    await lab.run(async () => {
      for (let endOffset = 0; endOffset <= lab.log.logEndOffset; endOffset += 3) {
        let offset = 0
        for (;;) {
          const slice = await lab.log.read({ offset, maxBytes: 1 << 20, endOffset, minOneBatch: true })
          if (slice.sizeBytes === 0) break
          offset = slice.nextOffset
        }
        expect(offset).toBe(batches.findLast(b => b.endOffset <= endOffset)?.endOffset ?? 0)
      }
    })
  })

  test('outside the log is OFFSET_OUT_OF_RANGE, at its end nothing', async () => {
    await lab.run(async () => {
      const end = lab.log.logEndOffset
      expect(await lab.log.read({ offset: end, maxBytes: 1000, ...EVERYTHING })).toEqual({ chunks: [], sizeBytes: 0, nextOffset: end })
      expect(() => lab.log.read({ offset: end + 1, maxBytes: 1000, ...EVERYTHING })).toThrow('is not within')
      await lab.log.setLogStartOffset(10)
      expect(() => lab.log.read({ offset: 9, maxBytes: 1000, ...EVERYTHING })).toThrow('is not within')
    })
  })
})

test('the hot tail answers at once, and by reference', async () => {
  const lab = new Lab(22)
  await lab.run(async () => {
    await lab.open()
    lab.append(['x'.repeat(10_000)])
    await lab.acked()
    const one = lab.log.read({ offset: 0, maxBytes: 1 << 20, ...EVERYTHING })
    const two = lab.log.read({ offset: 0, maxBytes: 1 << 20, ...EVERYTHING })
    expect(one).not.toBeInstanceOf(Promise)
    expect((one as { chunks: Buffer[] }).chunks[0]).toBe((two as { chunks: Buffer[] }).chunks[0])
  })
})

test('an old batch larger than one read is given whole', async () => {
  const lab = new Lab(23, { config: { maxMessageBytes: 10 << 20 }, hotTailBytes: 0 })
  await lab.run(async () => {
    await lab.open()
    for (const size of [10, 6 << 20, 100_000, 10]) lab.append(['v'.repeat(size)])
    await lab.acked()
    expect(values(await lab.readAll(1000)).map(value => value.length)).toEqual([10, 6 << 20, 100_000, 10])
  })
})

test('a sequential reader of old bytes reads each byte about once', async () => {
  const lab = new Lab(24, { config: { segmentBytes: 1 << 20 }, hotTailBytes: 0 })
  await lab.run(async () => {
    let bytesRead = 0
    lab.watch = disk =>
      Object.assign(Object.create(disk), {
        open: async (path: string, mode: 'create' | 'readWrite' | 'read') => {
          const file = await disk.open(path, mode)
          const read = file.read.bind(file)
          file.read = async (position, length) => {
            const bytes = await read(position, length)
            bytesRead += bytes.length
            return bytes
          }
          return file
        },
        list: disk.list.bind(disk),
        makeDirectory: disk.makeDirectory.bind(disk),
        syncDirectory: disk.syncDirectory.bind(disk),
      })
    await lab.open()
    for (let i = 0; i < 3000; i++) lab.append(['v'.repeat(1000)])
    await lab.acked()
    bytesRead = 0
    await lab.readAll(100_000)
    expect(bytesRead).toBeLessThan(1.1 * lab.log.sizeBytes)
  })
})

describe('lookups by time', () => {
  const lab = new Lab(25, { config: { segmentBytes: 9000, indexIntervalBytes: 800 }, hotTailBytes: 9000 })
  let batches: Stored[]
  let records: (RecordInput & { offset: number })[]

  beforeAll(() =>
    lab.run(async () => {
      const content = await filled(lab)
      batches = content.batches
      records = content.records
    }),
  )

  const found = (record: (RecordInput & { offset: number }) | undefined) =>
    record === undefined ? undefined : { offset: record.offset, timestamp: record.timestamp, leaderEpoch: 0 }

  test('find the first record at or after the time, inside its batch, also a compressed one', async () => {
    await lab.run(async () => {
      for (let timestamp = 999_990; timestamp < 1_005_010; timestamp += 17) {
        const endOffset = batches[timestamp % batches.length]!.endOffset
        const expected = records.find(record => record.timestamp >= timestamp && record.offset < endOffset)
        expect(await lab.log.offsetForTimestamp(timestamp, endOffset)).toEqual(found(expected))
      }
    })
  })

  test('find the first record with the largest timestamp, below the bound and at or after the log start', async () => {
    await lab.run(async () => {
      for (const start of [0, 7, 100, 301]) {
        await lab.log.setLogStartOffset(start)
        for (const { endOffset } of batches) {
          const visible = records.filter(record => record.offset >= start && record.offset < endOffset)
          const max = Math.max(...visible.map(record => record.timestamp))
          expect(await lab.log.offsetOfMaxTimestamp(endOffset)).toEqual(found(visible.find(record => record.timestamp === max)))
        }
      }
    })
  })

  test('take the append time of a LogAppendTime topic', async () => {
    const other = new Lab(26, { config: { messageTimestampType: 'LogAppendTime' } })
    await other.run(async () => {
      await other.open()
      const first = other.append([recordOf('a', 5), recordOf('b', 6)])
      await other.acked()
      const { logAppendTimeMs } = first as { logAppendTimeMs: number }
      expect(logAppendTimeMs).toBeGreaterThan(1_700_000_000_000)
      expect(await other.log.offsetForTimestamp(6, 2)).toEqual({ offset: 0, timestamp: logAppendTimeMs, leaderEpoch: 0 })
      expect(await other.log.offsetForTimestamp(logAppendTimeMs + 1, 2)).toBeUndefined()
    })
  })

  test('find nothing in an empty log, nor in one without timestamps', async () => {
    const other = new Lab(27)
    await other.run(async () => {
      await other.open()
      expect([await other.log.offsetForTimestamp(0, 10), await other.log.offsetOfMaxTimestamp(10)]).toEqual([undefined, undefined])
      other.append([recordOf('a', -1)])
      await other.acked()
      expect([await other.log.offsetForTimestamp(0, 10), await other.log.offsetOfMaxTimestamp(10)]).toEqual([undefined, undefined])
    })
  })
})

describe('a follower', () => {
  test('appends what the leader sent byte for byte, with its epochs and producers', async () => {
    const leader = new Lab(28, { config: { segmentBytes: 9000 } })
    const follower = new Lab(29, { config: { segmentBytes: 4000, maxMessageBytes: 10 } })
    const chunks: Buffer[] = []
    await leader.run(async () => {
      await leader.open()
      for (let i = 0; i < 60; i++)
        leader.append([`value ${i}`, 'x'.repeat(i * 5)], { leaderEpoch: i >> 4, producerId: 1, producerEpoch: 0, baseSequence: 2 * i })
      await leader.acked()
      for (let offset = 0; offset < 120; ) {
        const slice = await leader.log.read({ offset, maxBytes: 3000, ...EVERYTHING })
        chunks.push(Buffer.concat(slice.chunks))
        offset = slice.nextOffset
      }
    })
    await follower.run(async () => {
      await follower.open()
      for (const chunk of chunks) follower.log.appendAsFollower(chunk)
      await follower.acked()
      expect(follower.log.logEndOffset).toBe(120)
      expect(follower.log.epochs.entries).toEqual(leader.log.epochs.entries)
      const files = await Promise.all((await follower.segmentFiles()).map(name => follower.bytesOf(`${FOLDER}/${name}`)))
      expect(files.length).toBeGreaterThan(1)
      expect(Buffer.concat(files).equals(Buffer.concat(chunks))).toBe(true)
      const repeated = follower.append(['value 59', 'x'.repeat(295)], {
        leaderEpoch: 9,
        producerId: 1,
        producerEpoch: 0,
        baseSequence: 118,
      })
      expect(repeated).toMatchObject({ ok: false, errorCode: 10 })
    })
  })

  test('refuses damaged, cut and repeated batches', async () => {
    const lab = new Lab(30)
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      lab.append(['b'])
      await lab.acked()
      const { chunks } = await lab.log.read({ offset: 0, maxBytes: 1000, ...EVERYTHING })
      const bytes = Buffer.concat(chunks)
      expect(() => lab.log.appendAsFollower(bytes)).toThrow('the log ends at 2')
      const next = Buffer.from(bytes.subarray(bytes.length / 2))
      batch.setBaseOffset(next, 0, 2)
      expect(() => lab.log.appendAsFollower(next.subarray(0, next.length - 1))).toThrow('damaged')
      expect(() => lab.log.appendAsFollower(next.subarray(0, 20))).toThrow('20 bytes')
      const flipped = Buffer.from(next)
      flipped[flipped.length - 1]! ^= 1
      expect(() => lab.log.appendAsFollower(flipped)).toThrow('damaged')
      lab.log.appendAsFollower(next)
      await lab.acked()
      expect(values(await lab.readAll())).toEqual(['a', 'b', 'b'])
    })
  })

  test('keeps the gaps of a compacted log, also over a crash', async () => {
    const lab = new Lab(31, { config: { cleanupPolicy: ['compact'], segmentBytes: 400 }, hotTailBytes: 0 })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 20; i++) lab.append([{ key: Buffer.from('k'), value: Buffer.from(`value ${i}`), timestamp: 1000 }])
      await lab.acked()
      const records = Buffer.concat((await lab.log.read({ offset: 19, maxBytes: 1000, ...EVERYTHING })).chunks)
      for (const offset of [25, 40, 41, 60]) {
        const next = Buffer.from(records)
        batch.setBaseOffset(next, 0, offset)
        lab.log.appendAsFollower(next)
      }
      await lab.acked()
      const offsets = [...Array.from({ length: 20 }, (_, i) => i), 25, 40, 41, 60]
      expect((await lab.readAll(100)).map(record => record.offset)).toEqual(offsets)
      await lab.crash({ power: true })
      expect(lab.verdict).toBe('clean')
      expect((await lab.readAll(100)).map(record => record.offset)).toEqual(offsets)
      for (const [offset, first] of [
        [20, 25],
        [26, 40],
        [42, 60],
        [59, 60],
      ] as const) {
        expect(recordsOf(await lab.log.read({ offset, maxBytes: 1, ...EVERYTHING }))[0]!.offset).toBe(first)
      }
      lab.world.crash('a', { power: false })
      lab.world.restart('a')
      await lab.env.disk.remove('data/index')
      await lab.open()
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['clean', 61])
      expect((await lab.readAll(100)).map(record => record.offset)).toEqual(offsets)
    })
  })
})
