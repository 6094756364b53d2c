// What waits for a slow disk is written together, and what is on it then is what the log had become.
import { expect, test } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { type EntryBatch, QuorumStore } from '../../src/raft/store.ts'
import { LogWriter, type Written } from '../../src/raft/writer.ts'

function batch(baseOffset: number, epoch: number, ...texts: string[]): EntryBatch {
  return { baseOffset, epoch, payloads: texts.map(text => Buffer.from(text)) }
}

/** Queues while a first write runs, then reads back what is on disk after a power cut. */
async function written(queue: (writer: LogWriter) => void) {
  const world = new SimWorld(1)
  const done: Written[] = []
  const failures: Error[] = []
  await world.run(async () => {
    const env = world.env('n1')
    const meta = await env.kv.open('/data/meta')
    const { store } = await QuorumStore.open(env.disk, { directory: '/data', meta })
    const writer = new LogWriter(store, { endOffset: 0, written: it => void done.push(it), failed: error => void failures.push(error) })
    writer.vote({ epoch: 3, votedFor: 1 })
    writer.append([batch(0, 3, 'a', 'b'), batch(2, 3, 'c')])
    writer.start(() => undefined)
    queue(writer)
    while (done.length < 2 && failures.length === 0) await new Promise<void>(resolve => void env.clock.setTimer(1, resolve))
    await writer.stop()
  })
  expect(failures).toEqual([])
  world.crash('n1', { power: true })
  const log = await world.run(async () => {
    const env = world.restart('n1')
    return (await QuorumStore.open(env.disk, { directory: '/data', meta: await env.kv.open('/data/meta') })).log
  })
  const texts = log.batches.map(({ baseOffset, epoch, payloads }) => `${baseOffset} ${epoch} ${payloads.map(String)}`)
  return { done, texts, vote: log.vote, endOffset: log.endOffset, snapshot: log.snapshot }
}

const FIRST = { vote: { epoch: 3, votedFor: 1 }, endOffset: 3, generation: 0 }

test('votes and batches that wait go together, the last vote counting', async () => {
  const { done, texts, vote } = await written(writer => {
    writer.append([batch(3, 3, 'd')])
    writer.vote({ epoch: 4, votedFor: -1 })
    writer.vote({ epoch: 5, votedFor: 2 })
    writer.append([batch(4, 5, 'e')])
  })
  expect(done).toEqual([FIRST, { vote: { epoch: 5, votedFor: 2 }, endOffset: 5, generation: 0 }])
  expect(texts).toEqual(['0 3 a,b', '2 3 c', '3 3 d', '4 5 e'])
  expect(vote).toMatchObject({ epoch: 5, votedFor: 2, logEndOffset: 5 })
})

test('what was queued and then cut off is never written; what was on disk goes in the same write as what replaces it', async () => {
  const { done, texts, vote, endOffset } = await written(writer => {
    writer.append([batch(3, 3, 'd'), batch(4, 3, 'e')])
    writer.vote({ epoch: 4, votedFor: -1 })
    writer.truncate({ endOffset: 2, generation: 1, removed: [2, 3, 4] })
    writer.append([batch(2, 4, 'x')])
    writer.truncate({ endOffset: 2, generation: 2, removed: [2] })
    writer.append([batch(2, 4, 'y')])
  })
  expect(done).toEqual([FIRST, { vote: { epoch: 4, votedFor: -1 }, endOffset: 3, generation: 2 }])
  expect(texts).toEqual(['0 3 a,b', '2 4 y'])
  expect(vote.logEndOffset).toBe(3)
  expect(endOffset).toBe(3)
})

test('a cut alone is a write, and the vote says how short the log is now', async () => {
  const { done, texts, vote } = await written(writer => writer.truncate({ endOffset: 2, generation: 1, removed: [2] }))
  expect(done).toEqual([FIRST, { vote: undefined, endOffset: 2, generation: 1 }])
  expect(texts).toEqual(['0 3 a,b'])
  expect(vote).toMatchObject({ epoch: 3, votedFor: 1, logEndOffset: 2 })
})

test('the snapshot of a leader waits for what must end before it, and takes the place of everything', async () => {
  const { done, texts, vote, snapshot } = await written(writer => {
    writer.install({ snapshot: { endOffset: 1000, epoch: 3, chunks: [Buffer.from('s')] }, generation: 1, removed: [] })
    expect(writer.isInstalling).toBe(true)
  })
  expect(done).toEqual([FIRST, { vote: undefined, endOffset: 1000, generation: 1 }])
  expect(texts).toEqual([])
  expect(vote).toMatchObject({ epoch: 3, votedFor: 1, logEndOffset: 1000 })
  expect(snapshot).toMatchObject({ endOffset: 1000, epoch: 3 })
})

test('the snapshot of a leader is not written before one of ours is', async () => {
  const world = new SimWorld(2)
  const story: string[] = []
  await world.run(async () => {
    const env = world.env('n1')
    const meta = await env.kv.open('/data/meta')
    const { store } = await QuorumStore.open(env.disk, { directory: '/data', meta })
    const written = new Promise<void>(resolve => {
      const writer = new LogWriter(store, { endOffset: 0, written: () => resolve(void story.push('installed')), failed: () => {} })
      writer.install({ snapshot: { endOffset: 9, epoch: 1, chunks: [Buffer.from('s')] }, generation: 1, removed: [] })
      writer.start(async () => {
        await new Promise<void>(ended => void env.clock.setTimer(500, ended))
        story.push('ours')
      })
    })
    await written
  })
  expect(story).toEqual(['ours', 'installed'])
})
