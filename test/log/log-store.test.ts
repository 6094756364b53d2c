import { describe, expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import type { Verdict } from '../../src/log/log-store.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { batchOf, FOLDER, Lab, TOPIC_ID, values } from './lab.ts'

const OTHER_ID = `B${TOPIC_ID.slice(1)}`

async function openMany(lab: Lab, count: number): Promise<{ logs: PartitionLog[]; verdicts: Set<Verdict> }> {
  const opened = await Promise.all(
    Array.from({ length: count }, (_, partition) =>
      lab.store.openPartition({
        topic: 'many',
        topicId: OTHER_ID,
        partition,
        config: lab.config,
        onProgress: () => {},
        isAwaited: () => true,
      }),
    ),
  )
  return { logs: opened.map(({ log }) => log), verdicts: new Set(opened.map(({ verdict }) => verdict)) }
}

async function folders(lab: Lab, path = 'data/logs'): Promise<string[]> {
  return (await lab.env.disk.list(path)).map(({ name }) => name)
}

describe('deleting', () => {
  test('takes the name away at once and the bytes after file.delete.delay.ms', async () => {
    const lab = new Lab(1, { config: { fileDeleteDelayMs: 1000 } })
    await lab.run(async () => {
      await lab.open()
      lab.append(['old'])
      await lab.acked()
      await lab.store.deletePartition(TOPIC_ID, 0)
      expect(await folders(lab)).toEqual(['deleted'])
      expect(await folders(lab, 'data/logs/deleted')).toEqual([`${TOPIC_ID}-0`])
      expect(() => lab.log.read({ offset: 0, maxBytes: 10, endOffset: 1, minOneBatch: true })).toThrow('closed')
      expect(lab.append(['more'])).toMatchObject({ ok: false, errorCode: 56 })
      await sleep(lab.env.clock, 1100)
      expect(await folders(lab, 'data/logs/deleted')).toEqual([])
    })
  })

  test('and making a topic of the same name again, at once, starts an empty log', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const lab = new Lab(seed)
      await lab.run(async () => {
        await lab.open()
        lab.append(['old'])
        if (seed % 2 === 0) await lab.acked()
        const deleted = lab.store.deletePartition(TOPIC_ID, 0)
        await lab.openLog(OTHER_ID)
        await deleted
        expect([lab.verdict, lab.log.logEndOffset]).toEqual(['new', 0])
        lab.append(['new'])
        await lab.acked()
        await lab.crash({ power: false })
        expect(lab.failures).toEqual([])
      })
    }
  })

  test('while the log is read, cut or shortened stops no node', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const lab = new Lab(seed, { config: { segmentBytes: 300, retentionBytes: 0, flushMessages: [1, 1000][seed % 2]! }, hotTailBytes: 0 })
      await lab.run(async () => {
        const random = lab.world.stream('test')
        await lab.open()
        for (let i = 0; i < 20; i++) lab.append([`value ${i}`])
        await sleep(lab.env.clock, random.between(0, 5))
        const end = lab.log.writtenOffset
        const works: Promise<unknown>[] = []
        if (end > 0) works.push(Promise.resolve(lab.log.read({ offset: 0, maxBytes: 1000, endOffset: end, minOneBatch: true })))
        works.push(random.chance(0.5) ? lab.log.deleteExpiredSegments(end, 0) : lab.log.truncateTo(5))
        await sleep(lab.env.clock, random.between(0, 3))
        await Promise.allSettled([...works, lab.store.deletePartition(TOPIC_ID, 0)])
        await lab.openLog(OTHER_ID)
        expect([lab.verdict, lab.log.logEndOffset]).toEqual(['new', 0])
        await lab.close()
        expect(lab.failures).toEqual([])
      })
    }
  })

  test('survives a crash at any time: the old bytes never come back under the new id', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const lab = new Lab(seed, { config: { fileDeleteDelayMs: 5 } })
      await lab.run(async () => {
        const random = lab.world.stream('test')
        await lab.open()
        lab.append(['old'])
        await lab.acked()
        void lab.store.deletePartition(TOPIC_ID, 0).catch(() => {})
        await sleep(lab.env.clock, random.between(0, 10))
        lab.world.crash('a', { power: random.chance(0.5) })
        lab.world.restart('a')
        await lab.openStore({ clean: false })
        await lab.openLog(OTHER_ID)
        expect(['new', 'clean']).toContain(lab.verdict)
        expect(values(await lab.readAll())).toEqual([])
        lab.append(['new'])
        await lab.acked()
        lab.world.crash('a', { power: true })
        lab.world.restart('a')
        await lab.openStore({ clean: false })
        await lab.openLog(OTHER_ID)
        expect(values(await lab.readAll())).toEqual(['new'])
      })
    }
  })

  test('what an earlier life had renamed is removed at the next open', async () => {
    const lab = new Lab(4)
    await lab.run(async () => {
      await lab.open()
      lab.append(['old'])
      await lab.acked()
      await lab.store.deletePartition(TOPIC_ID, 0)
      await lab.close()
      expect(await folders(lab, 'data/logs/deleted')).toHaveLength(1)
      await lab.openStore({ clean: true })
      await sleep(lab.env.clock, 50)
      expect(await folders(lab, 'data/logs/deleted')).toEqual([])
    })
  })
})

describe('unknown folders', () => {
  test('are set aside, known and open ones stay', async () => {
    const lab = new Lab(5)
    await lab.run(async () => {
      await lab.open()
      const { logs } = await openMany(lab, 3)
      for (const log of [lab.log, ...logs]) log.appendAsLeader(batchOf(['a']), { leaderEpoch: 0, origin: 'client' })
      await lab.close()
      await lab.env.disk.makeDirectory('data/logs/nobody-7')
      await lab.openStore({ clean: true })
      await lab.openLog()
      await lab.store.setAsideUnknown((topicId, partition) => topicId === OTHER_ID && partition === 1)
      expect(await folders(lab)).toEqual(['many-1', 'set-aside', 't-0'])
      expect((await lab.setAside()).length).toBe(4)
      expect(values(await lab.readAll())).toEqual(['a'])
    })
  })
})

describe('many logs', () => {
  test('share one hot tail: the oldest bytes of any log go first', async () => {
    const lab = new Lab(6, { hotTailBytes: 84_000 })
    await lab.run(async () => {
      await lab.openStore({ clean: true })
      const { logs } = await openMany(lab, 4)
      for (let round = 0; round < 10; round++) {
        for (const log of logs) log.appendAsLeader(batchOf(['x'.repeat(5000)]), { leaderEpoch: 0, origin: 'client' })
        await lab.until(() => logs.every(log => log.flushedOffset === log.logEndOffset))
      }
      const isHot = (log: PartitionLog, offset: number) =>
        !(log.read({ offset, maxBytes: 1, endOffset: 10, minOneBatch: true }) instanceof Promise)
      for (const log of logs) {
        const hot = Array.from({ length: 10 }, (_, offset) => isHot(log, offset))
        expect(hot.slice(0, 5)).not.toContain(true)
        expect(hot.slice(7)).not.toContain(false)
      }
    })
  })

  test('close in order and open clean without a look into their folders, but for the sizes of their files', async () => {
    const lab = new Lab(7, { config: { segmentBytes: 500 } })
    await lab.run(async () => {
      await lab.openStore({ clean: false })
      const { logs } = await openMany(lab, 20)
      for (let i = 0; i < 20; i++) for (const log of logs) log.appendAsLeader(batchOf([`value ${i}`]), { leaderEpoch: 0, origin: 'client' })
      await lab.close()
      const opened: string[] = []
      const measured: string[] = []
      lab.watch = disk =>
        Object.assign(Object.create(disk), {
          open: (path: string, mode: 'read') => {
            opened.push(path)
            return disk.open(path, mode)
          },
          size: (path: string) => {
            measured.push(path)
            return disk.size(path)
          },
          list: (path: string) => {
            opened.push(path)
            return disk.list(path)
          },
          makeDirectory: disk.makeDirectory.bind(disk),
          syncDirectory: disk.syncDirectory.bind(disk),
        })
      await lab.openStore({ clean: true })
      const again = await openMany(lab, 20)
      expect(again.verdicts).toEqual(new Set(['clean']))
      expect(again.logs.map(log => log.logEndOffset)).toEqual(Array(20).fill(20))
      expect(opened.filter(path => path.includes('many'))).toEqual([])
      expect(measured.filter(path => path.includes('many'))).toHaveLength(80)
    })
  })

  test('are made without touching the disk', async () => {
    const lab = new Lab(8)
    await lab.run(async () => {
      await lab.openStore({ clean: true })
      const { verdicts } = await openMany(lab, 100)
      expect(verdicts).toEqual(new Set(['new']))
      expect(await folders(lab)).toEqual([])
    })
  })

  test('close reports the log that could not be flushed, and closes the others', async () => {
    const lab = new Lab(9)
    await lab.run(async () => {
      await lab.open()
      const { logs } = await openMany(lab, 2)
      for (const log of [lab.log, ...logs]) log.appendAsLeader(batchOf(['a']), { leaderEpoch: 0, origin: 'client' })
      lab.world.host('a').storage.failNext({ operation: 'flush', path: FOLDER, code: 'EIO' })
      await expect(lab.store.close()).rejects.toMatchObject({ code: 'EIO' })
      expect(lab.failures).toHaveLength(1)
      await lab.meta.close()
      await lab.openStore({ clean: false })
      expect((await openMany(lab, 2)).logs.map(log => log.logEndOffset)).toEqual([1, 1])
    })
  })
})
