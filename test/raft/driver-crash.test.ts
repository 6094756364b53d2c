// Members of a quorum of three crash between any two events: while they cut their log, while they take a snapshot of the leader, and at random
// with everything else that can go wrong. Nothing that was acknowledged is lost, and nobody is told two stories (quorum-world.ts looks at each event).
import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { QuorumWorld } from './quorum-world.ts'

/** Steps through the next events and crashes the node after so many. @returns whether `until` was not so before */
async function crashAfter(
  quorum: QuorumWorld,
  nodeId: number,
  o: { events: number; power: boolean; until: () => boolean },
): Promise<boolean> {
  let left = o.events
  while (left > 0) {
    if (o.until()) return false
    await quorum.world.step()
    left--
  }
  quorum.kill(nodeId, { power: o.power })
  return true
}

/** The events of one member from here until it has all that is agreed. */
async function eventsUntil(quorum: QuorumWorld, until: () => boolean): Promise<number> {
  const first = quorum.world.eventCount
  await quorum.until(until, 5000)
  return quorum.world.eventCount - first
}

async function diverged(seed: number): Promise<{ quorum: QuorumWorld; nodeId: number; isHealed: () => boolean }> {
  const quorum = new QuorumWorld(seed, 3)
  quorum.startAll()
  await quorum.commit()
  await quorum.settle()
  const nodeId = quorum.leader!.nodeId
  quorum.separate(
    [nodeId],
    quorum.voterIds.filter(id => id !== nodeId),
  )
  for (let i = 0; i < 4; i++) {
    quorum.propose(2)
    await quorum.world.runFor(10)
  }
  await quorum.until(() => quorum.up.some(member => member.nodeId !== nodeId && member.driver.isLeader), 5000)
  await quorum.commit(2)
  await quorum.until(() => !quorum.members[nodeId]!.driver.isLeader, 3000)
  quorum.world.network.healAll()
  const isHealed = () => quorum.members[nodeId]?.recorder.log.length === quorum.agreed.length
  return { quorum, nodeId, isHealed }
}

test.each([true, false])('a member crashes while it cuts off what the leader does not have, power lost: %s', async power => {
  const measured = await diverged(1)
  const events = await eventsUntil(measured.quorum, measured.isHealed)
  expect(events).toBeGreaterThan(20)
  for (let at = 0; at < events + 20; at += Math.max(1, Math.floor(events / 24))) {
    const { quorum, nodeId } = await diverged(1)
    await crashAfter(quorum, nodeId, { events: at, power, until: () => false })
    quorum.restart(nodeId)
    await quorum.until(() => quorum.up.length === 3, 1000)
    await quorum.commit()
    await quorum.settle()
    quorum.done()
  }
})

async function lagging(seed: number): Promise<{ quorum: QuorumWorld; nodeId: number }> {
  const quorum = new QuorumWorld(seed, 3, { snapshotEveryEntries: 20 })
  quorum.startAll()
  await quorum.commit()
  await quorum.settle()
  const nodeId = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  quorum.kill(nodeId)
  for (let i = 0; i < 5; i++) {
    for (let nth = 0; nth < 5; nth++) quorum.leader!.driver.propose([Buffer.alloc(128 * 1024, `${i}.${nth}`)])
    await quorum.commit(3)
  }
  quorum.restart(nodeId)
  return { quorum, nodeId }
}

test.each([true, false])('a member crashes while it takes the snapshot of the leader, power lost: %s', async power => {
  const measured = await lagging(2)
  const isThere = () => measured.quorum.members[measured.nodeId]?.recorder.log.length === measured.quorum.agreed.length
  const events = await eventsUntil(measured.quorum, isThere)
  expect(measured.quorum.members[measured.nodeId]!.recorder.snapshotsLoaded).toBe(1)
  for (let at = 0; at < events + 20; at += Math.max(1, Math.floor(events / 24))) {
    const { quorum, nodeId } = await lagging(2)
    await crashAfter(quorum, nodeId, { events: at, power, until: () => false })
    quorum.restart(nodeId)
    await quorum.until(() => quorum.up.length === 3, 1000)
    await quorum.commit()
    await quorum.settle()
    quorum.done()
  }
})

const SEEDS = Array.from({ length: Number(process.env['RAFT_SEEDS'] ?? 20) }, (_, i) => i + 1)

test.each(SEEDS)('anything goes wrong at random, then nothing any more (seed %i)', async seed => {
  const voterCount = seed % 5 === 0 ? 5 : 3
  const quorum = new QuorumWorld(seed, voterCount, { snapshotEveryEntries: 25 })
  const random = new SeededRandom(seed, 'trouble')
  const { world, voterIds } = quorum
  const down = new Set<number>()
  quorum.startAll()
  quorum.start(9)
  for (let round = 0; round < 120; round++) {
    await world.runFor(random.integer(120))
    const nodeId = random.pick(voterIds)
    const dice = random.integer(13)
    if (dice < 6 && quorum.leader !== undefined) quorum.propose(1 + random.integer(4))
    else if (dice === 6 && down.size < 2 && !down.has(nodeId)) {
      quorum.kill(nodeId, { power: random.chance(0.5), silent: random.chance(0.2) })
      down.add(nodeId)
    } else if (dice <= 8 && down.size > 0) {
      const back = random.pick([...down])
      down.delete(back)
      quorum.restart(back)
    } else if (dice === 9) {
      const others = voterIds.filter(id => id !== nodeId)
      if (random.chance(0.5)) quorum.separate([nodeId], others)
      else world.network.cut(`n${nodeId}`, `n${random.pick(others)}`)
    } else if (dice === 10) world.network.healAll()
    else if (dice === 11) world.host(`n${nodeId}`).pausedUntil = world.now + random.integer(1500)
    else if (dice === 12) world.host(`n${nodeId}`).diskSlowness = random.pick([1, 1, 20, 100])
  }
  world.network.healAll()
  for (const nodeId of voterIds) world.host(`n${nodeId}`).diskSlowness = 1
  for (const nodeId of down) quorum.restart(nodeId)
  await quorum.until(() => quorum.up.length === voterCount + 1, 3000)
  await quorum.commit(2, 10_000)
  await quorum.settle()
  quorum.done()
})
