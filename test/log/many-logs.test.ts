// What a log costs that nobody writes to.
import { expect, test } from 'vitest'
import type { Disk, DiskFile } from '../../src/env/env.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { batchOf, Lab, TOPIC_ID } from './lab.ts'

/** The disk, and what is done with it. */
function watched(disk: Disk): { disk: Disk; open: Set<DiskFile>; calls: string[] } {
  const open = new Set<DiskFile>()
  const calls: string[] = []
  const noting = new Proxy(disk, {
    get(target, name) {
      const method = target[name as keyof Disk] as (...a: unknown[]) => Promise<unknown>
      return async (...a: unknown[]) => {
        calls.push(`${String(name)} ${a[0]}`)
        const result = await method.apply(target, a)
        if (name !== 'open') return result
        const file = result as DiskFile
        const close = file.close.bind(file)
        open.add(file)
        file.close = () => {
          open.delete(file)
          return close()
        }
        return file
      }
    },
  })
  return { disk: noting, open, calls }
}

async function openMany(lab: Lab, count: number): Promise<PartitionLog[]> {
  const logs: PartitionLog[] = []
  for (let partition = 0; partition < count; partition++) {
    const p = { topic: 't', topicId: TOPIC_ID, partition, config: lab.config, onProgress: () => {} }
    logs.push((await lab.store.openPartition(p)).log)
  }
  return logs
}

function append(log: PartitionLog, value: string): void {
  log.appendAsLeader(batchOf([value]), { leaderEpoch: 0, origin: 'client' })
}

const acked = (lab: Lab, logs: readonly PartitionLog[]) => lab.until(() => logs.every(log => log.ackableOffset === log.logEndOffset))

test('logs that were written to and rest keep no more files open than is allowed, and go on', async () => {
  const lab = new Lab(401, { maxIdleFiles: 3 })
  await lab.run(async () => {
    const seen = watched(lab.env.disk)
    lab.watch = () => seen.disk
    await lab.openStore({ clean: false })
    const logs = await openMany(lab, 20)
    for (const round of ['a', 'b', 'c']) {
      for (const log of logs) append(log, round)
      await acked(lab, logs)
      await lab.until(() => seen.open.size <= 3)
    }
    for (const log of logs) expect(log.logEndOffset).toBe(3)
    await lab.close()
    expect([seen.open.size, lab.failures]).toEqual([0, []])
    await lab.openStore({ clean: false })
    for (const log of await openMany(lab, 20)) expect(log.logEndOffset).toBe(3)
  })
})

test('a write to more logs at once than files may be open is done in turns', async () => {
  const lab = new Lab(402, { maxFiles: 50 })
  await lab.run(async () => {
    const seen = watched(lab.env.disk)
    let most = 0
    lab.watch = () =>
      new Proxy(seen.disk, {
        get: (target, name) => {
          most = Math.max(most, seen.open.size)
          return target[name as keyof Disk]
        },
      })
    await lab.openStore({ clean: false })
    const logs = await openMany(lab, 100)
    for (const log of logs) append(log, 'at once')
    await acked(lab, logs)
    expect(most).toBeGreaterThan(10)
    expect(most).toBeLessThan(25)
    await lab.close()
    expect([seen.open.size, lab.failures]).toEqual([0, []])
  })
})

test('logs whose flush is far away keep their files, and make nobody wait for ever', async () => {
  const lab = new Lab(403, { maxFiles: 50, config: { flushMessages: Number.MAX_SAFE_INTEGER } })
  await lab.run(async () => {
    await lab.openStore({ clean: false })
    const logs = await openMany(lab, 12)
    for (const log of logs) append(log, 'unflushed')
    await acked(lab, logs)
    await lab.close()
    expect(lab.failures).toEqual([])
  })
})
