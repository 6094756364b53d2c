// What every client must live through without being restarted: the leader of its partition is killed and comes back, then all nodes restart one after the
// other, while it produces and consumes. What it was acked and what its members say is judged, so no check asks the client whether all went well.
import { type Kafka, Kafka as OttlaClient } from '../../../src/client/kafka.ts'
import { realEnv } from '../../../src/env/real/env.ts'
import { silentLogger } from '../../../src/env/real/logger.ts'
import { look, lookUntil } from '../../chaos/view.ts'
import { type Check, eventually, expectEqual } from '../client.ts'
import type { GroupClient, MemberOrders } from '../group/client.ts'
import { type Launch, Member } from '../group/member.ts'
import { type Event, judgeGroup } from '../group/verdict.ts'
import type { Nodes } from './nodes.ts'
import { ProducerProcess } from './producer.ts'
import { judgeLog, type StoredRecord } from './verdict.ts'

export const FAILOVER_CHECK = 'failover: the leader is killed, comes back; all restart in turn'

const PARTITIONS = 3
/** Generous: no time is judged here. */
const PATIENCE_MS = 120_000

export function failoverChecks(client: GroupClient, nodes: Nodes, topicName: (stem: string) => string): Check[] {
  return [
    {
      name: FAILOVER_CHECK,
      async run() {
        const scene = await FailoverScene.open(client, nodes, topicName('failover'))
        try {
          return await scene.play()
        } finally {
          await scene.close()
        }
      },
    },
  ]
}

/** Members of one group, and how far to trust what they say. */
interface Group {
  readonly members: readonly Member[]
  /** They tell what they were given; else all that can be asked is that nothing is skipped. */
  readonly tellsAll: boolean
}

class FailoverScene {
  readonly #client: GroupClient
  readonly #nodes: Nodes
  readonly #topic: string
  readonly #kafka: Kafka
  readonly #groups: Group[] = []
  #producer: ProducerProcess | undefined

  static async open(client: GroupClient, nodes: Nodes, topic: string): Promise<FailoverScene> {
    const kafka = new OttlaClient(realEnv({ logger: silentLogger }), { bootstrapServers: nodes.bootstrap, clientId: 'compat-failover' })
    const settings = { configs: { 'min.insync.replicas': '2' } }
    await kafka.admin().createTopics([{ name: topic, numPartitions: PARTITIONS, replicationFactor: 3, ...settings }])
    return new FailoverScene(client, nodes, topic, kafka)
  }

  private constructor(client: GroupClient, nodes: Nodes, topic: string, kafka: Kafka) {
    this.#client = client
    this.#nodes = nodes
    this.#topic = topic
    this.#kafka = kafka
  }

  async play(): Promise<string> {
    const { topic, nodes, client } = { topic: this.#topic, nodes: this.#nodes, client: this.#client }
    const producer = new ProducerProcess(client.producer(topic, PARTITIONS))
    this.#producer = producer
    this.#join('pair', ['first', 'second'], orders => client.launch(orders), !client.handsOutStale)
    if (client.console !== undefined) this.#join('console', ['console'], orders => client.console!(orders), false)
    await this.#goesOn('before any trouble', Date.now())
    await this.#until('both members have their share', () => this.#groups[0]!.members.every(({ owned }) => owned.size > 0))

    const leader = (await look(nodes.bootstrap.split(',')[0]!, [topic])).partitions.find(({ partition }) => partition === 0)!.leader
    await nodes.kill(leader)
    await this.#goesOn(`after node ${leader} was killed`, Date.now())
    await this.#back(leader)
    await this.#goesOn(`after node ${leader} came back`, Date.now())
    for (const id of nodes.ids) {
      await nodes.stop(id)
      await this.#goesOn(`while node ${id} is down`, Date.now())
      await this.#back(id)
    }
    await this.#goesOn('after all restarted', Date.now())

    await producer.stop(PATIENCE_MS)
    const ends = await this.#ends()
    await this.#until('the groups have seen everything', () => this.#groups.every(group => this.#seen(group, ends) >= sum(ends)))
    const log = judgeLog(producer.acks, await this.#stored(ends))
    expectEqual([log.lost, log.doubled, log.reordered], [0, 0, 0], `lost, doubled, reordered (${log.sentences.join('; ')})`)
    expectEqual(producer.refusals.slice(0, 3), [], `${producer.refusals.length} records the producer gave up`)
    const doubled = this.#groups.map(group => {
      const verdict = judgeGroup(group.tellsAll ? eventsOf(group) : [...givenAll(group), ...eventsOf(group)], ends)
      const broken = verdict.violations.filter(({ kind }) => kind === 'skipped' || group.tellsAll)
      expectEqual(broken.slice(0, 3), [], 'broken promises of the group')
      return verdict.doubled
    })
    return `${log.acked} acked once each, longest gap ${(producer.longestGap / 1000).toFixed(1)} s, ${doubled.join(' and ')} read twice`
  }

  async close(): Promise<void> {
    this.#producer?.kill()
    for (const { members } of this.#groups) for (const member of members) member.kill()
    await this.#kafka.close()
    // For the next client, whatever became of this one.
    for (const id of this.#nodes.ids) await this.#nodes.start(id).catch(() => {})
  }

  #join(name: string, members: readonly string[], launch: (orders: MemberOrders) => Launch, tellsAll: boolean): void {
    const orders = { topic: this.#topic, group: `${name}-of-${this.#topic}` }
    this.#groups.push({ members: members.map(member => new Member(member, launch(orders))), tellsAll })
  }

  async #back(id: number): Promise<void> {
    await this.#nodes.start(id)
    await lookUntil(this.#nodes.bootstrap.split(','), [this.#topic, '__consumer_offsets'], {
      holds: ({ partitions }) => partitions.length > PARTITIONS && partitions.every(({ isr, replicas }) => isr.length === replicas.length),
      timeoutMs: PATIENCE_MS,
      what: `all replicas in sync after node ${id} came back`,
    })
  }

  /** All keys are acked after `since`, and every group has read to where the log ended then. */
  async #goesOn(when: string, since: number): Promise<void> {
    await this.#until(`acks ${when}`, () => this.#producer!.ackedSince(since))
    const ends = await this.#ends()
    await this.#until(`records ${when}`, () => this.#groups.every(group => this.#seen(group, ends) >= sum(ends)))
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const everyone = () => this.#groups.flatMap(({ members }) => members)
    try {
      await eventually(
        what,
        async () => {
          for (const member of everyone()) if (member.ended) throw new Error(`it ended: ${member}`)
          return holds()
        },
        PATIENCE_MS,
      )
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${this.#producer}; ${everyone().join('; ')}`, { cause: error })
    }
  }

  #seen(group: Group, ends: ReadonlyMap<number, number>): number {
    const seen = new Set<string>()
    for (const event of eventsOf(group))
      if (event.kind === 'record' && event.offset < ends.get(event.partition)!) seen.add(`${event.partition}/${event.offset}`)
    return seen.size
  }

  async #ends(): Promise<ReadonlyMap<number, number>> {
    const consumer = this.#kafka.consumer()
    const ends = await consumer.endOffsets(this.#places())
    await consumer.close()
    return new Map(ends.map(({ partition, offset }) => [partition, offset]))
  }

  /** The whole log. */
  async #stored(ends: ReadonlyMap<number, number>): Promise<StoredRecord[]> {
    const consumer = this.#kafka.consumer()
    consumer.assign(this.#places().map(place => ({ ...place, position: { offset: 0 } })))
    const found: StoredRecord[] = []
    await eventually(
      'the log is read to its end',
      async () => {
        for (const { partition, offset, key, value } of await consumer.poll({ maxWaitMs: 100 })) {
          const [name, sequence] = [key, value].map(bytes => Buffer.from(bytes!).toString())
          found.push({ partition, offset, key: name!, sequence: Number(sequence) })
        }
        return found.length >= sum(ends)
      },
      PATIENCE_MS,
    )
    await consumer.close()
    return found.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  }

  #places(): { topic: string; partition: number }[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: this.#topic, partition }))
  }
}

const eventsOf = ({ members }: Group) => members.flatMap(member => member.events)
/** For members that do not tell what they are given. */
const givenAll = ({ members }: Group): Event[] =>
  members.map(({ name }) => ({ kind: 'assigned', at: 0, member: name, partitions: Array.from({ length: PARTITIONS }, (_, i) => i) }))
const sum = (ends: ReadonlyMap<number, number>): number => [...ends.values()].reduce((a, b) => a + b, 0)
