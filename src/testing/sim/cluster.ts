// One seed of a whole cluster: nodes in trouble, clients that go on regardless, a healed end in which everybody must have everything, and a judgement.

import { type Env, sleep } from '../../env/env.ts'
import type { SimHost } from '../../env/sim/host.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import { SimWorld } from '../../env/sim/world.ts'
import { uuidFromBytes } from '../../util/uuid.ts'
import { check } from '../checker.ts'
import { checkGroups } from '../group-checker.ts'
import { History } from '../history.ts'
import { churn, createTopics } from './administration.ts'
import { ClusterGroups, MEMBERS_HOST } from './cluster-groups.ts'
import { ClusterInvariants } from './cluster-invariants.ts'
import { CLIENT_PORT, ClusterNode, hostOf } from './cluster-node.ts'
import { type ClusterPlan, drawClusterPlan } from './cluster-plan.ts'
import { ClusterTroubles } from './cluster-troubles.ts'
import type { SimulationOptions, SimulationResult } from './simulation.ts'
import { type Counts, consume, produce, readAll, type Stage } from './workloads.ts'

/** Trouble ends after this much virtual time, whatever is left of the plan. */
const TROUBLE_MS = 60_000
/** Healed, every node must serve, every replica be in sync, and every client be finished within this. */
const HEAL_MS = 60_000
const LOOK_MS = 50
const CLIENT_HOSTS = ['producers', 'readers', 'admin', MEMBERS_HOST]
/** Of each node, in the report of a failure. */
const LINES = 40

export interface ClusterOptions extends SimulationOptions {
  /** Another plan than the seed's own. */
  readonly plan?: (drawn: ClusterPlan) => ClusterPlan
}

export async function simulateCluster(seed: number, options: ClusterOptions = {}): Promise<SimulationResult> {
  const drawn = drawClusterPlan(new SimWorld(seed).stream('plan'))
  const plan = options.plan?.(drawn) ?? drawn
  const world = new SimWorld(seed, plan.world)
  world.trace.sink = options.trace
  options.onWorld?.(world)
  const simulation = new ClusterSimulation(world, plan)
  try {
    await world.run(() => simulation.run(), { maxMs: TROUBLE_MS + 6 * HEAL_MS })
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
    troubles: { ...simulation.troubles, ...countGroups(simulation.history) },
    counts: simulation.counts,
    history: simulation.history.events,
    anomalies: [
      ...check(simulation.history.events, { flushesFirst, compacts, leadersDie: true }),
      ...checkGroups(simulation.history.events),
    ],
    failures: simulation.failures,
    lines: simulation.nodes.flatMap(({ id, host }) => host.lines.slice(-LINES).map(line => `${hostOf(id)} ${line}`)),
  }
}

function countGroups({ events }: History): Record<string, number> {
  const commits = events.filter(event => event.type === 'groupCommit').length
  return commits === 0 ? {} : { 'group commits': commits }
}

class ClusterSimulation {
  readonly history = new History()
  readonly counts: Counts = { sent: 0, acked: 0, refused: 0, read: 0 }
  readonly failures: string[] = []
  readonly nodes: readonly ClusterNode[]
  readonly #world: SimWorld
  readonly #plan: ClusterPlan
  readonly #random: SeededRandom
  readonly #stage: Stage
  readonly #invariants: ClusterInvariants
  readonly #troubles: ClusterTroubles
  readonly #actors = new Map<string, Promise<void>>()
  #running = true
  #stop!: (error: Error) => void
  readonly #stopped = new Promise<never>((_, reject) => {
    this.#stop = reject
  })

  constructor(world: SimWorld, plan: ClusterPlan) {
    this.#world = world
    this.#plan = plan
    this.#random = world.stream('simulation')
    this.#stopped.catch(() => {})
    const fail = (reason: string) => this.#fail(reason)
    const ids = Array.from({ length: plan.nodes }, (_, i) => i + 1)
    const voters = ids.slice(0, plan.voters)
    const onPowerCut = () => this.history.add({ type: 'powerCut' })
    this.nodes = ids.map(id => new ClusterNode({ world, id, voters, properties: plan.properties, fail, onPowerCut }))
    this.#invariants = new ClusterInvariants(this.nodes, plan.topics)
    this.#troubles = new ClusterTroubles(world, { nodes: this.nodes, clients: CLIENT_HOSTS, plan: plan.troubles })
    this.#stage = {
      bootstrapServers: ids.map(id => `${hostOf(id)}:${CLIENT_PORT}`).join(','),
      requestTimeoutMs: plan.requestTimeoutMs,
      history: this.history,
      topics: plan.topics,
      partitionCounts: new Map(plan.topics.map(({ name, partitions }) => [name, partitions])),
      damages: false,
      running: () => this.#running,
      fail,
    }
  }

  get troubles(): Readonly<Record<string, number>> {
    return this.#troubles.counts
  }

  /** Rejects at the first failure. */
  async run(): Promise<void> {
    await Promise.race([this.#stopped, this.#play()])
  }

  async #play(): Promise<void> {
    const world = this.#world
    world.afterEvent = process => this.#afterEvent(process?.host)
    const admin = world.env('admin')
    if (this.#plan.prepared && this.nodes.length > 1) await this.#prepare()
    for (const node of this.nodes) world.schedule(this.#random.fraction() * 20, 'start', () => node.start())
    await this.#within(HEAL_MS + TROUBLE_MS, createTopics(admin, this.#stage), 'topics')
    for (const plan of this.#plan.producers) {
      this.#take(plan.name, produce(world.env('producers'), plan, this.#stage, this.counts, world.stream(plan.name)))
    }
    for (let i = 0; i < this.#plan.consumers; i++) {
      this.#take(`reader-${i}`, consume(world.env('readers'), `reader-${i}`, this.#stage, this.counts))
    }
    const groups = new ClusterGroups(world, this.#plan.groups, this.#stage)
    const members = groups.start()
    for (const [name, acting] of members) acting.catch((error: Error) => this.#fail(`${name} gave up: ${error.stack ?? error.message}`))
    if (this.#plan.churn) this.#take('churn', churn(admin, this.#stage, world.stream('churn')))

    await this.#troublesOver(admin)
    this.#troubles.heal()
    await this.#within(HEAL_MS, this.#whole(admin), () => `every replica to be in sync: ${this.#whatIsMissing()}`)
    await sleep(admin.clock, 200 + this.#random.integer(500))
    this.#running = false
    await this.#within(HEAL_MS, Promise.all(this.#actors.values()), () => `${[...this.#actors.keys()].join(', ')} to finish`)
    await this.#within(HEAL_MS, groups.finish(), 'the groups to read and commit everything')
    await this.#within(HEAL_MS, Promise.all(members.values()), 'members to leave')
    await this.#within(HEAL_MS, readAll(admin, this.#stage), 'reading everything back')
    await this.#within(HEAL_MS, this.#whole(admin), () => `every replica to be in sync: ${this.#whatIsMissing()}`)
    this.#invariants.checkLogs()
    world.afterEvent = undefined
    await this.#within(2 * HEAL_MS, Promise.all(this.nodes.map(node => node.stop())), 'clean closes')
  }

  async #prepare(): Promise<void> {
    const newId = () => uuidFromBytes(this.#random.bytes(16))
    const voters = this.nodes.slice(0, this.#plan.voters).map(({ id: nodeId }) => ({ nodeId, directoryId: newId() }))
    const clusterId = newId()
    for (const node of this.nodes) await node.prepare({ clusterId, voters })
  }

  /** One of those who act; gone from the list when it has finished. */
  #take(name: string, acting: Promise<void>): void {
    this.#actors.set(name, acting)
    acting.then(
      () => this.#actors.delete(name),
      (error: Error) => this.#fail(`${name} gave up: ${error.stack ?? error.message}`),
    )
  }

  #afterEvent(host: SimHost | undefined): void {
    try {
      this.#invariants.check(host)
    } catch (error) {
      this.#fail((error as Error).stack ?? String(error))
    }
    this.#troubles.afterEvent()
  }

  async #troublesOver(env: Env): Promise<void> {
    const until = env.clock.now() + TROUBLE_MS
    const notBefore = env.clock.now() + this.#plan.durationMs
    this.#troubles.begin()
    while (!this.#troubles.over && env.clock.now() < until) await sleep(env.clock, LOOK_MS)
    if (env.clock.now() < notBefore) await sleep(env.clock, notBefore - env.clock.now())
  }

  async #whole({ clock }: Env): Promise<void> {
    while (this.#whatIsMissing() !== '') await sleep(clock, LOOK_MS)
  }

  /** '' when all nodes serve and have applied the same, and all replicas are in sync. */
  #whatIsMissing(): string {
    const down = this.nodes.filter(node => !node.serves).map(({ id }) => id)
    if (down.length > 0) return `nodes ${down.join(', ')} do not serve`
    const offset = Math.max(...this.nodes.map(({ node }) => node!.broker.image.offset))
    const behind = this.nodes.filter(({ node }) => node!.broker.image.offset < offset).map(({ id }) => id)
    if (behind.length > 0) return `nodes ${behind.join(', ')} have not applied all up to ${offset}`
    const { image } = this.nodes[0]!.node!.broker
    const fenced = [...image.brokers].filter(([, { fenced }]) => fenced).map(([id]) => id)
    if (fenced.length > 0) return `brokers ${fenced.join(', ')} are fenced`
    for (const { name, partitions } of image.topics.values()) {
      for (const { partition, leader, replicas, isr } of partitions) {
        if (leader === -1 || isr.length < replicas.length)
          return `${name}-${partition} is led by ${leader}, in sync are ${isr.join(', ')} of ${replicas.join(', ')}`
      }
    }
    return ''
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
