import { describe, expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import { INELIGIBLE_REPLICA, NONE, NOT_LEADER_OR_FOLLOWER } from '../../../src/protocol/errors.ts'
import { batchOf } from '../../log/lab.ts'
import { inLab } from './lab.ts'

const REPLICAS = [1, 2, 3]

describe('a new leader', () => {
  test('has everything that was acknowledged, and the old one gives up what was not (KIP-101)', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      const old = lab.replica(1)
      expect(await lab.acked(old, lab.append(old, 'a', 'b'))).toBe(NONE)
      lab.isolate(1)
      const lost = lab.acked(old, lab.append(old, 'lost'))
      await lab.until(() => old.log.flushedOffset === 3)
      const next = await lab.elect(2, { isr: [2, 3] })
      expect(await lab.acked(next, lab.append(next, 'c'))).toBe(NONE)
      expect(await lab.values(next)).toEqual(['a', 'b', 'c'])
      expect(old.leader!.highWatermark).toBe(2)
      lab.isolate(1, false)
      expect(await lost).toBe(NOT_LEADER_OR_FOLLOWER)
      await lab.until(() => lab.state().isr.length === 3)
      for (const id of REPLICAS) expect(await lab.values(lab.replica(id))).toEqual(['a', 'b', 'c'])
    }))

  test('finds the place where logs part through several leaders (KIP-279)', () =>
    inLab({ brokers: 2, minInsyncReplicas: 1 }, async lab => {
      await lab.createTopic([[1, 2]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      // Each leads alone in turn and writes what the other never sees; unclean elections, so that both histories grow apart.
      for (const [id, other] of [
        [1, 2],
        [2, 1],
        [1, 2],
        [2, 1],
      ] as const) {
        lab.isolate(other)
        const leader = await lab.elect(id, { isr: [id] })
        await lab.acked(leader, lab.append(leader, `of ${id} in epoch ${leader.leaderEpoch}`))
        lab.isolate(other, false)
        lab.isolate(id)
      }
      lab.isolate(2, false)
      lab.isolate(1, false)
      await lab.until(() => lab.state().isr.length === 2)
      expect(await lab.values(lab.replica(1))).toEqual(await lab.values(lab.replica(2)))
    }))

  test('that led an epoch without records is cut to nothing less, and follows (an epoch that begins at the end)', () =>
    inLab({ brokers: 2 }, async lab => {
      await lab.createTopic([[1, 2]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      lab.isolate(2)
      await lab.elect(1, { isr: [1] })
      await sleep(lab.clock, 50)
      lab.isolate(1)
      lab.isolate(2, false)
      const leader = await lab.elect(2, { isr: [2] })
      await lab.acked(leader, lab.append(leader, 'b'))
      lab.isolate(1, false)
      await lab.until(() => lab.state().isr.length === 2)
      expect(await lab.values(lab.replica(1))).toEqual(['a', 'b'])
    }))

  test('serves its followers at once, while the fetch before still waits for nothing', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS, [3, 1, 2]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      await sleep(lab.clock, 700)
      lab.crash(1)
      const leader = await lab.elect(3, { isr: [2, 3] })
      const from = lab.clock.now()
      expect(await lab.acked(leader, lab.append(leader, 'b'))).toBe(NONE)
      expect(lab.clock.now() - from).toBeLessThan(50)
    }))
})

describe('a follower', () => {
  test('that comes back after a power cut asks for what it lost and joins again', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      lab.append(leader, 'b')
      lab.crash(3)
      lab.change({ isr: [1, 2] })
      await lab.acked(leader, lab.append(leader, 'c'))
      await lab.restart(3)
      await lab.until(() => lab.state().isr.length === 3)
      expect(await lab.values(lab.replica(3))).toEqual(['a', 'b', 'c'])
    }))

  test('whose log ends before the leader begins starts anew', () =>
    inLab({ brokers: 2, config: { segmentBytes: 200 } }, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      lab.crash(2)
      lab.change({ isr: [1] })
      for (let i = 0; i < 10; i++) await lab.acked(leader, lab.append(leader, `b${i}`))
      await leader.log.setLogStartOffset(6)
      await lab.restart(2)
      await lab.until(() => lab.state().isr.length === 2)
      expect(lab.replica(2).log.logStartOffset).toBe(6)
      expect(await lab.values(lab.replica(2))).toEqual(await lab.values(leader))
      lab.crash(2, { power: false })
      await lab.restart(2)
      expect(lab.replica(2).log.logStartOffset).toBe(6)
    }))

  test('moves its log start with the leader and tells it', () =>
    inLab({ brokers: 2 }, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      for (let i = 0; i < 5; i++) await lab.acked(leader, lab.append(leader, `${i}`))
      await leader.log.setLogStartOffset(3)
      leader.logStartMoved()
      const from = lab.clock.now()
      await lab.until(() => leader.lowWatermark === 3)
      expect(lab.clock.now() - from).toBeLessThan(50)
      expect(lab.replica(2).log.logStartOffset).toBe(3)
    }))

  test('that lags leaves the in-sync set, which the controller must agree on, and joins again', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      lab.cut.add('3>1')
      const end = lab.append(leader, 'b')
      const from = lab.clock.now()
      expect(await lab.acked(leader, end)).toBe(NONE)
      expect(lab.clock.now() - from).toBeGreaterThan(1500)
      expect(lab.clock.now() - from).toBeLessThan(2200)
      expect(lab.state().isr).toEqual([1, 2])
      lab.cut.clear()
      await lab.until(() => lab.state().isr.length === 3)
      expect(await lab.values(lab.replica(3))).toEqual(['a', 'b'])
    }))

  test('of an idle partition never lags', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      await sleep(lab.clock, 20_000)
      lab.append(lab.replica(1), 'a')
      await sleep(lab.clock, 100)
      expect(lab.isrRequests).toEqual([])
    }))

  test('whose promise got lost repeats it', () =>
    inLab({ brokers: 2, minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      const { promise } = lab
      lab.promise = () => {}
      const end = lab.append(leader, 'b')
      await lab.until(() => lab.replica(2).log.flushedOffset === end)
      lab.promise = promise
      const from = lab.clock.now()
      expect(await lab.acked(leader, end)).toBe(NONE)
      expect(lab.clock.now() - from).toBeLessThan(1200)
    }))
})

describe('proposals', () => {
  test('that the controller refuses are made again while they make sense', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      lab.change({ isr: [1, 2] })
      let refusals = 0
      lab.controllerSays = request => {
        if (refusals++ >= 2) return undefined
        const topics = request.topics.map(({ topicId, partitions }) => ({
          topicId,
          partitions: partitions.map(({ partition }) => ({ partition, errorCode: INELIGIBLE_REPLICA })),
        }))
        return Promise.resolve({ errorCode: NONE, topics })
      }
      const leader = lab.replica(1)
      for (let i = 0; lab.state().isr.length < 3; i++) {
        await lab.acked(leader, lab.append(leader, `${i}`))
        await sleep(lab.clock, 50)
      }
      expect(refusals).toBe(3)
    }))

  test('whose answer is lost are made again, and a change that was made counts once', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      lab.change({ isr: [1, 2] })
      let count = 0
      const { alterPartition } = lab
      lab.alterPartition = async (from, request) => {
        const answer = alterPartition.call(lab, from, request)
        if (count++ === 0) throw new Error('lost')
        return answer
      }
      await lab.until(() => lab.state().isr.length === 3)
      await sleep(lab.clock, 3000)
      expect(lab.state().partitionEpoch).toBe(2)
      expect(lab.replica(1).leader!.proposedIsr).toBe(undefined)
    }))
})

describe('the lease', () => {
  test('when it is over nothing is acknowledged until it is prolonged', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([REPLICAS])
      const leader = lab.replica(1)
      await lab.acked(leader, lab.append(leader, 'a'))
      lab.broker(1).leaseUntil = lab.broker(1).env.clock.now() - 1
      expect(leader.takesAcksAll).toBe(false)
      leader.append(batchOf(['b']))
      await sleep(lab.clock, 300)
      expect(leader.leader!.highWatermark).toBe(1)
      lab.broker(1).leaseUntil = lab.broker(1).env.clock.now() + 1000
      lab.broker(1).replicas.leaseRenewed()
      expect(leader.takesAcksAll).toBe(true)
      expect(leader.leader!.highWatermark).toBe(2)
    }))
})
