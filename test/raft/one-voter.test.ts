import { expect, test } from 'vitest'
import type { Env, Kv } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { NOT_CONTROLLER } from '../../src/protocol/errors.ts'
import { AssertionError } from '../../src/util/assert.ts'
import { openOneVoter } from './one-voter.ts'
import { payloads, Recorder } from './recorder.ts'

const logger = { log: () => {} }

async function open(env: Env, snapshotEveryEntries = 1000) {
  const meta = await env.kv.open('/data/meta')
  const failures: Error[] = []
  const quorum = await openOneVoter(env, {
    meta,
    snapshotEveryEntries,
    fail: error => failures.push(error),
  })
  const recorder = new Recorder()
  return {
    quorum,
    recorder,
    meta,
    failures,
    start: () => quorum.start(recorder),
    async until(condition: () => boolean) {
      while (!condition()) await new Promise<void>(resolve => (recorder.committedMore = resolve))
    },
    async close() {
      await quorum.close()
      await meta.close()
    },
  }
}

test('a start leads in a new epoch, and its first entry is empty', async () => {
  const env = memoryEnv({ logger })
  for (const epoch of [1, 2, 3]) {
    const voter = await open(env)
    expect(voter.quorum.isLeader).toBe(false)
    await voter.start()
    expect(voter.recorder.leaderships.filter(({ isLeader }) => isLeader)).toEqual([{ epoch, leaderId: 1, isLeader: true }])
    expect(voter.quorum).toMatchObject({ epoch, leaderId: 1, isLeader: true })
    await voter.until(() => voter.recorder.log.at(-1) === `${epoch}:`)
    await voter.close()
  }
})

test('proposals of one event and of one flush are on disk together, in order, and are handed over whole', async () => {
  const env = memoryEnv({ logger })
  const voter = await open(env)
  await voter.start()
  await voter.until(() => voter.recorder.log.length === 1)
  let syncs = 0
  const batch = voter.meta.batch.bind(voter.meta)
  voter.meta.batch = (...args: Parameters<Kv['batch']>) => {
    syncs++
    return batch(...args)
  }
  expect(voter.quorum.propose(payloads('a', 'b'))).toBe(3)
  expect(voter.quorum.propose(payloads('c'))).toBe(4)
  expect(voter.quorum.committedOffset).toBe(1)
  await voter.until(() => voter.recorder.log.length === 4)
  expect(voter.recorder.log).toEqual(['1:', '1:a', '1:b', '1:c'])
  expect(syncs).toBe(1)
  await voter.close()
})

test('who does not lead may not propose', async () => {
  const voter = await open(memoryEnv({ logger }))
  expect(() => voter.quorum.propose(payloads('a'))).toThrow(expect.objectContaining({ code: NOT_CONTROLLER }))
  await voter.start()
  expect(() => voter.quorum.propose([])).toThrow(AssertionError)
  expect(() => voter.quorum.propose(payloads('a', ''))).toThrow(AssertionError)
  await voter.close()
  expect(() => voter.quorum.propose(payloads('a'))).toThrow(expect.objectContaining({ code: NOT_CONTROLLER }))
})

test('the log does not grow for ever: a snapshot replaces its beginning, and a start loads both', async () => {
  const env = memoryEnv({ logger })
  const voter = await open(env, 10)
  await voter.start()
  for (let i = 0; i < 100; i++) {
    const end = voter.quorum.propose(payloads(`${i}`))
    await voter.until(() => voter.recorder.log.length >= end)
  }
  await voter.close()
  expect(voter.recorder.snapshotsTaken).toBeGreaterThanOrEqual(9)

  const again = await open(env, 10)
  let left = 0
  for await (const _ of again.meta.entries({ gte: Buffer.from('raft/'), lt: Buffer.from('raft0') })) left++
  expect(left).toBeLessThan(20)
  await again.start()
  expect(again.recorder.snapshotsLoaded).toBe(1)
  expect(again.recorder.log.slice(0, 101)).toEqual(voter.recorder.log)
  await again.close()
})

test('a failed write is told once, ends leadership, and nothing is written after it', async () => {
  const voter = await open(memoryEnv({ logger }))
  await voter.start()
  await voter.until(() => voter.recorder.log.length === 1)
  let writes = 0
  voter.meta.batch = () => {
    writes++
    return Promise.reject(new Error('disk on fire'))
  }
  voter.quorum.propose(payloads('a'))
  voter.quorum.propose(payloads('b'))
  while (voter.failures.length === 0) await new Promise(resolve => setImmediate(resolve))
  expect(voter.recorder.leaderships.at(-1)).toEqual({ epoch: 1, leaderId: -1, isLeader: false })
  expect(() => voter.quorum.propose(payloads('c'))).toThrow()
  await voter.close()
  expect(voter.failures.map(error => error.message)).toEqual(['disk on fire'])
  expect(writes).toBe(1)
  expect(voter.recorder.log).toEqual(['1:'])
})
