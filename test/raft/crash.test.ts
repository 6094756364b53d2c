// The process is killed, or its machine loses power, after every single event of a life that starts, proposes, takes snapshots and closes. The next
// life must hold everything that was handed over, whole proposals only, and lead in an epoch nobody has seen.
import { expect, test } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { openOneVoter } from './one-voter.ts'
import { payloads, Recorder } from './recorder.ts'

interface Life {
  readonly recorder: Recorder
  done: boolean
  epoch: number
}

function live(world: SimWorld, o: { proposals: number }): Life {
  const env = world.env('n1')
  const life: Life = { recorder: new Recorder(), done: false, epoch: -1 }
  const body = async () => {
    const meta = await env.kv.open('/data/meta')
    const fail = (error: Error) => void world.failures.push({ host: 'n1', error })
    const quorum = await openOneVoter(env, { meta, snapshotEveryEntries: 6, fail })
    await quorum.start(life.recorder)
    life.epoch = quorum.epoch
    let end = quorum.logEndOffset
    for (let i = 0; i < o.proposals; i++) {
      const texts = Array.from({ length: 1 + (i % 3) }, (_, nth) => `${i}.${nth}/${i % 3}`)
      end = quorum.propose(payloads(...texts))
      if (i % 4 === 3) await until(life.recorder, end)
    }
    await until(life.recorder, end)
    await quorum.close()
    await meta.close()
    life.done = true
  }
  body().catch(error => world.failures.push({ host: 'n1', error }))
  return life
}

async function until(recorder: Recorder, end: number): Promise<void> {
  while (recorder.log.length < end) await new Promise<void>(resolve => (recorder.committedMore = resolve))
}

/** @returns whether the crash came before the life was over */
async function liveUntilEvent(world: SimWorld, life: Life, crashAt: number, power: boolean): Promise<boolean> {
  const first = world.eventCount
  while (!life.done) {
    if (world.eventCount - first >= crashAt) {
      world.crash('n1', { power })
      return true
    }
    if (!(await world.step())) throw new Error('stalled')
  }
  return false
}

/** `i.n/k`: the n-th of k + 1 entries of a proposal. */
function assertWholeProposals(log: readonly string[]): void {
  for (const [offset, entry] of log.entries()) {
    const [, text] = entry.split(':') as [string, string]
    const match = /^(\d+)\.(\d+)\/(\d+)$/.exec(text)
    if (match === null) continue
    const [, proposal, nth, last] = match
    if (nth === last) continue
    expect(log[offset + 1]?.split(':')[1]).toBe(`${proposal}.${Number(nth) + 1}/${last}`)
  }
}

test.each([
  ['killed', [false]],
  ['without power', [true]],
  ['killed and then without power', [false, true]],
] as const)('nothing handed over is lost and no epoch is led in twice: %s after every event', async (_name, powers) => {
  let crashes = 0
  for (let crashAt = 0, crashed = true; crashed; crashAt++) {
    const world = new SimWorld(1000 + crashAt)
    const lives: Life[] = []
    const epochs = new Set<number>()
    // The second life crashes too, earlier: a crash during recovery.
    for (const [number, at] of [crashAt, Math.floor(crashAt / 3), Number.POSITIVE_INFINITY].entries()) {
      const power = powers[number % powers.length]!
      const life = live(world, { proposals: 14 })
      const died = await liveUntilEvent(world, life, at, power)
      if (at === crashAt) crashed = died
      for (const { epoch, isLeader } of life.recorder.leaderships) {
        if (!isLeader) continue
        expect(epochs.has(epoch)).toBe(false)
        for (const earlier of epochs) expect(epoch).toBeGreaterThan(earlier)
        epochs.add(epoch)
      }
      assertWholeProposals(life.recorder.log)
      for (const before of lives) {
        const known = before.recorder.log.length
        // A life that died while it still started may have been given less than the one before had.
        if (life.epoch !== -1 || life.recorder.log.length >= known) expect(life.recorder.log.slice(0, known)).toEqual(before.recorder.log)
      }
      lives.push(life)
      if (died) {
        crashes++
        world.restart('n1')
      } else if (at !== Number.POSITIVE_INFINITY) {
        world.crash('n1', { power })
        world.restart('n1')
      }
    }
    expect(lives.at(-1)!.done).toBe(true)
    expect(world.failures).toEqual([])
  }
  expect(crashes).toBeGreaterThan(40)
})

test('two crashes in a row while starting, a kill and then a power cut, at every pair of events', async () => {
  for (let pair = 0; pair < 24 * 24; pair++) {
    const world = new SimWorld(pair)
    const epochs: number[] = []
    for (const [at, power] of [
      [Math.floor(pair / 24), false],
      [pair % 24, true],
      [Number.POSITIVE_INFINITY, true],
    ] as const) {
      const life = live(world, { proposals: 1 })
      await liveUntilEvent(world, life, at, power)
      for (const { epoch, isLeader } of life.recorder.leaderships) if (isLeader) epochs.push(epoch)
      world.crash('n1', { power })
      world.restart('n1')
    }
    expect(world.failures.map(({ error }) => String(error))).toEqual([])
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
  }
})

test.each(['write', 'flush', 'batch', 'open', 'syncDirectory'] as const)(
  'a failing %s stops the node and loses nothing handed over',
  async operation => {
    for (let skip = 0; skip < 12; skip++) {
      const world = new SimWorld(skip)
      const first = live(world, { proposals: 14 })
      for (let events = 0; events < skip * 3 && !first.done; events++) await world.step()
      world.host('n1').storage.failNext({ operation, code: 'EIO' })
      while (!first.done && world.failures.length === 0) if (!(await world.step())) break
      world.crash('n1', { power: true })
      world.host('n1').storage.heal()
      world.restart('n1')
      world.failures.length = 0
      const second = live(world, { proposals: 2 })
      await liveUntilEvent(world, second, Number.POSITIVE_INFINITY, true)
      expect(second.recorder.log.slice(0, first.recorder.log.length)).toEqual(first.recorder.log)
      expect(second.epoch).toBeGreaterThan(first.epoch)
      expect(world.failures).toEqual([])
    }
  },
)
