// DESIGN rule 5: vote and log stand in a database that can lose a damaged block without a word. What does not fit together is refused.
import { describe, expect, test } from 'vitest'
import type { Env, Kv } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { openOneVoter } from './one-voter.ts'
import { payloads, Recorder } from './recorder.ts'

const logger = { log: () => {} }

/** A directory after two starts, with entries of both epochs. */
async function usedDirectory(): Promise<Env> {
  const env = memoryEnv({ logger })
  for (const texts of [
    ['a', 'b'],
    ['c', 'd'],
  ]) {
    await withMeta(env, async meta => {
      const { quorum, recorder } = await start(env, meta)
      let end = 0
      for (const text of texts) end = quorum.propose(payloads(text))
      while (recorder.log.length < end) await new Promise<void>(resolve => (recorder.committedMore = resolve))
      await quorum.close()
    })
  }
  return env
}

async function withMeta(env: Env, body: (meta: Kv) => Promise<void>): Promise<void> {
  const meta = await env.kv.open('/data/meta')
  try {
    await body(meta)
  } finally {
    await meta.close()
  }
}

async function start(env: Env, meta: Kv) {
  const recorder = new Recorder()
  const quorum = await openOneVoter(env, {
    meta,
    fail: error => {
      throw error
    },
  })
  await quorum.start(recorder)
  return { quorum, recorder }
}

async function refusal(env: Env): Promise<{ code: string; message: string } | undefined> {
  let refused: { code: string; message: string } | undefined
  await withMeta(env, async meta => {
    try {
      await (await start(env, meta)).quorum.close()
    } catch (error) {
      refused = error as { code: string; message: string }
    }
  })
  return refused
}

async function keysOf(env: Env, prefix: string): Promise<Buffer[]> {
  const keys: Buffer[] = []
  await withMeta(env, async meta => {
    for await (const [key] of meta.entries({ gte: Buffer.from(prefix), lt: Buffer.from(`${prefix}\xff`, 'latin1') })) keys.push(key)
  })
  return keys
}

async function drop(env: Env, keys: readonly Uint8Array[]): Promise<void> {
  await withMeta(env, meta =>
    meta.batch(
      keys.map(key => ({ type: 'delete', key })),
      { sync: true },
    ),
  )
}

async function overwrite(env: Env, position: number, bytes: Buffer): Promise<void> {
  const file = await env.disk.open('/data/vote', 'readWrite')
  await new Promise<void>(resolve => file.write([bytes], position, () => resolve()))
  await file.close()
}

test('an undamaged directory starts', async () => {
  expect(await refusal(await usedDirectory())).toBeUndefined()
})

describe('a start is refused, and the message says what to do', () => {
  const cases: [string, (env: Env) => Promise<void>, RegExp][] = [
    ['the database lost the vote', env => drop(env, [Buffer.from('raft/vote')]), /epoch 0, number 0.*do not agree/],
    [
      'the database lost the last vote and what came with it',
      async env => {
        const before = memoryEnv({ logger })
        await withMeta(before, async meta => void (await (await start(before, meta)).quorum.close()))
        let old: Buffer | undefined
        await withMeta(before, async meta => void (old = await meta.get(Buffer.from('raft/vote'))))
        await withMeta(env, meta => meta.batch([{ type: 'put', key: Buffer.from('raft/vote'), value: old! }], { sync: true }))
      },
      /do not agree/,
    ],
    ['the vote file is gone', env => env.disk.remove('/data/vote'), /do not agree/],
    ['both slots of the vote file are damaged', env => overwrite(env, 0, Buffer.alloc(8192, 0xee)), /do not agree/],
    ['the log has a hole', async env => drop(env, [(await keysOf(env, 'raft/log/'))[2]!]), /goes on at 3 where 2 is expected/],
    [
      'the log lost its beginning',
      async env => drop(env, (await keysOf(env, 'raft/log/')).slice(0, 2)),
      /goes on at 2 where 0 is expected/,
    ],
    ['the log lost its end', async env => drop(env, (await keysOf(env, 'raft/log/')).slice(-1)), /ends at 5, but 6 was on disk before/],
    ['the log is gone', async env => drop(env, await keysOf(env, 'raft/log/')), /ends at 0, but 6 was on disk before/],
    [
      'an entry is not one of ours',
      async env => {
        const [key] = await keysOf(env, 'raft/log/')
        await withMeta(env, meta => meta.batch([{ type: 'put', key: key!, value: Buffer.from('garbage') }], { sync: true }))
      },
      /metadata log at 0/,
    ],
  ]
  test.each(cases)('%s', async (_name, damage, message) => {
    const env = await usedDirectory()
    await damage(env)
    const refused = await refusal(env)
    expect(refused).toMatchObject({ code: 'ECORRUPT' })
    expect(refused!.message).toMatch(message)
    expect(refused!.message).toMatch(/Restore the directory from a copy, or move it away/)
  })
})

test('one damaged slot of the vote file is what a crash can leave, and no damage', async () => {
  const env = await usedDirectory()
  const file = await env.disk.open('/data/vote', 'read')
  const size = file.size
  await file.close()
  expect(size).toBeGreaterThan(4096)
  // Two starts and two clean ends wrote votes 1 to 4: the last one stands in slot 0, the one before in slot 1.
  await overwrite(env, 4096, Buffer.alloc(64, 0xee))
  expect(await refusal(env)).toBeUndefined()
  const other = await usedDirectory()
  await overwrite(other, 0, Buffer.alloc(64, 0xee))
  expect(await refusal(other)).toBeUndefined()
})
