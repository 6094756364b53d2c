// Three drivers over the internal listener in simulated worlds: they elect, replicate, lose their leader, and take what they missed.
import { expect, test } from 'vitest'
import { QuorumWorld } from './quorum-world.ts'

const SEEDS = Array.from({ length: 5 }, (_, i) => i + 1)

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

test.each(SEEDS)('all are killed at once, and the next leader has an epoch nobody has seen (seed %i)', async seed => {
  const quorum = await started(seed)
  for (let round = 0; round < 3; round++) {
    quorum.propose(2)
    for (const nodeId of quorum.voterIds) quorum.kill(nodeId, { power: round % 2 === 0 })
    for (const nodeId of quorum.voterIds) quorum.restart(nodeId)
    await quorum.commit(3)
  }
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('what a cut-off leader has beyond the others is cut off its disk, and stays off after a restart (seed %i)', async seed => {
  const quorum = await started(seed)
  const first = quorum.leader!.nodeId
  const others = quorum.voterIds.filter(id => id !== first)
  quorum.separate([first], others)
  for (let i = 0; i < 5; i++) {
    quorum.propose(2)
    await quorum.world.runFor(20)
  }
  const longEnd = quorum.members[first]!.driver.logEndOffset
  await quorum.until(() => quorum.up.some(({ nodeId, driver }) => nodeId !== first && driver.isLeader), 5000)
  await quorum.commit()
  await quorum.until(() => !quorum.members[first]!.driver.isLeader, 2000)
  expect(longEnd).toBeGreaterThan(quorum.agreed.length)
  quorum.world.network.healAll()
  await quorum.settle()
  await quorum.commit()
  await quorum.settle()
  quorum.kill(first, { power: true })
  quorum.restart(first)
  await quorum.until(() => quorum.up.length === 3, 1000)
  await quorum.settle()
  await quorum.commit(4)
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('a voter that missed more than the log holds is given a snapshot, in parts (seed %i)', async seed => {
  const quorum = await started(seed, { snapshotEveryEntries: 30 })
  const behind = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  quorum.kill(behind)
  // More than is kept in memory, so that the snapshot is needed.
  for (let i = 0; i < 40; i++) {
    quorum.leader!.driver.propose([Buffer.alloc(64 * 1024, `${i}`)])
    await quorum.commit(3)
  }
  quorum.restart(behind)
  await quorum.until(() => quorum.members[behind] !== undefined, 1000)
  const { recorder } = quorum.members[behind]!
  await quorum.settle()
  expect(recorder.snapshotsLoaded).toBeGreaterThan(0)
  await quorum.commit()
  await quorum.settle()
  quorum.kill(behind, { power: true })
  quorum.restart(behind)
  await quorum.until(() => quorum.up.length === 3, 1000)
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('a snapshot takes the place of a longer log that was never agreed on (seed %i)', async seed => {
  const quorum = await started(seed, { snapshotEveryEntries: 30 })
  const first = quorum.leader!.nodeId
  const others = quorum.voterIds.filter(id => id !== first)
  quorum.separate([first], others)
  for (let i = 0; i < 60; i++) quorum.propose(2)
  await quorum.until(() => quorum.up.some(({ nodeId, driver }) => nodeId !== first && driver.isLeader), 5000)
  for (let i = 0; i < 14; i++) {
    quorum.leader!.driver.propose([Buffer.alloc(128 * 1024, `${i}`)])
    await quorum.commit(2)
  }
  await quorum.until(() => !quorum.members[first]!.driver.isLeader, 3000)
  expect(quorum.members[first]!.driver.logEndOffset).toBeGreaterThan(quorum.agreed.length)
  quorum.world.network.healAll()
  await quorum.settle()
  expect(quorum.members[first]!.recorder.snapshotsLoaded).toBe(1)
  quorum.kill(first, { power: true })
  quorum.restart(first)
  await quorum.until(() => quorum.up.length === 3, 1000)
  await quorum.commit()
  await quorum.settle()
  quorum.done()
})

test('a voter that is a little behind a snapshot is spared it', async () => {
  const quorum = await started(4, { snapshotEveryEntries: 30 })
  const behind = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  quorum.kill(behind)
  for (let i = 0; i < 40; i++) await quorum.commit()
  expect(quorum.leader!.recorder.snapshotsTaken).toBeGreaterThan(0)
  quorum.restart(behind)
  await quorum.until(() => quorum.members[behind] !== undefined, 1000)
  await quorum.settle()
  expect(quorum.members[behind]!.recorder.snapshotsLoaded).toBe(0)
  quorum.done()
})

test('what was kept for those behind a snapshot is kept until the next one, however much is added', async () => {
  const quorum = await started(6, { snapshotEveryEntries: 30 })
  const behind = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  for (let i = 0; i < 5; i++) await quorum.commit()
  quorum.kill(behind)
  while (quorum.leader!.recorder.snapshotsTaken === 0) await quorum.commit()
  for (let i = 0; i < 10; i++) {
    quorum.leader!.driver.propose([Buffer.alloc(256 * 1024, `${i}`)])
    await quorum.commit()
  }
  expect(quorum.leader!.recorder.snapshotsTaken).toBe(1)
  quorum.restart(behind)
  await quorum.until(() => quorum.members[behind] !== undefined, 1000)
  await quorum.settle(1000)
  expect(quorum.members[behind]!.recorder.snapshotsLoaded).toBe(0)
  quorum.done()
})

test.each(SEEDS)('a voter far behind is served from the disk, a bounded part at a time (seed %i)', async seed => {
  const quorum = await started(seed, { snapshotEveryEntries: 100_000 })
  const behind = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  quorum.kill(behind)
  for (let i = 0; i < 30; i++) {
    for (let nth = 0; nth < 4; nth++) quorum.leader!.driver.propose([Buffer.alloc(64 * 1024, `${i}/${nth}`)])
    await quorum.commit()
  }
  quorum.restart(behind)
  await quorum.until(() => quorum.members[behind] !== undefined, 1000)
  await quorum.settle()
  expect(quorum.members[behind]!.recorder.snapshotsLoaded).toBe(0)
  quorum.done()
})

test.each(SEEDS)('a blank node under an old id observes and never votes (seed %i)', async seed => {
  const quorum = await started(seed)
  const lost = quorum.up.find(({ driver }) => !driver.isLeader)!.nodeId
  quorum.kill(lost)
  quorum.restart(lost, { directoryId: 'a new one' })
  await quorum.until(() => quorum.members[lost] !== undefined, 1000)
  await quorum.commit()
  await quorum.settle()
  const { observers, voters } = quorum.leader!.driver.describe()
  expect(observers).toMatchObject([{ nodeId: lost, directoryId: 'a new one' }])
  expect(voters.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3])
  expect(voters.find(({ nodeId }) => nodeId === lost)).toMatchObject({ directoryId: `directory-${lost}` })
  // With the leader gone, one voter is left: no majority, however long.
  quorum.kill(quorum.leader!.nodeId)
  await quorum.world.runFor(3000)
  expect(quorum.leader).toBeUndefined()
  quorum.done()
})

test.each(SEEDS)('an observer is given everything, also from another leader, and is described (seed %i)', async seed => {
  const quorum = await started(seed)
  quorum.start(7)
  await quorum.until(() => quorum.members[7] !== undefined, 1000)
  for (let i = 0; i < 5; i++) await quorum.commit(2)
  await quorum.settle()
  quorum.kill(quorum.leader!.nodeId)
  await quorum.commit()
  await quorum.settle()
  await quorum.world.runFor(1000)
  const told = quorum.leader!.driver.describe()
  expect(told.leaderId).toBe(quorum.leader!.nodeId)
  expect(told.highWatermark).toBe(quorum.agreed.length)
  expect(told.observers).toMatchObject([{ nodeId: 7, directoryId: 'directory-7', logEndOffset: quorum.agreed.length }])
  const wall = quorum.world.env('n7').clock.wallTime()
  for (const { lastFetchMs, lastCaughtUpMs } of told.observers) {
    expect(wall - lastFetchMs).toBeLessThan(1000)
    expect(wall - lastCaughtUpMs).toBeLessThan(1000)
  }
  expect(quorum.members[7]!.driver.describe()).toMatchObject({
    leaderId: told.leaderId,
    voters: [{ nodeId: 1 }, { nodeId: 2 }, { nodeId: 3 }],
  })
  quorum.done()
})

test.each(SEEDS)('a leader that resigns is replaced at once, without a silence (seed %i)', async seed => {
  const quorum = await started(seed)
  const first = quorum.leader!
  first.driver.resign()
  expect(first.driver.isLeader).toBe(false)
  expect(await quorum.untilLeader()).toBeLessThan(60)
  expect(quorum.leader!.nodeId).not.toBe(first.nodeId)
  await quorum.commit()
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('an orderly end of the leader costs hardly any time, and all start again where they were (seed %i)', async seed => {
  const quorum = await started(seed)
  const leader = quorum.leader!
  leader.driver.resign()
  const closing = leader.close()
  await quorum.commit()
  await quorum.world.run(() => closing)
  for (const { close } of quorum.up) await quorum.world.run(close)
  for (const nodeId of quorum.voterIds) quorum.kill(nodeId)
  for (const nodeId of quorum.voterIds) quorum.restart(nodeId)
  await quorum.commit()
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('a process that stands still for seconds neither loses entries nor starts a storm of elections (seed %i)', async seed => {
  const quorum = await started(seed)
  const epoch = quorum.leader!.driver.epoch
  for (const { host, driver } of quorum.up) if (!driver.isLeader) quorum.world.host(host).pausedUntil = quorum.world.now + 700
  await quorum.world.runFor(2000)
  await quorum.commit()
  expect(quorum.leader!.driver.epoch).toBe(epoch)
  quorum.world.host(quorum.leader!.host).pausedUntil = quorum.world.now + 4000
  await quorum.world.runFor(5000)
  await quorum.commit()
  await quorum.settle()
  expect(quorum.leader!.driver.epoch).toBeLessThanOrEqual(epoch + 2)
  quorum.done()
})

test.each(SEEDS)('proposals of one turn travel and become durable together, and are never split (seed %i)', async seed => {
  const quorum = await started(seed)
  const { driver, recorder } = quorum.leader!
  const before = recorder.calls.length
  const ends = [3, 1, 4, 1, 5].map(count => {
    quorum.propose(count)
    return driver.logEndOffset
  })
  await quorum.until(() => driver.committedOffset === ends.at(-1), 1000)
  for (const end of recorder.calls.slice(before)) expect(ends).toContain(end)
  expect(recorder.calls.length - before).toBe(1)
  await quorum.settle()
  quorum.done()
})

test.each(SEEDS)('an append whose disk fails stops that node alone (seed %i)', async seed => {
  const quorum = await started(seed)
  const leader = quorum.leader!.nodeId
  quorum.world.host(`n${leader}`).storage.failNext({ operation: 'batch', code: 'EIO' })
  quorum.propose()
  await quorum.until(() => quorum.world.failures.length === 1, 1000)
  expect(quorum.world.failures.map(({ host }) => host)).toEqual([`n${leader}`])
  expect(quorum.members[leader]!.driver.isLeader).toBe(false)
  quorum.world.failures.length = 0
  quorum.kill(leader)
  await quorum.commit()
  quorum.done()
})

test('a node that was a quorum of one opens unchanged as one of three', async () => {
  const quorum = new QuorumWorld(3, 1)
  quorum.startAll()
  for (let i = 0; i < 5; i++) await quorum.commit(2)
  await quorum.world.run(quorum.members[1]!.close)
  const known = [...quorum.agreed]
  const grown = new QuorumWorld(3, 3)
  // The same disk in a world of three.
  const from = quorum.world.host('n1').storage
  Object.assign(grown.world.host('n1'), { storage: from })
  grown.world.host('n1').crash({ power: false })
  grown.restart(1)
  for (const nodeId of [2, 3]) grown.start(nodeId)
  await grown.commit()
  await grown.settle()
  expect(grown.agreed.slice(0, known.length)).toEqual(known)
  grown.acknowledged.length = 0
  grown.done()
})

test.each(SEEDS)('a quorum of one serves observers, what it keeps no more from the disk and by snapshot (seed %i)', async seed => {
  const quorum = new QuorumWorld(seed, 1, seed % 2 === 0 ? { snapshotEveryEntries: 40 } : {})
  quorum.startAll()
  for (let i = 0; i < 30; i++) await quorum.commit(2)
  quorum.start(7)
  await quorum.until(() => quorum.members[7]?.recorder.log.length === quorum.agreed.length, 2000)
  expect(quorum.members[7]!.recorder.snapshotsLoaded).toBe(seed % 2 === 0 ? 1 : 0)
  for (let i = 0; i < 50; i++) await quorum.commit(2)
  await quorum.settle()
  quorum.kill(1)
  quorum.restart(1)
  await quorum.commit()
  await quorum.settle()
  quorum.done()
})
