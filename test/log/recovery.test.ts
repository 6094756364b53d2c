// Verdicts (docs/ARCHITECTURE.md, rule 3): what a damaged file is taken for, what is cut, what is kept.
import { describe, expect, test } from 'vitest'
import type { EnvError, KvStore } from '../../src/env/env.ts'
import { EnvError as DoorError } from '../../src/env/env.ts'
import { Catalog } from '../../src/log/catalog.ts'
import { DurableState, loadDurableStates, logId } from '../../src/log/durable-state.ts'
import { LogStore } from '../../src/log/log-store.ts'
import { DIRECTORY, FOLDER, Lab, recordOf, TOPIC_ID, values } from './lab.ts'

const FIRST = `${FOLDER}/00000000000000000000.log`

/** Twenty batches of half a MiB: more than may be unflushed. */
async function appendLarge(lab: Lab): Promise<void> {
  for (let i = 0; i < 20; i++) {
    lab.append([recordOf(Buffer.alloc(512 * 1024, i))])
    await lab.acked()
  }
}

async function loseIndex(lab: Lab): Promise<void> {
  lab.world.crash('a', { power: false })
  lab.world.restart('a')
  await lab.env.disk.remove(`${DIRECTORY}/index`)
}

/** As if a power cut had come before `meta` had them. */
async function forgetEpochs(lab: Lab): Promise<void> {
  const meta = await lab.env.kv.open(`${DIRECTORY}/meta`)
  const id = logId(TOPIC_ID, 0)
  const [state] = (await loadDurableStates(meta, id)).values()
  await new DurableState(meta, id).changeEpochs(
    [],
    state!.epochs.map(({ epoch }) => epoch),
  )
  await meta.close()
}

describe('a torn tail', () => {
  const tails: readonly [name: string, kept: number, change: (bytes: Buffer, lastStart: number) => Buffer][] = [
    ['nothing', 3, bytes => bytes],
    ['20,000 zeros', 3, bytes => Buffer.concat([bytes, Buffer.alloc(20_000)])],
    ['one zero', 3, bytes => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['60 zeros', 3, bytes => Buffer.concat([bytes, Buffer.alloc(60)])],
    ['garbage', 3, bytes => Buffer.concat([bytes, Buffer.alloc(5000, 0xa7)])],
    ['half a header', 3, bytes => Buffer.concat([bytes, bytes.subarray(0, 30)])],
    ['a header alone', 3, bytes => Buffer.concat([bytes, bytes.subarray(0, 61)])],
    ['a repeated batch', 3, (bytes, last) => Buffer.concat([bytes, bytes.subarray(last)])],
    ['a batch that misses its last byte', 2, bytes => bytes.subarray(0, bytes.length - 1)],
    ['a batch that misses half', 2, (bytes, last) => bytes.subarray(0, last + 40)],
    ['one flipped bit in the last byte', 2, bytes => flip(bytes, bytes.length - 1)],
    ['one flipped bit in the length', 2, (bytes, last) => flip(bytes, last + 11)],
    ['one flipped bit in the base offset', 2, (bytes, last) => flip(bytes, last + 7)],
    ['one flipped bit in the magic', 2, (bytes, last) => flip(bytes, last + 16)],
    ['zeros where the last batch was', 2, (bytes, last) => Buffer.concat([bytes.subarray(0, last), Buffer.alloc(bytes.length - last)])],
    ['zeros where the second batch was, and the third behind them', 1, (bytes, last) => bytes.fill(0, last / 2, last)],
    ['zeros alone', 0, bytes => bytes.fill(0)],
  ]

  test.each(tails)('%s is cut at the exact byte, leaving %i batches', async (name, kept, change) => {
    const lab = new Lab(1)
    await lab.run(async () => {
      await lab.open()
      for (const value of ['aaa', 'bbb', 'ccc']) {
        lab.append([value])
        await lab.acked()
      }
      const whole = await lab.bytesOf(FIRST)
      const batchBytes = whole.length / 3
      await loseIndex(lab)
      await lab.damage(FIRST, bytes => change(bytes, 2 * batchBytes))
      await lab.open()
      expect(lab.verdict).toBe(name === 'nothing' ? 'clean' : 'torn')
      expect(lab.log.logEndOffset).toBe(kept)
      expect(values(await lab.readAll())).toEqual(['aaa', 'bbb', 'ccc'].slice(0, kept))
      if (kept > 0) expect(await lab.bytesOf(FIRST)).toEqual(whole.subarray(0, kept * batchBytes))
      expect(await lab.setAside()).toEqual([])
      expect(lab.append(['ddd'])).toMatchObject({ ok: true, baseOffset: kept })
      await lab.acked()
      await lab.crash({ power: true })
      expect(values(await lab.readAll())).toEqual([...['aaa', 'bbb', 'ccc'].slice(0, kept), 'ddd'])
    })
  })

  test('takes the segments behind it along', async () => {
    const lab = new Lab(2, { config: { segmentBytes: 400 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 20; i++) lab.append([`value ${i}`])
      await lab.acked()
      const names = await lab.segmentFiles()
      expect(names.length).toBeGreaterThan(3)
      await loseIndex(lab)
      await lab.damage(`${FOLDER}/${names[1]}`, bytes => flip(bytes, 100))
      await lab.open()
      expect(lab.verdict).toBe('torn')
      expect(await lab.segmentFiles()).toEqual(names.slice(0, lab.log.segments.length))
      expect(values(await lab.readAll())).toEqual(Array.from({ length: lab.log.logEndOffset }, (_, i) => `value ${i}`))
    })
  })

  test('may be longer than the unflushed window when unflushed records were promised', async () => {
    const lab = new Lab(3, { config: { flushMessages: 1000 } })
    await lab.run(async () => {
      await lab.open()
      await appendLarge(lab)
      await loseIndex(lab)
      await lab.damage(FIRST, bytes => flip(bytes, 600 * 1024))
      await lab.open()
      expect([lab.verdict, lab.loose, lab.log.logEndOffset]).toEqual(['torn', true, 1])
    })
  })
})

describe('corruption', () => {
  test('further from the end than anything unflushed is set aside, never silently cut, and stays so until accepted', async () => {
    const lab = new Lab(4)
    await lab.run(async () => {
      await lab.open()
      await appendLarge(lab)
      await loseIndex(lab)
      const position = (await lab.bytesOf(FIRST)).length / 20
      let damaged = Buffer.alloc(0)
      await lab.damage(FIRST, bytes => (damaged = flip(bytes, position + 1000) as Buffer<ArrayBuffer>))
      await lab.open()
      expect([lab.verdict, lab.loose, lab.log.logEndOffset]).toEqual(['corrupt', false, 1])
      const [kept] = await lab.setAside()
      expect(kept).toBe(`data/logs/set-aside/1/t-0/00000000000000000000.log.from-${position}`)
      expect((await lab.bytesOf(kept!)).equals(damaged.subarray(position))).toBe(true)

      await lab.crash({ power: true })
      expect(lab.verdict).toBe('corrupt')
      await lab.reopen()
      expect(lab.verdict).toBe('corrupt')
      await lab.log.acceptDamage()
      await lab.reopen()
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['clean', 1])
    })
  })

  test('before the checkpoint is corruption, however near the end', async () => {
    const lab = new Lab(5)
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.acked()
      lab.append(['b'])
      await lab.acked()
      await lab.reopen()
      const size = (await lab.bytesOf(FIRST)).length
      lab.world.crash('a', { power: false })
      lab.world.restart('a')
      await lab.damage(FIRST, bytes => bytes.subarray(0, size - 1))
      await lab.open()
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['corrupt', 1])
      expect((await lab.bytesOf((await lab.setAside())[0]!)).length).toBe(size / 2 - 1)
    })
  })

  test.each(['shorter', 'longer'])('a file that is %s than at its orderly close is corrupt', async change => {
    const lab = new Lab(6)
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      lab.append(['b'])
      await lab.acked()
      await lab.close()
      await lab.damage(FIRST, bytes =>
        change === 'shorter' ? bytes.subarray(0, bytes.length - 1) : Buffer.concat([bytes, Buffer.alloc(9)]),
      )
      await lab.open({ clean: true })
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['corrupt', change === 'shorter' ? 1 : 2])
    })
  })

  /** Batches 0…5 of the epochs 1 1 1 4 4 4. */
  const epochFlips: readonly [what: string, index: number, bit: number, known: boolean, kept: number][] = [
    ['later than the partition ever had', 5, 30, true, 5],
    ['of no epoch', 1, 31, true, 1],
    ['earlier than the one before it', 4, 2, true, 4],
    ['later than the one behind it', 1, 2, false, 1],
    ['later than the one behind it, of the same new epoch', 4, 0, false, 4],
  ]

  test.each(epochFlips)('a batch whose leader epoch is %s is damaged', async (_, index, bit, known, kept) => {
    const lab = new Lab(10)
    lab.leaderEpoch = 6
    await lab.run(async () => {
      await lab.open()
      for (const leaderEpoch of [1, 1, 1, 4, 4, 4]) lab.append(['a record'], { leaderEpoch })
      await lab.acked()
      await loseIndex(lab)
      await lab.damage(FIRST, bytes => {
        const at = (bytes.length / 6) * index + 12
        bytes.writeInt32BE(bytes.readInt32BE(at) ^ (1 << bit), at)
        return bytes
      })
      if (!known) await forgetEpochs(lab)
      await lab.open()
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['torn', kept])
      await lab.log.beginEpoch(7)
    })
  })

  test.each([true, false])('a log whose folder is gone is corrupt, not new (clean: %s)', async clean => {
    const lab = new Lab(7)
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.acked()
      await lab.close()
      await lab.env.disk.remove(FOLDER)
      await lab.open({ clean })
      expect([lab.verdict, lab.log.logStartOffset, lab.log.logEndOffset]).toEqual(['corrupt', 0, 0])
    })
  })

  test('a missing first segment is corruption', async () => {
    const lab = new Lab(8, { config: { segmentBytes: 400 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 20; i++) lab.append([`value ${i}`])
      await lab.acked()
      const [first, second] = await lab.segmentFiles()
      await loseIndex(lab)
      await lab.env.disk.remove(`${FOLDER}/${first}`)
      await lab.open()
      expect([lab.verdict, lab.log.logStartOffset, lab.log.logEndOffset]).toEqual(['corrupt', Number(second!.slice(0, 20)), 20])
    })
  })

  test('a missing segment in the middle is corruption, and what is behind it is set aside', async () => {
    const lab = new Lab(9, { config: { segmentBytes: 400 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 20; i++) lab.append([`value ${i}`])
      await lab.acked()
      const names = await lab.segmentFiles()
      await lab.close()
      await lab.env.disk.remove(`${FOLDER}/${names[1]}`)
      await lab.open({ clean: false })
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['corrupt', Number(names[1]!.slice(0, 20))])
      expect((await lab.setAside()).map(path => path.split('/').at(-1))).toEqual(expect.arrayContaining(names.slice(3)))
    })
  })
})

describe('the index database', () => {
  test.each([true, false])('when lost is rebuilt, and reads and lookups are as before (clean: %s)', async clean => {
    const lab = new Lab(10, { config: { segmentBytes: 4000, indexIntervalBytes: 500 }, hotTailBytes: 0 })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 100; i++) lab.append([recordOf(`value ${i}`, 1000 + i)], { producerId: 3, producerEpoch: 0, baseSequence: i })
      await lab.acked()
      await lab.close()
      await lab.env.disk.remove(`${DIRECTORY}/index`)
      await lab.open({ clean })
      expect(lab.verdict).toBe('clean')
      expect(values(await lab.readAll(300))).toEqual(Array.from({ length: 100 }, (_, i) => `value ${i}`))
      expect(await lab.log.offsetForTimestamp(1050, 100)).toMatchObject({ offset: 50 })
      expect(lab.append(['again'], { producerId: 3, producerEpoch: 0, baseSequence: 99 })).toMatchObject({
        duplicate: true,
        baseOffset: 99,
      })
    })
  })

  test('when damaged is set aside, and a new one is made', async () => {
    const lab = new Lab(11)
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.acked()
      await lab.store.close()
      let opened = 0
      const kv: KvStore = {
        open: path => (opened++ === 0 ? Promise.reject(new DoorError('ECORRUPT', 'checksum mismatch')) : lab.env.kv.open(path)),
      }
      lab.store = await LogStore.open(
        { ...lab.env, kv },
        { directory: DIRECTORY, meta: lab.meta, clean: true, fail: error => void lab.failures.push(error) },
      )
      await lab.openLog()
      expect(lab.verdict).toBe('clean')
      expect(values(await lab.readAll())).toEqual(['a'])
      const names = (await lab.env.disk.list(DIRECTORY)).map(({ name }) => name)
      expect(names).toEqual(expect.arrayContaining(['index', 'index.damaged-1']))
    })
  })

  test('when locked is not touched', async () => {
    const lab = new Lab(12)
    await lab.run(async () => {
      await lab.open()
      const again = LogStore.open(lab.env, { directory: DIRECTORY, meta: lab.meta, clean: true, fail: () => {} })
      await expect(again).rejects.toMatchObject({ code: 'ELOCKED' } satisfies Partial<EnvError>)
    })
  })
})

describe('identity', () => {
  test('the folder of another topic under our name is set aside, and its bytes do not come back', async () => {
    const lab = new Lab(13)
    await lab.run(async () => {
      await lab.open()
      lab.append(['old'])
      await lab.acked()
      await lab.close()
      await lab.openStore({ clean: true })
      const other = `B${TOPIC_ID.slice(1)}`
      await lab.openLog(other)
      expect([lab.verdict, lab.log.logEndOffset]).toEqual(['new', 0])
      lab.append(['new'])
      await lab.acked()
      expect(values(await lab.readAll())).toEqual(['new'])
      expect(await lab.setAside()).toEqual([
        'data/logs/set-aside/1/t-0/00000000000000000000.log',
        'data/logs/set-aside/1/t-0/partition.metadata',
      ])
    })
  })

  test('a closed segment that is shorter than the index says is corrupt', async () => {
    const lab = new Lab(12, { config: { segmentBytes: 300 } })
    await lab.run(async () => {
      await lab.open()
      for (let i = 0; i < 6; i++) lab.append([`value ${i}`])
      await lab.acked()
      await lab.reopen()
      lab.world.crash('a', { power: false })
      lab.world.restart('a')
      await lab.damage(FIRST, bytes => bytes.subarray(0, bytes.length / 2))
      await lab.open({ clean: false })
      expect([lab.verdict, lab.log.logEndOffset < 4]).toEqual(['corrupt', true])
    })
  })

  test('producers are known also when the index lost a segment before the checkpoint', async () => {
    const lab = new Lab(11, { config: { segmentBytes: 300 } })
    await lab.run(async () => {
      await lab.open()
      for (let baseSequence = 0; baseSequence < 6; baseSequence++) {
        lab.append([`value ${baseSequence}`], { producerId: 7, producerEpoch: 0, baseSequence })
        await lab.acked()
      }
      const bases = lab.log.segments.map(({ baseOffset }) => baseOffset)
      expect(bases.at(-1)).toBeLessThan(5)
      await lab.close()
      const index = await lab.env.kv.open(`${DIRECTORY}/index`)
      const catalog = new Catalog(index, logId(TOPIC_ID, 0))
      await catalog.write([catalog.deleteSegment(bases.at(-2)!)], { sync: true })
      await index.close()
      await lab.open({ clean: false })
      expect(lab.append(['value 5'], { producerId: 7, producerEpoch: 0, baseSequence: 5 })).toMatchObject({ ok: true, duplicate: true })
    })
  })

  test('a kill before the names are durable loses nothing that was acknowledged, and keeps what is there', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const lab = new Lab(seed)
      await lab.run(async () => {
        await lab.open()
        lab.append(['a'])
        await lab.until(() => lab.log.writtenOffset === 1)
        const acked = lab.log.ackableOffset
        await lab.crash({ power: false })
        expect(lab.log.logEndOffset).toBe(1)
        await lab.crash({ power: true })
        expect(lab.log.logEndOffset).toBe(1)
        expect(acked).toBeLessThanOrEqual(1)
      })
    }
  })
})

function flip(bytes: Buffer, position: number): Buffer {
  bytes[position] = bytes[position]! ^ 0x04
  return bytes
}
