// What a follower does to its log besides appending: epochs that do not fit, new beginnings, cuts at the end.
import { expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { setBaseOffset, setLeaderEpoch } from '../../src/protocol/batch.ts'
import { batchOf, Lab, type LabOptions } from './lab.ts'

function inLab(body: (lab: Lab) => Promise<void>, o: LabOptions = {}, seed = 1): Promise<void> {
  const lab = new Lab(seed, o)
  return lab.run(async () => {
    await lab.open()
    await body(lab)
  })
}

function sent(baseOffset: number, epoch: number, ...values: string[]): Buffer {
  const b = batchOf(values)
  setBaseOffset(b, 0, baseOffset)
  setLeaderEpoch(b, 0, epoch)
  return b
}

test('batches of a later epoch than they were fetched under are not taken, nor is what follows them (KAFKA-18723)', () =>
  inLab(async lab => {
    lab.log.appendAsFollower(Buffer.concat([sent(0, 3, 'a'), sent(1, 4, 'b'), sent(2, 3, 'c')]), { leaderEpoch: 3 })
    expect(lab.log.logEndOffset).toBe(1)
    expect(lab.log.epochs.entries).toEqual([{ epoch: 3, startOffset: 0 }])
  }))

test('a batch of an earlier epoch than the log has is damage', () =>
  inLab(async lab => {
    lab.log.appendAsFollower(sent(0, 3, 'a'))
    expect(() => lab.log.appendAsFollower(sent(1, 2, 'b'))).toThrow('leader epoch 2 after 3')
    expect(lab.log.logEndOffset).toBe(1)
  }))

test('a cut at the end forgets an epoch that has no records, durably', () =>
  inLab(async lab => {
    lab.append(['a'], { leaderEpoch: 1 })
    await lab.acked()
    await lab.log.beginEpoch(5)
    expect(lab.log.epochs.latestEpoch).toBe(5)
    await lab.log.truncateTo(lab.log.logEndOffset)
    expect(lab.log.epochs.entries).toEqual([{ epoch: 1, startOffset: 0 }])
    await lab.crash({ power: true })
    expect(lab.log.epochs.entries).toEqual([{ epoch: 1, startOffset: 0 }])
    expect(lab.log.logEndOffset).toBe(1)
  }))

test('a log that begins anew is empty, begins there, and goes on from there', () =>
  inLab(
    async lab => {
      for (let i = 0; i < 8; i++) lab.append([`${i}`], { producerId: 7, producerEpoch: 0, baseSequence: i })
      await lab.acked()
      await lab.log.startAnewAt(100)
      expect([lab.log.logStartOffset, lab.log.logEndOffset, lab.log.flushedOffset]).toEqual([100, 100, 100])
      expect(lab.log.epochs.entries).toEqual([])
      expect(lab.log.producers.producers.size).toBe(0)
      expect(await lab.segmentFiles()).toEqual([])
      lab.log.appendAsFollower(sent(100, 6, 'a', 'b'))
      await lab.acked()
      await lab.crash({ power: true })
      expect(lab.verdict).not.toBe('corrupt')
      expect([lab.log.logStartOffset, lab.log.logEndOffset]).toEqual([100, 102])
      expect((await lab.readAll()).map(record => record.value?.toString())).toEqual(['a', 'b'])
    },
    { config: { segmentBytes: 300 } },
  ))

test.each(Array.from({ length: 40 }, (_, i) => i))('a power cut while a log begins anew leaves the old log or the new one (%i)', seed =>
  inLab(
    async lab => {
      for (let i = 0; i < 8; i++) lab.append([`${i}`])
      await lab.acked()
      void lab.log.startAnewAt(100).catch(() => {})
      const steps = seed
      for (let i = 0; i < steps; i++) await new Promise<void>(resolve => lab.env.clock.setTimer(0.15, resolve))
      await lab.crash({ power: true })
      expect(lab.verdict).not.toBe('corrupt')
      const { logStartOffset, logEndOffset } = lab.log
      expect([
        [0, 8],
        [100, 100],
      ]).toContainEqual([logStartOffset, logEndOffset])
      if (logStartOffset === 100) lab.log.appendAsFollower(sent(100, 6, 'a'))
      else lab.append(['a'])
      await lab.acked()
    },
    { config: { segmentBytes: 300 } },
    seed,
  ),
)

test('an empty log that begins behind the end of its leader begins anew there, whenever the power goes', async () => {
  for (let crashAfterMs = 0; crashAfterMs < 30; crashAfterMs += 1.5) {
    await inLab(
      async lab => {
        for (let i = 0; i < 6; i++) {
          lab.append(['0123456789'.repeat(5)], { leaderEpoch: 1 })
          await lab.acked()
        }
        expect(lab.log.segments.length).toBeGreaterThan(1)
        await lab.log.setLogStartOffset(6)
        await lab.log.truncateTo(2)
        expect(lab.log.logEndOffset).toBe(6)
        let isDone = false
        void lab.log.startAnewAt(1).then(
          () => (isDone = true),
          () => {},
        )
        await sleep(lab.env.clock, crashAfterMs)
        const wasDone = isDone
        await lab.crash({ power: true })
        expect(lab.log.logStartOffset).toBe(lab.log.logEndOffset)
        if (wasDone) expect([lab.verdict, lab.log.logEndOffset]).toEqual([expect.stringMatching(/new|clean/), 1])
        if (lab.log.logEndOffset !== 1) await lab.log.startAnewAt(1)
        lab.log.appendAsFollower(sent(1, 2, 'b'))
        await lab.acked()
        expect(lab.log.logEndOffset).toBe(2)
      },
      { config: { segmentBytes: 200 } },
      crashAfterMs,
    )
  }
})

test('a log that begins anew within a batch takes it, and still has it after a power cut, whatever was stored of the log before', async () => {
  for (let crashAfterMs = 0; crashAfterMs < 12; crashAfterMs += 1) {
    await inLab(
      async lab => {
        // A segment that begins where the batch does, with a checkpoint in it.
        for (let i = 0; i < 4; i++) lab.append(['0123456789'.repeat(5)], { leaderEpoch: 1 })
        await lab.acked()
        await lab.reopen({ clean: false })
        expect(lab.log.segments.at(-1)?.baseOffset).toBe(3)
        await lab.log.startAnewAt(7)
        const b = sent(3, 2, ...'abcdefg')
        lab.log.appendAsFollower(b)
        expect([lab.log.logStartOffset, lab.log.logEndOffset]).toEqual([7, 10])
        await sleep(lab.env.clock, crashAfterMs)
        const { flushedOffset } = lab.log
        await lab.crash({ power: true })
        expect(lab.verdict).not.toBe('corrupt')
        expect(lab.log.logStartOffset).toBe(7)
        expect(lab.log.logEndOffset).toBeGreaterThanOrEqual(flushedOffset)
        if (lab.log.logEndOffset === 7) lab.log.appendAsFollower(sent(3, 2, ...'abcdefg'))
        lab.log.appendAsFollower(sent(10, 2, 'h'))
        await lab.acked()
        expect((await lab.readAll()).map(record => record.value?.toString()).join('')).toBe('efgh')
        expect(lab.log.epochs.entries).toEqual([{ epoch: 2, startOffset: 7 }])
      },
      { config: { segmentBytes: 200 } },
      crashAfterMs,
    )
  }
})
