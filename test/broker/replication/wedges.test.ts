// Followers that once waited for ever: each test is the conversation that showed it.
import { describe, expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import { NONE } from '../../../src/protocol/errors.ts'
import { batchOf } from '../../log/lab.ts'
import { inLab } from './lab.ts'

describe('a follower', () => {
  test('that asks before its leader has opened the log is answered when it leads', () =>
    inLab({ brokers: 2, minInsyncReplicas: 2 }, async lab => {
      lab.deaf.add(1)
      await lab.createTopic([[1, 2]])
      await sleep(lab.clock, 100)
      lab.deaf.delete(1)
      lab.broker(1).catchUp()
      await lab.settled()
      const leader = lab.replica(1)
      const from = lab.clock.now()
      expect(await lab.acked(leader, lab.append(leader, 'a'))).toBe(NONE)
      expect(lab.clock.now() - from).toBeLessThan(100)
    }))

  test('whose disk was full goes on from where its log ends when there is room', () =>
    inLab({ brokers: 2, minInsyncReplicas: 1 }, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      const storage = lab.world.host('b2').storage
      storage.full = 'files'
      const late = lab.acked(leader, lab.append(leader, 'b'))
      await lab.until(() => lab.replica(2).log.refusal !== undefined)
      await sleep(lab.clock, 3000)
      lab.append(leader, 'c')
      await sleep(lab.clock, 500)
      storage.full = false
      lab.broker(2).replicas.resume()
      expect(await late).toBe(NONE)
      await lab.until(() => lab.state().isr.length === 2)
      expect(await lab.values(lab.replica(2))).toEqual(['a', 'b', 'c'])
    }))

  test('whose log begins behind the end of an unclean leader begins anew there', () =>
    inLab({ brokers: 2, minInsyncReplicas: 1 }, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      lab.isolate(2)
      lab.append(leader, 'b')
      await lab.until(() => lab.state().isr.length === 1)
      for (let i = 0; i < 10; i++) await lab.acked(leader, lab.append(leader, `b${i}`))
      await leader.log.setLogStartOffset(8)
      lab.isolate(1)
      lab.isolate(2, false)
      const unclean = await lab.elect(2, { isr: [2] })
      await lab.acked(unclean, lab.append(unclean, 'c'))
      lab.isolate(1, false)
      await lab.until(() => lab.state().isr.length === 2)
      expect(await lab.values(lab.replica(1))).toEqual(['a', 'c'])
    }))

  test('that meets damage where it is to be cut does not stop its node: what is left is filled from the leader', () =>
    inLab({ brokers: 2, minInsyncReplicas: 1 }, async lab => {
      await lab.createTopic([[1, 2]])
      for (let i = 0; i < 6; i++) await lab.acked(lab.replica(1), lab.append(lab.replica(1), `${i}`))
      lab.isolate(1)
      const other = await lab.elect(2, { isr: [2] })
      lab.append(other, 'lost')
      await lab.until(() => other.log.flushedOffset === 7)
      lab.isolate(2)
      lab.isolate(1, false)
      const leader = await lab.elect(1, { isr: [1] })
      await lab.acked(leader, lab.append(leader, '6'))
      const file = await lab.broker(2).env.disk.open('data/logs/t-0/00000000000000000000.log', 'readWrite')
      const at = 3 * batchOf(['3']).length
      await new Promise<void>(resolve => file.write([Buffer.from([1])], at, () => resolve()))
      await file.close()
      lab.isolate(2, false)
      await lab.until(() => lab.state().isr.length === 2)
      expect(await lab.values(lab.replica(2))).toEqual(['0', '1', '2', '3', '4', '5', '6'])
    }))

  test('that begins anew in the middle of a batch takes that batch', () =>
    inLab({ brokers: 2, minInsyncReplicas: 1 }, async lab => {
      await lab.createTopic([[1, 2]])
      lab.isolate(2)
      const leader = lab.replica(1)
      lab.append(leader, 'a', 'b', 'c')
      lab.append(leader, 'd', 'e', 'f')
      await lab.until(() => lab.state().isr.length === 1)
      await leader.log.setLogStartOffset(4)
      lab.isolate(2, false)
      await lab.until(() => lab.state().isr.length === 2)
      expect(lab.replica(2).log.logStartOffset).toBe(4)
      expect(lab.replica(2).log.logEndOffset).toBe(6)
    }))

  test('whose session its leader forgot, being another process by now, asks anew at once', () =>
    inLab({ brokers: 2, minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([[1, 2]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      await lab.elect(2)
      await sleep(lab.clock, 700)
      lab.crash(1)
      await lab.restart(1)
      const other = lab.replica(2)
      await lab.acked(other, lab.append(other, 'b'))
      const leader = await lab.elect(1)
      const from = lab.clock.now()
      expect(await lab.acked(leader, lab.append(leader, 'c'))).toBe(NONE)
      expect(lab.clock.now() - from).toBeLessThan(60)
    }))
})
