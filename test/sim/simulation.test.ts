import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { BROKER, BrokerHost } from '../../src/testing/sim/broker-host.ts'
import { simulate } from '../../src/testing/sim/simulation.ts'

const NOTED = readFileSync(new URL('seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => /^\d+$/.test(line))
  .map(Number)

describe('a broker in trouble keeps its promises', () => {
  test.each([...NOTED, 2, 3, 4])('seed %i', async seed => {
    const { failures, anomalies, counts } = await simulate(seed)
    expect(failures).toEqual([])
    expect(anomalies).toEqual([])
    expect(counts.acked).toBeGreaterThan(0)
  })

  test('a seed tells the same story twice', async () => {
    const first = await simulate(5)
    const second = await simulate(5)
    expect(second.hash).toBe(first.hash)
    expect(second.eventCount).toBe(first.eventCount)
  })
})

describe('a simulation notices', () => {
  test('a disk whose flushes do nothing', async () => {
    const kinds = new Set<string>()
    for (let seed = 1; seed <= 12 && !kinds.has('lost'); seed++) {
      const { anomalies, failures } = await simulate(seed, { onWorld: world => (world.host(BROKER).storage.flushesLieFor = '.log') })
      for (const { kind } of anomalies) kinds.add(kind)
      if (failures.length > 0) kinds.add('failed')
    }
    expect([...kinds]).toContain('lost')
  }, 90_000)

  test('a broker that never answers again', async () => {
    const deaf = (world: SimWorld): void => {
      world.schedule(100, 'deaf', () => {
        if (world.now > 300) world.host(BROKER).pausedUntil = 1e9
        deaf(world)
      })
    }
    const { failures } = await simulate(3, { onWorld: deaf })
    expect(failures.join()).toMatch(/no progress|did not/)
  })
})

/** The last three: the vote file was not flushed, or its name not synced, by a process that found it there. */
const OPENINGS = [...Array.from({ length: 30 }, (_, i) => i + 1), 288, 323, 743]

test.each(OPENINGS)('a node opens again after crashes at any event of its opening, seed %i', async seed => {
  const world = new SimWorld(seed)
  const random = world.stream('crashes')
  const reasons: string[] = []
  const broker = new BrokerHost(world, { properties: {}, fail: reason => reasons.push(reason) })
  let crashesLeft = 6
  let crashAt = random.integer(24)
  world.afterEvent = () => {
    if (crashesLeft === 0 || !broker.host.running || broker.host.process.eventCount < crashAt) return
    crashesLeft--
    crashAt = random.integer(24)
    broker.crash({ power: random.chance(0.8), silent: false, downMs: 1 })
  }
  broker.start()
  await world.runFor(2000)
  await world.run(() => broker.up(), { maxMs: 10_000 })
  expect(reasons).toEqual([])
  expect(world.failures).toEqual([])
})
