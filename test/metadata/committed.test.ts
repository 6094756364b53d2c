// What ISR and ELR are for: whoever is elected from them holds every record that was acknowledged, whatever crashes, is fenced, lags, shuts down or is
// configured in between. A model of one partition's logs beside the controller's decisions: records are copied, and count as acknowledged when all in
// sync have them and enough are in sync. Logs are lists of record numbers, so that what one leader took and another did not know of shows.
import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { copyImage, partitionOf } from '../../src/metadata/image.ts'
import type { PartitionState } from '../../src/metadata/records.ts'
import { checkImage, checkProgress } from './invariants.ts'
import { Conversation } from './scenario.ts'

const BROKERS = [1, 2, 3]

class Model {
  readonly #random: SeededRandom
  readonly #conversation = new Conversation()
  readonly #logs = new Map<number, number[]>(BROKERS.map(id => [id, []]))
  #acknowledged: readonly number[] = []
  #produced = 0
  /** Who says of itself, with the request under way, that it may lack something. */
  #mayLack = -1
  readonly seen = new Set<string>()

  constructor(seed: number) {
    this.#random = new SeededRandom(seed, 'committed')
    this.#say('static min.insync.replicas=2')
    for (const id of BROKERS) this.#say(`register ${id}`)
    this.#say('create orders assign=1,2,3')
  }

  step(): void {
    const id = BROKERS[this.#random.integer(3)]!
    const one = (...words: string[]) => words[this.#random.integer(words.length)]!
    const events: (() => void)[] = [
      ...Array(3).fill(() => this.#produce()),
      ...Array(3).fill(() => this.#replicate(id)),
      () => this.#alterIsr(members => members.filter(member => member !== id)),
      ...Array(2).fill(() => this.#alterIsr(members => [...members, id])),
      () => this.#say(`fence ${id}`),
      () => this.#say(`beat ${id}${one('', '', ' shutdown', ' shutdown given=0')}`),
      () => this.#restart(id, one('torn', 'torn', 'clean', 'torn+loose', 'corrupt')),
      () => (this.#random.integer(4) > 0 ? this.#say('balance') : this.#replaceDisk(id)),
      () => this.#say(`alter topic/orders ${one(...[1, 2, 3].map(count => `min.insync.replicas=${count}`), '-min.insync.replicas')}`),
      () => this.#say(`elect ${one('preferred', 'preferred', 'unclean')} orders-0`),
      () => this.#say(`beat ${id}`),
    ]
    events[this.#random.integer(events.length)]!()
  }

  get #state(): PartitionState {
    return partitionOf(this.#conversation.image, 'orders', 0)!
  }

  get #minIsr(): number {
    const { configs } = this.#conversation.image
    return Number(configs.get('topic/orders')?.get('min.insync.replicas') ?? configs.get('broker/')!.get('min.insync.replicas'))
  }

  #say(request: string): void {
    const { image } = this.#conversation
    const before = copyImage(image)
    const was = partitionOf(before, 'orders', 0)
    this.#conversation.say(request)
    checkImage(image)
    checkProgress(before, image)
    const now = partitionOf(image, 'orders', 0)
    if (was === undefined || now === undefined || now.leader === -1 || now.leaderEpoch === was.leaderEpoch) return
    const log = this.#logs.get(now.leader)!
    const trusted = [...was.isr, ...was.elr].includes(now.leader)
    const holdsAll = this.#acknowledged.every((record, offset) => log[offset] === record)
    if (trusted && now.leader !== was.leader) this.seen.add(was.isr.includes(now.leader) ? 'from the ISR' : 'from the ELR')
    if (!trusted) this.seen.add(holdsAll ? 'uncleanly' : 'uncleanly, with a loss')
    // Its copy may have been lost with this very request: then it is elected as the last known leader, which is no clean election.
    const isClean = trusted && !(now.isr.length === 1 && this.#mayLack === now.leader)
    if (isClean && !holdsAll)
      expect.fail(`${request}: ${now.leader} has ${log}, acknowledged are ${this.#acknowledged}; ${JSON.stringify(was)}`)
    if (!holdsAll)
      this.#acknowledged = log.slice(
        0,
        this.#acknowledged.findIndex((record, offset) => log[offset] !== record),
      )
  }

  #produce(): void {
    const { leader } = this.#state
    if (leader !== -1) this.#logs.get(leader)!.push(++this.#produced)
    this.#acknowledge()
  }

  /** The follower takes some of what it lacks, after forgetting what the leader does not know. */
  #replicate(id: number): void {
    const { leader } = this.#state
    if (leader === -1 || leader === id || this.#conversation.image.brokers.get(id)!.fenced) return
    const from = this.#logs.get(leader)!
    const own = this.#logs.get(id)!
    const common = own.findIndex((record, offset) => record !== from[offset])
    const kept = common === -1 ? own.length : common
    const taken = kept + this.#random.integer(from.length - kept + 1)
    this.#logs.set(id, from.slice(0, taken))
    this.#acknowledge()
  }

  #acknowledge(): void {
    const { leader, isr, replicas } = this.#state
    if (leader === -1 || isr.length < Math.min(this.#minIsr, replicas.length)) return
    const log = this.#logs.get(leader)!
    const count = Math.min(...isr.map(id => this.#sharedWith(log, id)))
    if (count > this.#acknowledged.length) this.#acknowledged = log.slice(0, count)
  }

  #sharedWith(log: readonly number[], id: number): number {
    const other = this.#logs.get(id)!
    const differs = log.findIndex((record, offset) => other[offset] !== record)
    return differs === -1 ? log.length : differs
  }

  #alterIsr(change: (members: readonly number[]) => readonly number[]): void {
    const { leader, isr } = this.#state
    if (leader === -1) return
    const log = this.#logs.get(leader)!
    // As a leader does: it adds who is at its high watermark.
    const members = [...new Set(change(isr))].filter(id => isr.includes(id) || this.#sharedWith(log, id) >= this.#acknowledged.length)
    if (members.includes(leader)) this.#say(`isr orders-0 by=${leader} to=${members}`)
    this.#acknowledge()
  }

  /** Bytes that were promised are there, unless the log was loose or is damaged. */
  #restart(id: number, verdict: string): void {
    const log = this.#logs.get(id)!
    if (verdict === 'corrupt') this.#logs.set(id, [])
    if (verdict === 'torn+loose') this.#logs.set(id, log.slice(0, this.#random.integer(log.length + 1)))
    this.#mayLack = verdict === 'torn+loose' ? id : -1
    this.#say(`register ${id} logs=orders-0:${verdict}`)
    this.#mayLack = -1
  }

  #replaceDisk(id: number): void {
    if (!this.#conversation.image.brokers.get(id)!.fenced) return
    this.#logs.set(id, [])
    this.#say(`register ${id} dir=${this.#random.integer(1_000_000)}`)
  }
}

const seen = new Set<string>()

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'seed %i: who is elected from ISR or ELR holds every acknowledged record',
  seed => {
    const model = new Model(seed)
    for (let i = 0; i < 400; i++) model.step()
    for (const kind of model.seen) seen.add(kind)
  },
)

test('those were elections of every kind', () => {
  expect([...seen].sort()).toEqual(['from the ELR', 'from the ISR', 'uncleanly', 'uncleanly, with a loss'])
})
