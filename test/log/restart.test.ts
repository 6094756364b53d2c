// What a log must know again after a restart, each by itself.
import { expect, test } from 'vitest'
import { encodeProducers } from '../../src/log/producer-snapshot.ts'
import { ProducerState } from '../../src/log/producer-state.ts'
import { rebuildProducers } from '../../src/log/replay.ts'
import { Lab } from './lab.ts'

test('the leader epochs are those of before, also when nothing is read again', async () => {
  const lab = new Lab(1)
  await lab.run(async () => {
    await lab.open()
    lab.append(['a'], { leaderEpoch: 3 })
    lab.append(['b'], { leaderEpoch: 5 })
    await lab.acked()
    await lab.reopen()
    expect([lab.verdict, lab.log.leaderEpochAt(0), lab.log.leaderEpochAt(1)]).toEqual(['clean', 3, 5])
  })
})

test('an unflushed record that could be promised was marked as such, or is there', async () => {
  for (let seed = 0; seed < 60; seed++) {
    const lab = new Lab(seed, { config: { flushMessages: 1000 } })
    await lab.run(async () => {
      await lab.open()
      lab.append(['a'])
      await lab.until(() => lab.log.ackableOffset === 1)
      await lab.crash({ power: true })
      expect(lab.loose || lab.log.logEndOffset === 1, `seed ${seed}`).toBe(true)
    })
  }
})

test('a producer snapshot from beyond the end is not used', async () => {
  const future = new ProducerState()
  const batch = { producerId: 7, producerEpoch: 0, timestamp: 1, transactional: false, baseOffset: 8, lastOffset: 9 }
  future.apply({ type: 'data', firstSequence: 0, lastSequence: 1, ...batch })
  const { producers } = await rebuildProducers([], 5, [{ offset: 10, bytes: encodeProducers(future) }])
  expect([...producers.keys()]).toEqual([])
})

test('what was cut off in the middle of a write is not handed out from memory either', async () => {
  const lab = new Lab(1)
  await lab.run(async () => {
    await lab.open()
    lab.append(['a'])
    lab.append(['b'])
    await lab.acked()
    await lab.log.truncateTo(1)
    lab.append(['c'])
    await lab.acked()
    expect((await lab.readAll()).map(({ value }) => value?.toString())).toEqual(['a', 'c'])
  })
})
