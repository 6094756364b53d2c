// An idempotent producer that repeats whatever was not answered, while leaders change, hosts crash, disks fill and links fail: every record stands in
// the log once, in order.
import { expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import type { SeededRandom } from '../../../src/env/sim/random.ts'
import { NONE } from '../../../src/protocol/errors.ts'
import { batchOf } from '../../log/lab.ts'
import { ReplicationLab } from './lab.ts'

const SEEDS = Number(process.env['SEEDS'] ?? 8)
const FIRST_SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = 50
const IDS = [1, 2, 3]
const IN_FLIGHT = 5
const TIMEOUT_MS = 300

class Producer {
  readonly #lab: ReplicationLab
  readonly #producerId: number
  acked = 0
  #sent = 0
  goal = 0
  #leader = -1
  #epochOfWaits = 0
  #round = 0

  constructor(lab: ReplicationLab, producerId: number) {
    this.#lab = lab
    this.#producerId = producerId
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver() || this.acked < this.goal) {
      await sleep(this.#lab.clock, 2)
      const { leader } = this.#lab.state()
      if (leader !== this.#leader) this.#goBack(leader)
      if (this.#leader === -1) continue
      if (!this.#send()) this.#goBack(leader)
    }
  }

  #goBack(leader: number): void {
    this.#leader = leader
    this.#sent = this.acked
    this.#epochOfWaits++
  }

  #send(): boolean {
    const broker = this.#lab.brokers.get(this.#leader)
    const replica = broker === undefined ? undefined : [...broker.replicas.all()][0]
    if (replica?.leader === undefined || !replica.takesAcksAll) return false
    while (this.#sent < this.goal && this.#sent < this.acked + IN_FLIGHT) {
      const sequence = this.#sent
      const b = batchOf([`${this.#producerId}/${sequence}`], { producerId: this.#producerId, producerEpoch: 0, baseSequence: sequence })
      const result = replica.append(b)
      if (!result.ok) return false
      this.#sent++
      const waits = this.#epochOfWaits
      const round = ++this.#round
      void this.#lab.acked(replica, result.lastOffset + 1).then(errorCode => {
        if (errorCode === NONE) this.acked = Math.max(this.acked, sequence + 1)
        else if (waits === this.#epochOfWaits) this.#goBack(this.#leader)
      })
      void sleep(this.#lab.clock, TIMEOUT_MS).then(() => {
        if (this.acked <= sequence && round === this.#round) this.#goBack(this.#leader)
      })
    }
    return true
  }
}

class Story {
  readonly lab: ReplicationLab
  readonly #random: SeededRandom
  readonly #down = new Set<number>()
  readonly #isolated = new Set<number>()
  #isOver = false

  constructor(seed: number) {
    this.lab = new ReplicationLab(seed, { minInsyncReplicas: 2, config: { segmentBytes: 900 } })
    this.#random = this.lab.world.stream('story')
  }

  async tell(): Promise<void> {
    const { lab } = this
    await lab.start()
    await lab.createTopic([IDS])
    const producers = [1, 2].map(id => new Producer(lab, id))
    const runs = producers.map(producer => producer.run(() => this.#isOver))
    for (let round = 0; round < ROUNDS; round++) {
      for (const producer of producers) producer.goal += this.#random.integer(6)
      await this.#something()
      await sleep(lab.clock, this.#random.fraction() * 60)
      lab.check()
    }
    for (const id of this.#isolated) lab.isolate(id, false)
    this.#isolated.clear()
    lab.cut.clear()
    for (const id of IDS) this.#roomAgain(id)
    for (const id of [...this.#down]) await this.#restart(id)
    this.#electIfNone()
    await lab.until(() => lab.state().isr.length === IDS.length, 60_000)
    this.#isOver = true
    const late = sleep(lab.clock, 60_000).then(() => 'late' as const)
    if ((await Promise.race([Promise.all(runs), late])) === 'late')
      throw new Error(`acked ${producers.map(({ acked, goal }) => `${acked} of ${goal}`)}\n${lab.describe()}`)
    const leader = lab.replica(lab.state().leader)
    await lab.until(() => IDS.every(id => lab.replica(id).highWatermark === leader.log.logEndOffset))
    const values = await lab.values(leader)
    for (const id of IDS) expect(await lab.values(lab.replica(id))).toEqual(values)
    for (const [i, { goal }] of producers.entries())
      expect(values.filter(value => value.startsWith(`${i + 1}/`))).toEqual(Array.from({ length: goal }, (_, n) => `${i + 1}/${n}`))
    lab.check()
  }

  async #something(): Promise<void> {
    const { lab } = this
    const dice = this.#random.integer(20)
    if (dice === 0) return this.#crash()
    if (dice <= 3) return this.#restartOne()
    if (dice === 4) return this.#isolateOne()
    if (dice <= 6) return this.#healOne()
    if (dice <= 8) return this.#electAnother()
    if (dice === 9) return this.#fill(1 + this.#random.integer(3))
    if (dice <= 12) return this.#roomAgain(1 + this.#random.integer(3))
    if (dice === 13) {
      const [from, to] = [1 + this.#random.integer(3), 1 + this.#random.integer(3)]
      lab.cut.add(`${from}>${to}`)
      await sleep(lab.clock, this.#random.fraction() * 100)
      if (!this.#isolated.has(from) && !this.#isolated.has(to)) lab.cut.delete(`${from}>${to}`)
    }
  }

  #host(id: number) {
    return this.lab.world.host(`b${id}`).storage
  }

  #fill(id: number): void {
    if (!this.#down.has(id)) this.#host(id).full = 'files'
  }

  #roomAgain(id: number): void {
    this.#host(id).full = false
    this.lab.brokers.get(id)?.replicas.resume()
  }

  async #crash(): Promise<void> {
    const up = IDS.filter(id => !this.#down.has(id))
    if (up.length < 2) return
    const id = up[this.#random.integer(up.length)]!
    this.#down.add(id)
    this.#host(id).full = false
    this.lab.crash(id, { power: this.#random.chance(0.5) })
    await sleep(this.lab.clock, this.#random.fraction() * 100)
    this.#leaves(id)
  }

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
    const ids = IDS.filter(id => !this.#down.has(id))
    const id = ids[this.#random.integer(Math.max(1, ids.length))]
    if (id === undefined || this.#isolated.size > 0) return
    this.#isolated.add(id)
    this.lab.isolate(id)
    const { leader, isr } = this.lab.state()
    const others = isr.filter(member => member !== id && !this.#down.has(member))
    if (leader === id && others.length > 0) this.lab.change({ isr: others, leader: others[0]! })
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
}

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))(
  'every record stands in the log once, in order (seed %i)',
  async seed => {
    const story = new Story(seed)
    await story.lab.run(() => story.tell())
  },
)
