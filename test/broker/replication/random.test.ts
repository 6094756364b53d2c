// Brokers, links and the controller's decisions at random: what was acknowledged is never lost, logs are equal below the high watermark, which never moves
// back within an epoch.
import { expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import type { SeededRandom } from '../../../src/env/sim/random.ts'
import { NONE } from '../../../src/protocol/errors.ts'
import { ReplicationLab } from './lab.ts'

const SEEDS = Number(process.env['SEEDS'] ?? 24)
const FIRST_SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = 60
const IDS = [1, 2, 3]

class Story {
  readonly lab: ReplicationLab
  readonly #random: SeededRandom
  /** Value by offset. */
  readonly #acked = new Map<number, string>()
  readonly #highWatermarks = new Map<string, number>()
  readonly #down = new Set<number>()
  readonly #isolated = new Set<number>()
  #count = 0

  constructor(seed: number) {
    this.lab = new ReplicationLab(seed, { minInsyncReplicas: 2, config: { segmentBytes: 600 } })
    this.#random = this.lab.world.stream('story')
    this.lab.world.afterEvent = () => this.#checkHighWatermarks()
  }

  async tell(): Promise<void> {
    const { lab } = this
    await lab.start()
    await lab.createTopic([IDS])
    for (let round = 0; round < ROUNDS; round++) {
      await this.#something()
      await sleep(lab.clock, this.#random.fraction() * 40)
      lab.check()
    }
    for (const id of this.#isolated) lab.isolate(id, false)
    this.#isolated.clear()
    lab.cut.clear()
    for (const id of [...this.#down]) await this.#restart(id)
    this.#electIfNone()
    await lab.until(() => lab.state().isr.length === IDS.length, 60_000)
    await lab.settled()
    const leader = lab.replica(lab.state().leader)
    const end = lab.append(leader, 'end')
    expect(await lab.acked(leader, end)).toBe(NONE)
    await lab.until(() => IDS.every(id => lab.replica(id).highWatermark === end))
    const expected = await lab.values(leader)
    for (const id of IDS) expect(await lab.values(lab.replica(id))).toEqual(expected)
    for (const [offset, value] of this.#acked) expect([offset, expected[offset]]).toEqual([offset, value])
    lab.check()
  }

  get acked(): number {
    return this.#acked.size
  }

  #something(): Promise<void> | void {
    const dice = this.#random.integer(20)
    if (dice < 11) return this.#append()
    if (dice === 11) return this.#crash()
    if (dice <= 14) return this.#restartOne()
    if (dice === 15) return this.#random.chance(0.5) ? this.#isolateOne() : this.#deafenOne()
    if (dice <= 17) return this.#healOne()
    if (dice === 18) return this.#electAnother()
    return this.#loseMessages()
  }

  #append(): void {
    const { lab } = this
    for (const [id, broker] of lab.brokers) {
      const replica = [...broker.replicas.all()][0]
      if (replica?.leader === undefined || !replica.takesAcksAll) continue
      const value = `${this.#count++} by ${id} in ${replica.leader.leaderEpoch}`
      const end = lab.append(replica, value)
      void lab.acked(replica, end).then(errorCode => {
        if (errorCode !== NONE) return
        const before = this.#acked.get(end - 1)
        if (before !== undefined) throw new Error(`offset ${end - 1} acknowledged twice: ${before}, ${value}`)
        this.#acked.set(end - 1, value)
      })
    }
  }

  async #crash(): Promise<void> {
    const up = IDS.filter(id => !this.#down.has(id))
    if (up.length < 2) return
    const id = up[this.#random.integer(up.length)]!
    this.#down.add(id)
    this.lab.crash(id, { power: this.#random.chance(0.5) })
    if (this.#random.chance(0.5)) await sleep(this.lab.clock, this.#random.fraction() * 200)
    this.#leaves(id)
  }

  /** The controller fences it: the last member stays in the set, and waits to come back. */
  #leaves(id: number): void {
    const { isr, leader } = this.lab.state()
    const left = isr.filter(member => member !== id)
    if (left.length === 0) this.lab.change({ leader: -1 })
    else if (leader === id) this.lab.change({ isr: left, leader: this.#someAlive(left) })
    else if (isr.includes(id)) this.lab.change({ isr: left })
    this.#electIfNone()
  }

  #someAlive(ids: readonly number[]): number {
    const alive = ids.filter(id => !this.#down.has(id))
    return alive.length === 0 ? -1 : alive[this.#random.integer(alive.length)]!
  }

  #electIfNone(): void {
    const { leader, isr } = this.lab.state()
    const next = this.#someAlive(isr)
    if (leader === -1 && next !== -1) this.lab.change({ leader: next })
  }

  async #restartOne(): Promise<void> {
    const [id] = this.#down
    if (id !== undefined) await this.#restart(id)
  }

  async #restart(id: number): Promise<void> {
    this.#down.delete(id)
    await this.lab.restart(id)
    if (this.lab.state().leader === id) this.lab.change({ leader: id })
    this.#electIfNone()
  }

  #isolateOne(): void {
    const ids = IDS.filter(id => !this.#down.has(id) && !this.#isolated.has(id))
    const id = ids[this.#random.integer(Math.max(1, ids.length))]
    if (id === undefined || this.#isolated.size > 0) return
    this.#isolated.add(id)
    this.lab.isolate(id)
    const { leader, isr } = this.lab.state()
    const others = isr.filter(member => member !== id && !this.#down.has(member))
    if (leader === id && others.length > 0) this.lab.change({ isr: others, leader: others[0]! })
  }

  /** It hears of the metadata log later; everything else goes on. */
  async #deafenOne(): Promise<void> {
    const id = 1 + this.#random.integer(3)
    if (this.#down.has(id) || this.#isolated.has(id)) return
    this.lab.deaf.add(id)
    if (this.#random.chance(0.7)) this.#electAnother()
    for (let i = 0; i < 3; i++) {
      this.#append()
      await sleep(this.lab.clock, this.#random.fraction() * 50)
    }
    this.lab.deaf.delete(id)
    this.lab.broker(id).catchUp()
  }

  #healOne(): void {
    for (const id of this.#isolated) {
      this.#isolated.delete(id)
      if (!this.#down.has(id)) this.lab.isolate(id, false)
    }
  }

  #electAnother(): void {
    const { leader, isr } = this.lab.state()
    const others = isr.filter(id => id !== leader && !this.#down.has(id))
    if (others.length > 0) this.lab.change({ leader: others[this.#random.integer(others.length)]! })
  }

  async #loseMessages(): Promise<void> {
    const [from, to] = [1 + this.#random.integer(3), 1 + this.#random.integer(3)]
    this.lab.cut.add(`${from}>${to}`)
    await sleep(this.lab.clock, this.#random.fraction() * 100)
    if (!this.#isolated.has(from) && !this.#isolated.has(to)) this.lab.cut.delete(`${from}>${to}`)
  }

  #checkHighWatermarks(): void {
    for (const [id, broker] of this.lab.brokers) {
      if (broker.replicas === undefined) continue
      for (const { leader } of broker.replicas.all()) {
        if (leader === undefined) continue
        const key = `${id} ${leader.leaderEpoch}`
        const before = this.#highWatermarks.get(key) ?? 0
        if (leader.highWatermark < before) throw new Error(`high watermark of ${key} went from ${before} to ${leader.highWatermark}`)
        this.#highWatermarks.set(key, leader.highWatermark)
      }
    }
  }
}

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))('nothing acknowledged is lost (seed %i)', async seed => {
  const story = new Story(seed)
  await story.lab.run(() => story.tell())
})
