import { describe, expect, test } from 'vitest'
import { simulateRaft } from '../../src/testing/raft-sim/simulation.ts'

describe('a simulated quorum', () => {
  test('keeps its promises and recovers, whatever the seed', () => {
    for (let seed = 10_001; seed <= 10_040; seed++)
      expect(simulateRaft(seed).failure, `npm run sim:raft -- --seed ${seed} --trace`).toBeUndefined()
  })

  test('tells one story for one seed', () => {
    for (const seed of [1, 2, 3]) expect(simulateRaft(seed).hash).toBe(simulateRaft(seed).hash)
    expect(simulateRaft(1).hash).not.toBe(simulateRaft(2).hash)
  })
})
