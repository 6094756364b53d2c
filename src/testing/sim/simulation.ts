// One seed: a broker in trouble, clients that go on regardless, a healed end in which everything must work again, and a judgement.

import type { Broker } from '../../broker/broker.ts'
import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { SimWorld } from '../../env/sim/world.ts'
import { type Anomaly, check } from '../checker.ts'
import { checkGroups, type GroupAnomaly } from '../group-checker.ts'
import { History, type HistoryEvent } from '../history.ts'
import { churn, createTopics, operate } from './administration.ts'
import { BROKER, BrokerHost, PORT } from './broker-host.ts'
import { Damages, flipOne } from './damage.ts'
import { Groups, MEMBERS_HOST } from './groups.ts'
import { Invariants } from './invariants.ts'
import { observe } from './observer.ts'
import { drawPlan, type Plan, type Trouble } from './plan.ts'
import { type Counts, consume, produce, readAll, readDamaged, type Stage } from './workloads.ts'

/** Trouble ends after this much virtual time, whatever is left of the plan. */
const TROUBLE_MS = 60_000
/** Healed, everything must work again and be finished within this. */
const HEAL_MS = 180_000
const INDEX = '/data/index'
const CLIENT_HOSTS = ['producers', 'readers', 'observer', 'admin', MEMBERS_HOST]

export interface SimulationResult {
  readonly seed: number
  readonly hash: string
  readonly virtualMs: number
  readonly eventCount: number
  /** How often what happened, by the trouble's name. */
  readonly troubles: Readonly<Record<string, number>>
  readonly counts: Counts
  readonly history: readonly HistoryEvent[]
  readonly anomalies: readonly (Anomaly | GroupAnomaly)[]
  /** Anything that kept the run from its end, or was thrown on the way. */
  readonly failures: readonly string[]
  /** The end of what the broker logged. */
  readonly lines: readonly string[]
}

export interface SimulationOptions {
  /** Takes what happens, line by line. */
  readonly trace?: (line: string) => void
  /** Told of the world as soon as it exists: rejections that nobody handles belong into its failures. */
  readonly onWorld?: (world: SimWorld) => void
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  const plan = drawPlan(new SimWorld(seed).stream('plan'))
  const world = new SimWorld(seed, plan.world)
  world.trace.sink = options.trace
  options.onWorld?.(world)
  const simulation = new Simulation(world, plan)
  try {
    await world.run(() => simulation.run(), { maxMs: TROUBLE_MS + 4 * HEAL_MS })
  } catch (error) {
    simulation.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  world.afterEvent = undefined
  for (const { host, error } of world.failures) simulation.failures.push(`${host}: ${error instanceof Error ? error.stack : error}`)
  const flushesFirst = (topic: string) => plan.topics.find(({ name }) => name === topic)?.flushesFirst ?? true
  const compacts = (topic: string) => plan.topics.some(({ name, compacts }) => name === topic && compacts)
  return {
    seed,
    hash: world.trace.hash,
    virtualMs: world.now,
    eventCount: world.eventCount,
    troubles: simulation.troubles,
    counts: simulation.counts,
    history: simulation.history.events,
    anomalies: [...check(simulation.history.events, { flushesFirst, compacts }), ...checkGroups(simulation.history.events)],
    failures: simulation.failures,
    lines: world.host(BROKER).lines,
  }
}

class Simulation {
  readonly history = new History()
  readonly counts: Counts = { sent: 0, acked: 0, refused: 0, read: 0 }
  readonly failures: string[] = []
  readonly troubles: Record<string, number> = {}
  readonly broker: BrokerHost
  readonly #world: SimWorld
  readonly #plan: Plan
  readonly #random: SeededRandom
  readonly #stage: Stage
  readonly #invariants = new Invariants()
  readonly #damages = new Damages()
  readonly #actors = new Map<string, Promise<void>>()
  #running = true
  #troubled = true
  #troubleIndex = 0
  /** Events of the broker's present life when the last trouble came. */
  #troubleAt = { life: 0, eventCount: 0 }
  #stop!: (error: Error) => void
  readonly #stopped = new Promise<never>((_, reject) => {
    this.#stop = reject
  })

  constructor(world: SimWorld, plan: Plan) {
    this.#world = world
    this.#plan = plan
    this.#random = world.stream('simulation')
    this.#stopped.catch(() => {})
    const fail = (reason: string) => this.#fail(reason)
    this.broker = new BrokerHost(world, { properties: {}, fail })
    this.broker.onPowerCut = () => this.history.add({ type: 'powerCut' })
    this.#stage = {
      bootstrapServers: `${BROKER}:${PORT}`,
      requestTimeoutMs: 3000,
      history: this.history,
      topics: plan.topics,
      partitionCounts: new Map(plan.topics.map(({ name, partitions }) => [name, partitions])),
      damages: plan.damages,
      running: () => this.#running,
      fail,
    }
  }

  /** Rejects at the first failure. */
  async run(): Promise<void> {
    await Promise.race([this.#stopped, this.#play()])
  }

  async #play(): Promise<void> {
    const world = this.#world
    world.afterEvent = () => this.#afterEvent()
    this.broker.start()
    const admin = world.env('admin')
    await createTopics(admin, this.#stage)

    for (const plan of this.#plan.producers) {
      this.#take(plan.name, produce(world.env('producers'), plan, this.#stage, this.counts, world.stream(plan.name)))
    }
    for (let i = 0; i < this.#plan.consumers; i++) {
      this.#take(`reader-${i}`, consume(world.env('readers'), `reader-${i}`, this.#stage, this.counts))
    }
    const topics = this.#plan.topics.map(({ name }) => name)
    const { broker, history } = this
    this.#take('observer', observe(world.env('observer'), { broker, history, topics, running: () => this.#running }))
    if (this.#plan.operates || this.#plan.damages)
      this.#take('operator', operate(world.env('admin'), this.#plan, this.#stage, world.stream('operator')))
    if (this.#plan.churn) this.#take('churn', churn(admin, this.#stage, world.stream('churn')))
    const groups = new Groups(world, this.#plan.groups, this.#stage)
    const members = groups.start()
    if (members.size > 0) this.#take('a group without members', groups.commitAlone())
    for (const [name, acting] of members) acting.catch((error: Error) => this.#fail(`${name} gave up: ${error.stack ?? error.message}`))

    await this.#troublesOver(admin)
    await this.#within(HEAL_MS, this.broker.up(), 'a broker that serves')
    this.#heal()
    await this.#within(HEAL_MS, this.broker.up(), 'a broker that serves')
    await sleep(admin.clock, 200 + this.#random.integer(500))
    this.#running = false
    await this.#within(HEAL_MS, Promise.all(this.#actors.values()), () => `${[...this.#actors.keys()].join(', ')} to finish`)
    await this.#within(HEAL_MS, groups.finish(), 'the groups to read and commit everything')
    await this.#within(HEAL_MS, Promise.all(members.values()), 'members to leave')
    this.#countGroups()
    const read = this.#plan.damages ? readDamaged(admin, this.#stage) : readAll(admin, this.#stage)
    await this.#within(HEAL_MS, read, 'reading everything back')
    const flushesFirst = (topic: string) => this.#plan.topics.some(({ name, flushesFirst }) => name === topic && flushesFirst)
    this.failures.push(...this.#damages.judge(this.broker.host.storage, this.history.events, flushesFirst))
    await this.#within(HEAL_MS, this.broker.node!.close(), 'a clean close')
  }

  #countGroups(): void {
    const count = (name: string, type: string) => {
      const number = this.history.events.filter(event => event.type === type).length
      if (number > 0) this.troubles[name] = number
    }
    count('assignments', 'groupAssigned')
    count('group commits', 'groupCommit')
    count('offsets fetched', 'groupSaw')
  }

  /** One of those who act; gone from the list when it has finished. */
  #take(name: string, acting: Promise<void>): void {
    this.#actors.set(name, acting)
    acting.then(
      () => this.#actors.delete(name),
      (error: Error) => this.#fail(`${name} gave up: ${error.stack ?? error.message}`),
    )
  }

  #afterEvent(): void {
    const { node, closing } = this.broker
    if (node !== undefined && !closing) this.#checkInvariants(node.broker)
    if (!this.#troubled) return
    const next = this.#plan.troubles[this.#troubleIndex]
    const { host, life } = this.broker
    if (next === undefined || !host.running) return
    const { eventCount } = host.process
    const since = this.#troubleAt.life === life ? eventCount - this.#troubleAt.eventCount : eventCount
    if (since < next.afterEvents) return
    this.#troubleIndex++
    this.#troubleAt = { life, eventCount }
    this.#trouble(next.trouble)
  }

  #checkInvariants(broker: Broker): void {
    try {
      this.#invariants.check(broker, this.broker.life)
    } catch (error) {
      this.#fail((error as Error).stack ?? String(error))
    }
  }

  #trouble(trouble: Trouble): void {
    this.troubles[trouble.type] = (this.troubles[trouble.type] ?? 0) + 1
    const { host } = this.broker
    const { network } = this.#world
    this.#world.trace.sink?.(`${this.#world.now.toFixed(3)} world ${JSON.stringify(trouble)}`)
    switch (trouble.type) {
      case 'crash':
        this.broker.crash(trouble)
        break
      case 'restart':
        this.broker.restart(trouble.downMs)
        break
      case 'pause':
        host.pausedUntil = this.#world.now + trouble.ms
        break
      case 'cut':
        for (const client of CLIENT_HOSTS) {
          if (trouble.toBroker) network.cut(client, BROKER)
          if (trouble.fromBroker) network.cut(BROKER, client)
        }
        this.#world.schedule(trouble.ms, 'heal', () => network.healAll())
        break
      case 'fullDisk':
        host.storage.failNext({ operation: 'write', path: '.log', code: 'ENOSPC', count: trouble.writes })
        break
      case 'brokenDisk':
        this.broker.breakDisk(trouble)
        break
      case 'crowdedDisk':
        this.broker.crowdDisk(trouble.ms)
        break
      case 'clockJump':
        host.wallOffsetMs = trouble.offsetMs
        break
      case 'flip':
        this.#goDown(trouble, isClean => this.#flip(trouble.count, isClean))
        break
      case 'lostIndex':
        this.#goDown(trouble, () => this.#loseIndex(trouble.share))
        break
      case 'slowDisk':
        host.diskSlowness = trouble.factor
        this.#world.schedule(trouble.ms, 'heal', () => {
          host.diskSlowness = 1
        })
    }
  }

  #goDown({ clean, downMs }: { clean: boolean; downMs: number }, off: (clean: boolean) => void): void {
    if (clean) this.broker.restart(downMs, off)
    else this.broker.crash({ power: true, silent: false, downMs, off })
  }

  #flip(count: number, clean: boolean): void {
    const topics = this.#plan.topics.map(({ name }) => name)
    for (let i = 0; i < count; i++) {
      const flip = flipOne(this.broker.host.storage, topics, this.#random)
      if (flip === undefined) continue
      this.#damages.noteFlip({ flip, clean, eventCount: this.history.events.length })
      this.history.add({ type: 'damaged', topic: flip.topic, partition: flip.partition })
      this.troubles['flipped bits'] = (this.troubles['flipped bits'] ?? 0) + 1
      this.#world.trace.number(flip.position)
    }
  }

  #loseIndex(share: number): void {
    this.#damages.noteLostIndex(this.history.events.length)
    const { storage } = this.broker.host
    const index = storage.tree.find(INDEX)
    if (index?.kind !== 'directory' || index.store === undefined) return
    if (share === 1 && this.#random.chance(0.5)) storage.failNext({ operation: 'openStore', path: INDEX, code: 'ECORRUPT' })
    else storage.store(INDEX).loseKeys(() => this.#random.chance(share))
  }

  async #troublesOver(env: Env): Promise<void> {
    const until = env.clock.now() + TROUBLE_MS
    const notBefore = env.clock.now() + this.#plan.durationMs
    while (this.#troubleIndex < this.#plan.troubles.length && env.clock.now() < until) await sleep(env.clock, 50)
    if (env.clock.now() < notBefore) await sleep(env.clock, notBefore - env.clock.now())
  }

  #heal(): void {
    this.#troubled = false
    this.#world.network.healAll()
    this.broker.host.diskSlowness = 1
    this.broker.host.wallOffsetMs = 0
    this.broker.healDisk()
    // A log that once found the disk full takes records again when it is opened again.
    if (this.#plan.troubles.some(({ trouble }) => trouble.type === 'fullDisk' || trouble.type === 'crowdedDisk')) this.broker.restart(10)
  }

  async #within<T>(ms: number, promise: Promise<T>, what: string | (() => string)): Promise<T> {
    let over = false
    this.#world.schedule(ms, 'deadline', () => {
      if (!over) this.#fail(`no progress: waited ${ms} ms of virtual time for ${typeof what === 'string' ? what : what()}`)
    })
    const value = await promise
    over = true
    return value
  }

  #fail(reason: string): void {
    this.#stop(new Error(reason))
  }
}
