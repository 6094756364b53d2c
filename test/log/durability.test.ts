// What is ackable when, how writes and flushes are grouped, and what a failing disk does (docs/ARCHITECTURE.md, rules 1 and 8).
import { describe, expect, test } from 'vitest'
import { type Disk, type DiskFile, sleep } from '../../src/env/env.ts'
import { batchOf, FOLDER, Lab, values } from './lab.ts'

interface Calls {
  writes: number[]
  flushes: number
  maxWritesUnderWay: number
  maxFlushesUnderWay: number
}

/** Counts what the segment files are asked to do. */
function watch(lab: Lab): Calls {
  const calls: Calls = { writes: [], flushes: 0, maxWritesUnderWay: 0, maxFlushesUnderWay: 0 }
  let writes = 0
  let flushes = 0
  lab.watch = disk => ({ ...bound(disk), open: opener(disk) })
  return calls

  function opener(disk: Disk): Disk['open'] {
    return async (path, mode) => {
      const file = await disk.open(path, mode)
      return path.endsWith('.log') ? counted(file) : file
    }
  }

  function counted(file: DiskFile): DiskFile {
    return {
      get size() {
        return file.size
      },
      write: (chunks, position, done) => {
        calls.writes.push(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
        calls.maxWritesUnderWay = Math.max(calls.maxWritesUnderWay, ++writes)
        file.write(chunks, position, error => {
          writes--
          done(error)
        })
      },
      flush: done => {
        calls.flushes++
        calls.maxFlushesUnderWay = Math.max(calls.maxFlushesUnderWay, ++flushes)
        file.flush(error => {
          flushes--
          done(error)
        })
      },
      read: (position, length) => file.read(position, length),
      truncate: size => file.truncate(size),
      close: () => file.close(),
    }
  }
}

function bound(disk: Disk): Disk {
  return {
    open: (path, mode) => disk.open(path, mode),
    size: path => disk.size(path),
    list: path => disk.list(path),
    makeDirectory: path => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: path => disk.remove(path),
    syncDirectory: path => disk.syncDirectory(path),
    space: path => disk.space(path),
  }
}

describe('writes and flushes', () => {
  test('what one turn appends is one write', async () => {
    const lab = new Lab(1)
    await lab.run(async () => {
      const calls = watch(lab)
      await lab.open()
      for (let i = 0; i < 50; i++) lab.append([`value ${i}`])
      const sizeBytes = lab.log.sizeBytes
      await lab.acked()
      expect(calls).toEqual({ writes: [sizeBytes], flushes: 1, maxWritesUnderWay: 1, maxFlushesUnderWay: 1 })
    })
  })

  test('one write and one flush at a time, and a flush covers all that was written when it began', async () => {
    const lab = new Lab(2)
    await lab.run(async () => {
      const calls = watch(lab)
      await lab.open()
      for (let i = 0; i < 400; i++) {
        lab.append([`value ${i}`])
        await sleep(lab.env.clock, 0.1)
      }
      await lab.acked()
      expect([calls.maxWritesUnderWay, calls.maxFlushesUnderWay]).toEqual([1, 1])
      expect(calls.flushes).toBeLessThan(calls.writes.length)
      expect(values(await lab.readAll())).toHaveLength(400)
    })
  })

  test('no more than 8 MiB are ever written and not flushed, but for a larger batch alone', async () => {
    const lab = new Lab(3, { config: { maxMessageBytes: 20 << 20 } })
    await lab.run(async () => {
      let written = 0
      let flushed = 0
      let most = 0
      watch(lab)
      await lab.open()
      const value = 'x'.repeat(700_000)
      for (let i = 0; i < 40; i++) lab.append([value])
      lab.append(['y'.repeat(9 << 20)])
      for (let i = 0; i < 5; i++) lab.append([value])
      const ends: [offset: number, end: number][] = []
      let at = 0
      for (let offset = 0; offset < 46; offset++) ends.push([offset + 1, (at += offset === 40 ? 9 << 20 : value.length)])
      const bytesAt = (offset: number) => ends.findLast(([end]) => end <= offset)?.[1] ?? 0
      await lab.until(() => {
        written = bytesAt(lab.log.writtenOffset)
        flushed = bytesAt(lab.log.flushedOffset)
        most = Math.max(most, written - flushed)
        return lab.log.flushedOffset === 46
      })
      expect(most).toBeLessThanOrEqual(9 << 20)
      expect(most).toBeGreaterThan(4 << 20)
    })
  })

  test('no timer and no file for a log nobody writes to', async () => {
    const lab = new Lab(4)
    await lab.run(async () => {
      await lab.open()
      await lab.log.beginEpoch(1)
      expect((await lab.env.disk.list('data/logs')).map(({ name }) => name)).toEqual([])
      await lab.reopen()
      expect(lab.verdict).toBe('new')
      expect(lab.log.epochs.latestEpoch).toBe(1)
    })
  })
})

describe('flush.messages above 1', () => {
  test('written records are ackable once the mark that says so is durable', async () => {
    const lab = new Lab(5, { config: { flushMessages: 1000 } })
    await lab.run(async () => {
      const calls = watch(lab)
      await lab.open()
      lab.append(['a'])
      await lab.until(() => lab.log.ackableOffset === 1)
      for (let i = 0; i < 10; i++) {
        lab.append(['b'])
        const { logEndOffset } = lab.log
        await lab.until(() => lab.log.writtenOffset === logEndOffset)
        expect(lab.log.ackableOffset).toBe(logEndOffset)
      }
      expect(calls.flushes).toBeLessThanOrEqual(1)
      await lab.crash({ power: true })
      expect(lab.loose).toBe(true)
    })
  })

  test('flushes after so many records, or so many milliseconds', async () => {
    const lab = new Lab(6, { config: { flushMessages: 10, flushMs: 100 } })
    await lab.run(async () => {
      await lab.open()
      lab.append(['first'])
      await lab.until(() => lab.log.ackableOffset === 1)
      await lab.log.flush()
      lab.append(['a'])
      await lab.until(() => lab.log.ackableOffset === 2)
      await sleep(lab.env.clock, 50)
      expect(lab.log.flushedOffset).toBe(1)
      await sleep(lab.env.clock, 100)
      expect(lab.log.flushedOffset).toBe(2)
      for (let i = 0; i < 10; i++) lab.append(['b'])
      await sleep(lab.env.clock, 50)
      expect(lab.log.flushedOffset).toBe(12)
    })
  })

  test('back at 1 only flushed records count, and the mark goes after a full flush', async () => {
    const lab = new Lab(7, { config: { flushMessages: 1000 } })
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.until(() => lab.log.ackableOffset === 1)
      lab.append(['b'])
      await lab.until(() => lab.log.writtenOffset === 2)
      lab.config = { ...lab.config, flushMessages: 1 }
      lab.log.configure(lab.config)
      expect(lab.log.ackableOffset).toBe(lab.log.flushedOffset)
      await lab.acked()
      await lab.crash({ power: true })
      expect(lab.loose).toBe(false)
      expect(lab.log.logEndOffset).toBe(2)
    })
  })
})

describe('a failing disk', () => {
  test.each(['write', 'flush'] as const)(
    'a failed %s stops the node, is not tried again, and nothing behind it is ackable',
    async operation => {
      const lab = new Lab(8)
      await lab.run(async () => {
        await lab.open()
        lab.append(['a'])
        await lab.acked()
        lab.world.host('a').storage.failNext({ operation, path: '.log', code: 'EIO' })
        lab.append(['b'])
        await lab.until(() => lab.failures.length > 0)
        await sleep(lab.env.clock, 100)
        expect(lab.failures.map(error => (error as { code?: string }).code)).toEqual(['EIO'])
        expect(lab.log.ackableOffset).toBe(1)
        expect(lab.append(['c'])).toMatchObject({ ok: false, errorCode: 56 })
        await expect(lab.log.flush()).rejects.toMatchObject({ code: 'EIO' })
        await lab.close()
        await lab.open()
        expect(values(await lab.readAll()).slice(0, 1)).toEqual(['a'])
        expect(lab.verdict).not.toBe('corrupt')
      })
    },
  )

  test.each(['ENOSPC', 'EDQUOT'] as const)(
    '%s: the log is cut back to the last whole batch and refuses produce; reads go on',
    async code => {
      for (let seed = 0; seed < 20; seed++) {
        const lab = new Lab(seed)
        await lab.run(async () => {
          await lab.open()
          lab.append(['a'], { producerId: 1, producerEpoch: 0, baseSequence: 0 })
          await lab.acked()
          const size = (await lab.bytesOf(`${FOLDER}/00000000000000000000.log`)).length
          lab.world.host('a').storage.failNext({ operation: 'write', path: '.log', code })
          const before = lab.progressCount
          lab.append(['b'], { producerId: 1, producerEpoch: 0, baseSequence: 1 })
          await lab.until(() => lab.log.refusal !== undefined)
          expect(lab.progressCount).toBeGreaterThan(before)
          expect([lab.log.logEndOffset, lab.log.writtenOffset, lab.log.ackableOffset]).toEqual([1, 1, 1])
          expect(lab.append(['c'])).toMatchObject({ ok: false, errorCode: 56 })
          expect(values(await lab.readAll())).toEqual(['a'])
          await sleep(lab.env.clock, 50)
          expect((await lab.bytesOf(`${FOLDER}/00000000000000000000.log`)).length).toBe(size)
          expect(lab.failures).toEqual([])
          await lab.reopen()
          expect([lab.verdict, lab.log.logEndOffset]).toEqual(['clean', 1])
          expect(lab.append(['b'], { producerId: 1, producerEpoch: 0, baseSequence: 1 })).toMatchObject({
            ok: true,
            duplicate: false,
            baseOffset: 1,
          })
          await lab.acked()
        })
      }
    },
  )

  test.each([1, 2, 3, 4, 5, 6])(
    'a file is not closed while it is cut on a full disk, however many others are open (seed %i)',
    async seed => {
      const lab = new Lab(seed, { maxIdleFiles: 0, hotTailBytes: 0 })
      await lab.run(async () => {
        await lab.open()
        const { log: other } = await lab.store.openPartition({
          topic: 'u',
          topicId: 'EAECAwQFBgcICQoLDA0ODw',
          partition: 0,
          config: lab.config,
          onProgress() {},
        })
        other.appendAsLeader(batchOf(['read all the time']), { leaderEpoch: 0, origin: 'client' })
        await other.flush()
        let isOver = false
        const reading = (async () => {
          while (!isOver) await other.read({ offset: 0, maxBytes: 1000, endOffset: 1, minOneBatch: true })
        })()
        for (let round = 0; round < 20; round++) {
          lab.append(['flushed meanwhile'])
          await sleep(lab.env.clock, 0.1 * (round % 5))
          lab.world.host('a').storage.failNext({ operation: 'write', path: '.log', code: 'ENOSPC' })
          lab.append(['given up'])
          await lab.until(() => lab.log.refusal !== undefined)
          await lab.acked()
          lab.log.resume()
          await lab.until(() => lab.log.refusal === undefined)
          lab.world.host('a').storage.heal()
        }
        isOver = true
        await reading
        expect(lab.failures).toEqual([])
      })
    },
  )

  test('a full disk at the first file of a log does not keep it from being made later', async () => {
    const lab = new Lab(17)
    await lab.run(async () => {
      await lab.open()
      lab.world.host('a').storage.failNext({ operation: 'write', path: 'partition.metadata', code: 'ENOSPC' })
      lab.append(['given up'])
      await lab.until(() => lab.log.refusal !== undefined)
      lab.log.resume()
      await lab.until(() => lab.log.refusal === undefined)
      lab.append(['taken'])
      await lab.acked()
      expect(lab.failures).toEqual([])
      await lab.reopen()
      expect(values(await lab.readAll())).toEqual(['taken'])
    })
  })

  test('a full disk at a roll leaves the closed segment', async () => {
    const lab = new Lab(9, { config: { segmentBytes: 300 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 4; i++) lab.append([`value ${i}`])
      await lab.acked()
      lab.world.host('a').storage.failNext({ operation: 'open', path: '.log', code: 'ENOSPC' })
      for (let i = 4; i < 12; i++) lab.append([`value ${i}`])
      await lab.until(() => lab.log.refusal !== undefined)
      expect(lab.failures).toEqual([])
      const { logEndOffset } = lab.log
      expect(values(await lab.readAll())).toEqual(Array.from({ length: logEndOffset }, (_, i) => `value ${i}`))
      await lab.reopen()
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['clean', logEndOffset])
      lab.append(['more'])
      await lab.acked()
      expect((await lab.readAll()).at(-1)!.offset).toBe(logEndOffset)
    })
  })

  test('segments that were given up on a full disk are not listed when they come again', async () => {
    const lab = new Lab(12, { config: { segmentBytes: 300 } })
    await lab.run(async () => {
      await lab.open()
      lab.append(['first'])
      await lab.acked()
      lab.world.host('a').storage.failNext({ operation: 'open', path: '.log', code: 'ENOSPC' })
      for (let i = 0; i < 5; i++) lab.append(['x'.repeat(100), 'x'.repeat(90)])
      await lab.until(() => lab.log.refusal !== undefined)
      await sleep(lab.env.clock, 50)
      lab.log.resume()
      await lab.until(() => lab.log.refusal === undefined)
      for (let i = 0; i < 3; i++) lab.append(['y'.repeat(150)])
      await lab.acked()
      for (let i = 0; i < 8; i++) lab.append(['z'.repeat(150)])
      await lab.acked()
      await lab.crash({ power: true })
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['clean', 12])
      expect((await lab.readAll()).length).toBe(12)
    })
  })

  test('a failed write to meta stops the node', async () => {
    const lab = new Lab(10)
    await lab.run(async () => {
      await lab.open()
      lab.world.host('a').storage.failNext({ operation: 'batch', path: 'meta', code: 'EIO' })
      await lab.log.beginEpoch(3)
      expect(lab.failures).toHaveLength(1)
    })
  })

  test('a read that fails is an answer, and the node goes on', async () => {
    const lab = new Lab(11, { hotTailBytes: 0 })
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.acked()
      lab.world.host('a').storage.failNext({ operation: 'read', path: '.log', code: 'EIO' })
      await expect(lab.readAll()).rejects.toMatchObject({ codeName: 'KAFKA_STORAGE_ERROR' })
      expect(values(await lab.readAll())).toEqual(['a'])
      await lab.damage(`${FOLDER}/00000000000000000000.log`, bytes => bytes.fill(0))
      await expect(lab.readAll()).rejects.toMatchObject({ codeName: 'KAFKA_STORAGE_ERROR' })
      expect(lab.failures).toEqual([])
    })
  })
})
