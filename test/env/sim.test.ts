import { describe } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { clockContract } from '../contract/clock.ts'
import { diskContract } from '../contract/disk.ts'
import { kvContract } from '../contract/kv.ts'
import { netContract } from '../contract/net.ts'
import type { Subject } from '../contract/subject.ts'

function simulated(seed: number): Subject {
  return {
    name: `simulated, seed ${seed}`,
    async run(body) {
      const world = new SimWorld(seed)
      const env = world.env('alpha')
      await world.run(async () => {
        await env.disk.makeDirectory('/data')
        await body(env, '/data')
      })
      for (const { error } of world.failures) throw error
    },
  }
}

describe.each([1, 2, 3])('seed %i', seed => {
  const subject = simulated(seed)
  clockContract(subject)
  netContract(subject)
  diskContract(subject)
  kvContract(subject)
})
