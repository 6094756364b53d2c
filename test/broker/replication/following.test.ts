import { describe, expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import { NONE } from '../../../src/protocol/errors.ts'
import { inLab, TOPIC_ID } from './lab.ts'

describe('a leader and its followers', () => {
  test('acknowledge what is flushed on every member of the in-sync set', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([[1, 2, 3]])
      const leader = lab.replica(1)
      const end = lab.append(leader, 'a', 'b')
      expect(leader.leader!.highWatermark).toBe(0)
      expect(await lab.acked(leader, end)).toBe(NONE)
      for (const id of [1, 2, 3]) expect(lab.replica(id).log.flushedOffset).toBe(2)
      for (const id of [1, 2, 3]) expect(await lab.values(lab.replica(id))).toEqual(['a', 'b'])
    }))

  test('hold equal bytes, and followers hear of the high watermark', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([
        [1, 2, 3],
        [2, 3, 1],
      ])
      for (let i = 0; i < 50; i++) {
        lab.append(lab.replica(1, 0), `a${i}`)
        const end = lab.append(lab.replica(2, 1), `b${i}`)
        if (i % 7 === 0) await lab.acked(lab.replica(2, 1), end)
      }
      for (const partition of [0, 1]) await lab.until(() => [1, 2, 3].every(id => lab.replica(id, partition).highWatermark === 50))
      for (const partition of [0, 1]) {
        const expected = await lab.values(lab.replica(1, partition))
        expect(expected.length).toBe(50)
        for (const id of [2, 3]) expect(await lab.values(lab.replica(id, partition))).toEqual(expected)
      }
    }))

  test('say nothing to each other but a fetch now and then while nothing is appended', () =>
    inLab({}, async lab => {
      await lab.createTopic(Array.from({ length: 20 }, () => [1, 2, 3]))
      await sleep(lab.clock, 2000)
      const { fetches, promises } = lab
      await sleep(lab.clock, 10_000)
      expect(lab.fetches - fetches).toBeLessThanOrEqual(2 * 21)
      expect(lab.promises - promises).toBe(0)
    }))

  test('take no record twice when a request leaves before the answer to the last one', () =>
    inLab({}, async lab => {
      await lab.createTopic([[1, 2]])
      const leader = lab.replica(1)
      for (let partition = 1; partition <= 40; partition++) {
        lab.append(leader, `a${partition}`)
        // A new partition is named at once, while the answer with that record is on its way.
        lab.commit({
          type: 'partitionCreated',
          topicId: TOPIC_ID,
          state: { ...lab.state(), partition, leaderEpoch: 0, partitionEpoch: 0 },
        })
        await sleep(lab.clock, partition % 8)
      }
      await lab.until(() => lab.replica(2).highWatermark === 40)
      expect(lab.world.host('b2').lines.filter(line => line.includes('The leader sent offset'))).toEqual([])
    }))
})
