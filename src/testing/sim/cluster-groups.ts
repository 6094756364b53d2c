// Consumer groups of a simulated cluster, of our own consumers: their coordinator moves with its partition's leader, and what they commit moves with it.

import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import type { SimWorld } from '../../env/sim/world.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { nameOf, type Place } from './group-requests.ts'
import type { GroupPlan, MemberPlan } from './plan.ts'
import { allPartitions, kafkaOf, type Stage } from './workloads.ts'

export const MEMBERS_HOST = 'members'
const POLL_MS = 100
const LOOK_MS = 200
const RETRY_MS = 50

export class ClusterGroups {
  readonly #world: SimWorld
  readonly #plans: readonly GroupPlan[]
  readonly #stage: Stage
  /** Of topics from which nothing is taken away: what a group was not given can then be told. */
  readonly #topics: readonly string[]
  /** Groups that have read everything. */
  readonly #done = new Set<string>()

  constructor(world: SimWorld, plans: readonly GroupPlan[], stage: Stage) {
    this.#world = world
    this.#stage = stage
    this.#topics = stage.topics.filter(({ retains, compacts }) => !retains && !compacts).map(({ name }) => name)
    this.#plans = this.#topics.length === 0 ? [] : plans
  }

  /** Everybody who acts, by name. Members go on until `finish`. */
  start(): Map<string, Promise<void>> {
    const acting = new Map<string, Promise<void>>()
    for (const { group, members } of this.#plans) {
      for (const plan of members) acting.set(plan.name, this.#live(group, plan, this.#world.stream(plan.name)))
    }
    return acting
  }

  /** Everything works again, and nothing is written any more: all that is there must be read and committed. */
  async finish(): Promise<void> {
    if (this.#plans.length === 0) return
    const env = this.#world.env(MEMBERS_HOST)
    const kafka = kafkaOf(env, 'watcher', this.#stage)
    const admin = kafka.admin()
    const places = this.#places()
    const ends = await admin.listOffsets(places.map(place => ({ ...place, spec: 'latest' as const })))
    while (this.#done.size < this.#plans.length) {
      for (const { group } of this.#plans) {
        const committed = await this.#committed(admin, group, places)
        if (committed.every((offset, i) => offset >= ends[i]!.offset || (offset === -1 && ends[i]!.offset === 0))) this.#done.add(group)
      }
      await sleep(env.clock, LOOK_MS)
    }
    await kafka.close()
  }

  #places(): Place[] {
    return allPartitions(this.#stage).filter(({ topic }) => this.#topics.includes(topic))
  }

  async #committed(admin: Admin, group: string, places: readonly Place[]): Promise<number[]> {
    const { history } = this.#stage
    const since = history.events.length
    const answers = await admin.listGroupOffsets(group, { partitions: places })
    return places.map(place => {
      const offset = answers.find(({ topic, partition }) => topic === place.topic && partition === place.partition)?.offset ?? -1
      history.add({ type: 'groupSaw', group, since, partition: nameOf(place), offset })
      return offset
    })
  }

  /** One consumer after the other in the member's place, each until it has enough. */
  async #live(group: string, plan: MemberPlan, random: SeededRandom): Promise<void> {
    const env = this.#world.env(MEMBERS_HOST)
    while (!this.#done.has(group)) {
      const kafka = kafkaOf(env, plan.name, this.#stage)
      try {
        await this.#attend(env, kafka, { group, plan, random })
      } catch (error) {
        // Fenced, or out of the group for too long: whoever runs it starts it again.
        if (!(error instanceof KafkaError)) throw error
      }
      await kafka.close()
      await sleep(env.clock, RETRY_MS * random.fraction())
    }
  }

  async #attend(env: Env, kafka: ReturnType<typeof kafkaOf>, o: { group: string; plan: MemberPlan; random: SeededRandom }): Promise<void> {
    const { group, plan, random } = o
    const consumer = kafka.consumer({
      groupId: group,
      ...(plan.instanceId === null ? {} : { groupInstanceId: plan.instanceId }),
      sessionTimeoutMs: Math.ceil(plan.sessionTimeoutMs),
      heartbeatIntervalMs: Math.ceil(plan.heartbeatMs),
      maxPollIntervalMs: Math.ceil(plan.rebalanceTimeoutMs + plan.sessionTimeoutMs),
      autoCommit: false,
      autoOffsetReset: 'earliest',
    })
    consumer.subscribe(this.#topics)
    const { history } = this.#stage
    while (!this.#done.has(group)) {
      const since = history.events.length
      const offsets = new Map<string, Place & { offset: number }>()
      for (const { topic, partition, offset } of await consumer.poll({ maxWaitMs: POLL_MS })) {
        const name = nameOf({ topic, partition })
        history.add({ type: 'groupGiven', group, since, partition: name, from: offset, to: offset + 1 })
        offsets.set(name, { topic, partition, offset: offset + 1 })
      }
      if (offsets.size > 0) await this.#commit(consumer, group, plan.name, [...offsets.values()])
      if (!this.#stage.running() || !random.chance(plan.restlessness)) continue
      if (random.chance(0.5)) break
      await sleep(env.clock, plan.sessionTimeoutMs * 2 * random.fraction())
    }
    await consumer.close()
  }

  async #commit(consumer: Consumer, group: string, member: string, offsets: readonly (Place & { offset: number })[]): Promise<void> {
    const { history } = this.#stage
    const since = history.events.length
    const note = (outcome: 'done' | 'unknown') => {
      for (const { offset, ...place } of offsets)
        history.add({ type: 'groupCommit', group, since, member, generation: -1, partition: nameOf(place), offset, outcome })
    }
    try {
      await consumer.commit(offsets)
      note('done')
    } catch (error) {
      note('unknown')
      if (!(error instanceof KafkaError)) throw error
    }
  }
}

type Admin = ReturnType<ReturnType<typeof kafkaOf>['admin']>
type Consumer = ReturnType<ReturnType<typeof kafkaOf>['consumer']>
