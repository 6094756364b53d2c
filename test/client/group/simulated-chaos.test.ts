// Groups whose members come, go, die, freeze and are cut off while the broker crashes, drawn from a seed. GROUP_SEEDS=1-300 tries those.
// What must hold: in one generation a partition belongs to one member; whoever begins with a partition leaves no record out that nobody was given;
// records that come again were not committed; and when peace returns, everything is read and shared.
import { expect, test } from 'vitest'
import type { ConsumedRecord, Consumer } from '../../../src/client/consumer.ts'
import type { AssignorName } from '../../../src/client/group/assignors.ts'
import { type ConsumerSettings, Kafka } from '../../../src/client/kafka.ts'
import { sleep } from '../../../src/env/env.ts'
import type { SeededRandom } from '../../../src/env/sim/random.ts'
import { type Scene, withNode } from '../../broker/test-node.ts'
import { BOOTSTRAP, eventually, keyOf } from './members.ts'

const TOPIC = 't'
const ASSIGNOR_LISTS: readonly (readonly AssignorName[])[] = [
  ['range'],
  ['roundrobin'],
  ['sticky'],
  ['cooperative-sticky'],
  ['cooperative-sticky', 'range'],
]
/** Refusals that a member may meet through no fault of its own; everything else ends the test. */
const EXPECTED = new Set(['FENCED_INSTANCE_ID'])

const [firstSeed = 1, lastSeed = 6] = process.env['GROUP_SEEDS']?.split('-').map(Number) ?? []
const seeds = Array.from({ length: lastSeed - firstSeed + 1 }, (_, i) => firstSeed + i)
// An eager member told a cooperative leader what it had given up already, and nobody got it.
if (process.env['GROUP_SEEDS'] === undefined) seeds.push(21)

test.each(seeds)('seed %i', async seed => {
  await withNode(async scene => new Chaos(scene, scene.world.stream('chaos')).run(), { 'group.min.session.timeout.ms': '1000' }, seed)
})

class Chaos {
  readonly scene: Scene
  readonly random: SeededRandom
  readonly problems: string[] = []
  /** Partition → the offset behind the last that anybody was given. */
  readonly given = new Map<string, number>()
  /** Generation and partition → who has it. */
  readonly owners = new Map<string, string>()
  readonly seen = new Map<string, Set<number>>()
  readonly members: ChaosMember[] = []
  readonly settings: ConsumerSettings
  partitionCount: number
  #names = 0

  constructor(scene: Scene, random: SeededRandom) {
    this.scene = scene
    this.random = random
    this.partitionCount = 1 + random.integer(6)
    this.settings = {
      groupId: 'group',
      autoOffsetReset: 'earliest',
      sessionTimeoutMs: 3000,
      heartbeatIntervalMs: 300,
      maxPollIntervalMs: 4000,
      autoCommitIntervalMs: 100 + random.integer(1000),
      autoCommit: random.chance(0.7),
      fetchMaxWaitMs: 100,
      operationTimeoutMs: 5000,
      metadataMaxAgeMs: 10_000,
      partitionAssignors: random.pick(ASSIGNOR_LISTS),
    }
  }

  async run(): Promise<void> {
    const { scene, random } = this
    const kafka = new Kafka(scene.world.env('operator'), { bootstrapServers: BOOTSTRAP, requestTimeoutMs: 3000, connectTimeoutMs: 1000 })
    const admin = kafka.admin()
    await admin.createTopics([{ name: TOPIC, numPartitions: this.partitionCount }])
    const state = { producing: true }
    const produced = this.#produce(kafka, state)
    const { clock } = scene.world.env('watcher')
    for (let act = 0; act < 25; act++) {
      await this.#act(admin)
      await sleep(clock, random.integer(random.pick([50, 1000, 4000])))
      this.#check()
    }
    state.producing = false
    const count = await produced
    if (this.#living().length === 0) this.#join()
    const total = () => [...this.seen.values()].reduce((sum, offsets) => sum + offsets.size, 0)
    await eventually(
      scene,
      'everything is read',
      () => this.problems.length > 0 || total() === count,
      () => this.#state(count, total()),
    )
    const owned = () => this.#living().flatMap(({ consumer }) => consumer.assignment.map(keyOf))
    const shared = () => owned().length === this.partitionCount && new Set(owned()).size === this.partitionCount
    await eventually(
      scene,
      'all is shared',
      () => this.problems.length > 0 || shared(),
      () => this.#state(count, total()),
    )
    this.#check()
    await Promise.all(this.#living().map(member => member.close()))
    this.#check()
    const committed = await admin.listGroupOffsets('group')
    for (const { partition, offset } of committed) expect(offset).toBeLessThanOrEqual(this.given.get(`${TOPIC}-${partition}`) ?? 0)
    expect(committed.reduce((sum, { offset }) => sum + offset, 0)).toBe(count)
    await kafka.close()
  }

  async #produce(kafka: Kafka, state: { readonly producing: boolean }): Promise<number> {
    const producer = kafka.producer({ deliveryTimeoutMs: 600_000 })
    const { clock } = this.scene.world.env('operator')
    let count = 0
    while (state.producing) {
      const size = 1 + this.random.integer(20)
      await producer.sendBatch(Array.from({ length: size }, (_, i) => ({ topic: TOPIC, value: String(count + i) })))
      count += size
      await sleep(clock, this.random.integer(200))
    }
    await producer.close()
    return count
  }

  async #act(admin: ReturnType<Kafka['admin']>): Promise<void> {
    const { random, scene } = this
    const living = this.#living()
    const dice = random.integer(20)
    if (living.length === 0 || (dice < 6 && living.length < 5)) this.#join()
    else if (dice < 9) void random.pick(living).close()
    else if (dice < 11) random.pick(living).die()
    else if (dice < 13) random.pick(living).workMs = 200 + random.integer(6000)
    else if (dice < 15) random.pick(living).freeze(500 + random.integer(6000))
    else if (dice < 17) this.#cutOff(random.pick(living).name, 200 + random.integer(5000))
    else if (dice < 19) await scene.restart(random.chance(0.7) ? 'after a crash' : 'cleanly')
    else {
      this.partitionCount += 1 + random.integer(3)
      await admin.createPartitions([{ name: TOPIC, count: this.partitionCount }])
    }
  }

  #join(): void {
    const name = `m${this.#names++}`
    const isStatic = this.random.chance(0.3)
    // A static one may come back under its old id.
    const instance = isStatic ? { groupInstanceId: `i${this.random.integer(3)}` } : {}
    this.members.push(new ChaosMember(this, name, { ...this.settings, ...instance }))
  }

  #cutOff(name: string, forMs: number): void {
    const { network } = this.scene.world
    for (const [from, to] of [[name, 'broker'], ['broker', name]] as const) network.cut(from, to) // biome-ignore format: pairs
    this.scene.world.schedule(forMs, 'heal', () => {
      for (const [from, to] of [[name, 'broker'], ['broker', name]] as const) network.heal(from, to) // biome-ignore format: pairs
    })
  }

  #living(): ChaosMember[] {
    return this.members.filter(({ living }) => living)
  }

  #check(): void {
    expect(this.problems).toEqual([])
  }

  #state(count: number, total: number): unknown {
    const members = this.#living().map(({ name, consumer }) => [
      name,
      consumer.groupMetadata.generationId,
      consumer.assignment.map(keyOf).join(),
    ])
    return { count, total, members, settings: this.settings, problems: this.problems }
  }
}

class ChaosMember {
  readonly name: string
  readonly consumer: Consumer
  readonly #chaos: Chaos
  readonly #settings: ConsumerSettings
  readonly #done: Promise<void>
  living = true
  workMs = 0

  constructor(chaos: Chaos, name: string, settings: ConsumerSettings) {
    this.#chaos = chaos
    this.#settings = settings
    this.name = name
    const env = chaos.scene.world.env(name)
    const kafka = new Kafka(env, { bootstrapServers: BOOTSTRAP, clientId: name, requestTimeoutMs: 2000, connectTimeoutMs: 1000 })
    this.consumer = kafka.consumer(settings)
    this.consumer.subscribe([TOPIC], {
      onPartitionsAssigned: () => this.#assigned(),
      onPartitionsRevoked: async () => {
        if (!this.#settings.autoCommit) await this.#commit()
      },
      onPartitionsLost: () => {},
    })
    this.#done = this.#poll()
  }

  async close(): Promise<void> {
    if (!this.living) return
    this.living = false
    await this.#done
    await this.consumer.close({ timeoutMs: 20_000 })
  }

  die(): void {
    this.living = false
    this.#chaos.scene.world.crash(this.name, { power: true, silent: this.#chaos.random.chance(0.5) })
  }

  freeze(forMs: number): void {
    const { world } = this.#chaos.scene
    world.host(this.name).pausedUntil = world.now + forMs
  }

  async #poll(): Promise<void> {
    const { clock } = this.#chaos.scene.world.env(this.name)
    while (this.living) {
      try {
        const records = await this.consumer.poll({ maxWaitMs: 100, maxRecords: 1 + this.#chaos.random.integer(50) })
        this.#note(records)
        if (!this.#settings.autoCommit && records.length > 0) await this.#commit()
        if (this.workMs > 0) await sleep(clock, this.workMs)
        this.workMs = 0
      } catch (error) {
        if (!EXPECTED.has((error as { codeName: string }).codeName)) this.#chaos.problems.push(`${this.name}: ${(error as Error).stack}`)
        this.living = false
        await this.consumer.close({ timeoutMs: 1000 })
        return
      }
    }
  }

  async #commit(): Promise<void> {
    try {
      await this.consumer.commit()
    } catch {
      // The group rebalances, or the broker is away: what was not committed comes again.
    }
  }

  #assigned(): void {
    const { generationId } = this.consumer.groupMetadata
    for (const target of this.consumer.assignment) {
      const key = `${generationId} ${keyOf(target)}`
      const other = this.#chaos.owners.get(key)
      if (other !== undefined && other !== this.name && this.#settings.groupInstanceId === undefined) {
        this.#chaos.problems.push(`in generation ${generationId} ${keyOf(target)} belongs to ${other} and ${this.name}`)
      }
      this.#chaos.owners.set(key, this.name)
    }
  }

  #note(records: readonly ConsumedRecord[]): void {
    const { given, seen, problems } = this.#chaos
    for (const record of records) {
      const key = keyOf(record)
      const next = given.get(key) ?? 0
      if (record.offset > next) problems.push(`${this.name} was given ${key}@${record.offset}, but nobody was given ${next}`)
      given.set(key, Math.max(next, record.offset + 1))
      seen.set(key, (seen.get(key) ?? new Set()).add(record.offset))
    }
  }
}
