// Three drivers over the internal listener in simulated worlds: they elect, replicate, lose their leader, and take what they missed.
import { expect, test } from 'vitest'
import { QuorumWorld } from './quorum-world.ts'

const SEEDS = Array.from({ length: 10 }, (_, i) => i + 1)

async function started(seed: number, options: ConstructorParameters<typeof QuorumWorld>[2] = {}): Promise<QuorumWorld> {
  const quorum = new QuorumWorld(seed, 3, options)
  quorum.startAll()
  await quorum.commit()
  await quorum.settle()
  return quorum
}

test.each(SEEDS)('three blank voters elect a leader at once, and all are given the same (seed %i)', async seed => {
  const quorum = new QuorumWorld(seed, 3)
  quorum.startAll()
  expect(await quorum.untilLeader()).toBeLessThan(200)
  for (let i = 0; i < 20; i++) await quorum.commit(1 + (i % 4))
  await quorum.settle()
  expect(quorum.leaders.size).toBe(1)
  quorum.done()
})

test.each(SEEDS)('a killed leader is replaced within 150 ms, and comes back as a follower (seed %i)', async seed => {
  const quorum = await started(seed)
  const first = quorum.leader!.nodeId
  quorum.propose(3)
  quorum.kill(first)
  expect(await quorum.commit()).toBeLessThan(150)
  expect(quorum.leader!.nodeId).not.toBe(first)
  quorum.restart(first)
  await quorum.until(() => quorum.up.length === 3, 1000)
  await quorum.settle()
  expect(quorum.members[first]!.driver.leaderId).toBe(quorum.leader!.nodeId)
  expect(quorum.leaders.size).toBe(2)
  quorum.done()
})
