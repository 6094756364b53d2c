import { describe, expect, test } from 'vitest'
import type { DiskFile, Env, Kv } from '../../src/env/env.ts'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { SimWorld } from '../../src/env/sim/world.ts'

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1)

function write(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => file.write([bytes], position, error => (error === undefined ? resolve() : reject(error))))
}

function flush(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => file.flush(error => (error === undefined ? resolve() : reject(error))))
}

async function readAll(env: Env, path: string): Promise<Buffer> {
  const file = await env.disk.open(path, 'read')
  return file.read(0, file.size)
}

/** Appends patterned pieces for ever, flushing now and then; reports how far it got. */
async function appendForEver(env: Env, path: string, progress: { written: number; flushed: number }, random: SeededRandom): Promise<void> {
  const file = await env.disk.open(path, 'create')
  await env.disk.syncDirectory('/data')
  for (let position = 0; ; ) {
    const piece = pattern(position, 1 + random.integer(6000))
    await write(file, piece, position)
    position += piece.length
    progress.written = position
    if (!random.chance(0.3)) continue
    await flush(file)
    progress.flushed = position
  }
}

function pattern(position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((position + i) % 251)
  return bytes
}

async function appendUntilCrash(seed: number, power: boolean) {
  const world = new SimWorld(seed)
  const random = world.stream('test')
  const progress = { written: 0, flushed: 0 }
  const env = world.env('alpha')
  await world.run(async () => {
    await env.disk.makeDirectory('/data')
    await env.disk.syncDirectory('/')
  })
  void appendForEver(env, '/data/log', progress, random)
  await world.runFor(20 + random.integer(100))
  world.crash('alpha', { power })
  const next = world.restart('alpha')
  const bytes = await world.run(() => readAll(next, '/data/log'))
  return { ...progress, bytes }
}

describe('a power cut', () => {
  test.each(SEEDS)('keeps what was flushed, seed %i', async seed => {
    const { bytes, flushed } = await appendUntilCrash(seed, true)
    expect(bytes.subarray(0, flushed).equals(pattern(0, flushed))).toBe(true)
  })

  test('may lose what was not: as a suffix, torn, or in holes of pages', async () => {
    let lost = 0
    let kept = 0
    let holes = 0
    for (const seed of SEEDS) {
      const { bytes, flushed, written } = await appendUntilCrash(seed, true)
      if (bytes.length < written) lost++
      if (bytes.length > flushed) kept++
      const firstHole = bytes.indexOf(0, flushed)
      if (firstHole >= 0 && bytes.subarray(firstHole).some(byte => byte !== 0)) holes++
    }
    expect(lost).toBeGreaterThan(5)
    expect(kept).toBeGreaterThan(5)
    expect(holes).toBeGreaterThan(0)
  })

  test('may undo names that were not synced, and none that were', async () => {
    let vanished = 0
    let came = 0
    for (const seed of SEEDS) {
      const world = new SimWorld(seed)
      const env = world.env('alpha')
      await world.run(async () => {
        await env.disk.makeDirectory('/data/kept')
        await env.disk.syncDirectory('/')
        await env.disk.syncDirectory('/data')
        await (await env.disk.open('/data/kept/synced', 'create')).close()
        await env.disk.rename('/data/kept/synced', '/data/kept/renamed')
        await env.disk.syncDirectory('/data/kept')
        const file = await env.disk.open('/data/loose', 'create')
        await flush(file)
        await env.disk.rename('/data/kept/renamed', '/data/moved')
      })
      world.crash('alpha', { power: true })
      const next = world.restart('alpha')
      const names = await world.run(async () =>
        [...(await next.disk.list('/data')), ...(await next.disk.list('/data/kept'))].map(entry => entry.name),
      )
      expect(names).toContain('kept')
      // The move survives as a whole or not at all.
      expect(names.filter(name => name === 'renamed' || name === 'moved').length).toBe(1)
      if (names.includes('loose')) came++
      else vanished++
    }
    expect(vanished).toBeGreaterThan(5)
    expect(came).toBeGreaterThan(5)
  })

  test('a failed flush may lose its writes for good, even when a later flush succeeds', async () => {
    let lost = 0
    for (const seed of SEEDS) {
      const world = new SimWorld(seed)
      const env = world.env('alpha')
      await world.run(async () => {
        const file = await env.disk.open('/log', 'create')
        await env.disk.syncDirectory('/')
        await write(file, Buffer.alloc(100, 1), 0)
        world.host('alpha').storage.failNext({ operation: 'flush', code: 'EIO' })
        await expect(flush(file)).rejects.toMatchObject({ code: 'EIO' })
        await flush(file)
      })
      world.crash('alpha', { power: true })
      const next = world.restart('alpha')
      if ((await world.run(() => readAll(next, '/log'))).length < 100) lost++
    }
    expect(lost).toBeGreaterThan(0)
  })
})

describe('a kill without a power cut', () => {
  test.each(SEEDS.slice(0, 20))('keeps every finished write, seed %i', async seed => {
    const { bytes, written } = await appendUntilCrash(seed, false)
    expect(bytes.subarray(0, written).equals(pattern(0, written))).toBe(true)
  })
})

const keyOf = (i: number) => Buffer.from(String(i).padStart(6, '0'))

async function batchUntilCrash(seed: number, power: boolean) {
  const world = new SimWorld(seed)
  const random = world.stream('test')
  const progress = { done: 0, synced: 0 }
  const env = world.env('alpha')
  const body = async (kv: Kv) => {
    for (let i = 0; ; i++) {
      const sync = random.chance(0.2)
      // Each batch deletes what the one before put, and moves a counter.
      const settled = kv.batch(
        [
          { type: 'put', key: keyOf(i + 1), value: Buffer.from([1]) },
          { type: 'delete', key: keyOf(i) },
          { type: 'put', key: Buffer.from('count'), value: Buffer.from(String(i + 1)) },
        ],
        { sync },
      )
      const note = settled.then(() => {
        progress.done = Math.max(progress.done, i + 1)
        if (sync) progress.synced = Math.max(progress.synced, i + 1)
      })
      if (random.chance(0.5)) await note
    }
  }
  void env.kv.open('/data/store').then(body)
  await world.runFor(10 + random.integer(60))
  world.crash('alpha', { power })
  const next = world.restart('alpha')
  return world.run(async () => {
    const kv = await next.kv.open('/data/store')
    const count = Number((await kv.get(Buffer.from('count'))) ?? 0)
    const keys: string[] = []
    for await (const [key] of kv.entries({ lt: Buffer.from('a') })) keys.push(key.toString())
    return { ...progress, count, keys }
  })
}

describe('a store', () => {
  test.each(SEEDS)('is, after a power cut, as after one of the batches since the last synced one, seed %i', async seed => {
    const { count, synced, keys } = await batchUntilCrash(seed, true)
    expect(count).toBeGreaterThanOrEqual(synced)
    expect(keys).toEqual(count === 0 ? [] : [keyOf(count).toString()])
  })

  test.each(SEEDS.slice(0, 20))('keeps every settled batch when only the process dies, seed %i', async seed => {
    const { count, done, keys } = await batchUntilCrash(seed, false)
    expect(count).toBeGreaterThanOrEqual(done)
    expect(keys).toEqual(count === 0 ? [] : [keyOf(count).toString()])
  })

  test('loses unsynced batches on some seed', async () => {
    let lost = 0
    for (const seed of SEEDS) {
      const { count, done } = await batchUntilCrash(seed, true)
      if (count < done) lost++
    }
    expect(lost).toBeGreaterThan(5)
  })
})

test('a stream of randomness does not depend on the draws of another', () => {
  const world = new SimWorld(9)
  const first = world.stream('a')
  for (let i = 0; i < 100; i++) first.next()
  const second = world.stream('b')
  const alone = new SeededRandom(9, 'b')
  expect([second.next(), second.next()]).toEqual([alone.next(), alone.next()])
})
