// Members of a group in the simulated world, against a real node: each polls, writes down what it got, and can die.
import type { Consumer, TopicPartition } from '../../../src/client/consumer.ts'
import type { RebalanceListener } from '../../../src/client/group/session.ts'
import { type ConsumerSettings, Kafka } from '../../../src/client/kafka.ts'
import { sleep } from '../../../src/env/env.ts'
import type { Scene } from '../../broker/test-node.ts'

export const BOOTSTRAP = 'broker:9092'

/** Within one group all members of a test share these books. */
export class Books {
  /** Values in the order they were given out, by member. */
  readonly read = new Map<string, string[]>()
  readonly log: string[] = []
}

export class Member {
  readonly name: string
  readonly consumer: Consumer
  readonly books: Books
  readonly #scene: Scene
  readonly #done: Promise<void>
  failure: Error | undefined
  #stopped = false

  constructor(scene: Scene, name: string, books: Books, settings: ConsumerSettings, topics: readonly string[] | RegExp) {
    this.#scene = scene
    this.name = name
    this.books = books
    books.read.set(name, books.read.get(name) ?? [])
    const kafka = new Kafka(scene.world.env(name), {
      bootstrapServers: BOOTSTRAP,
      clientId: name,
      connectTimeoutMs: 1000,
      requestTimeoutMs: 3000,
    })
    this.consumer = kafka.consumer({ groupId: 'group', autoOffsetReset: 'earliest', fetchMaxWaitMs: 100, ...settings })
    this.consumer.subscribe(topics, this.#listener())
    this.#done = this.#poll()
  }

  get partitions(): string[] {
    return this.consumer.assignment.map(keyOf).sort()
  }

  get read(): string[] {
    return this.books.read.get(this.name)!
  }

  /** The process is gone without a word. */
  die(): void {
    this.#stopped = true
    this.#scene.world.crash(this.name, { power: true })
    this.#scene.world.restart(this.name)
  }

  async close(): Promise<void> {
    this.#stopped = true
    await this.#done
    await this.consumer.close()
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      try {
        const records = await this.consumer.poll({ maxWaitMs: 100 })
        for (const { value } of records) this.read.push(String(value))
      } catch (error) {
        this.failure = error as Error
        return
      }
    }
  }

  #listener(): RebalanceListener {
    const note = (what: string) => (partitions: readonly TopicPartition[]) => {
      if (partitions.length > 0) this.books.log.push(`${this.name} ${what} ${partitions.map(keyOf).sort().join(' ')}`)
    }
    return { onPartitionsAssigned: note('+'), onPartitionsRevoked: note('-'), onPartitionsLost: note('lost') }
  }
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** Waits until the condition holds, and shows the state when it does not within a minute of the world's time. */
export async function eventually(scene: Scene, what: string, holds: () => boolean, state: () => unknown = () => ''): Promise<void> {
  const { clock } = scene.world.env('watcher')
  for (const startedAt = clock.now(); !holds(); await sleep(clock, 20)) {
    if (clock.now() - startedAt > 60_000) throw new Error(`not within a minute: ${what}; ${JSON.stringify(state())}`)
  }
}

/** Every partition has exactly one owner, and the members differ by one at most. */
export function isShared(members: readonly Member[], partitionCount: number): boolean {
  const all = members.flatMap(({ partitions }) => partitions)
  const sizes = members.map(({ partitions }) => partitions.length)
  return all.length === partitionCount && new Set(all).size === partitionCount && Math.max(...sizes) - Math.min(...sizes) <= 1
}

export async function withTopic(scene: Scene, topic: string, numPartitions: number): Promise<Kafka> {
  const kafka = new Kafka(scene.world.env('producer'), { bootstrapServers: BOOTSTRAP })
  await kafka.admin().createTopics([{ name: topic, numPartitions }])
  return kafka
}

/** `count` records over all partitions in turn. */
export async function fill(kafka: Kafka, topic: string, numPartitions: number, from: number, count: number): Promise<string[]> {
  const values = Array.from({ length: count }, (_, i) => String(from + i))
  const producer = kafka.producer()
  await producer.sendBatch(values.map((value, i) => ({ topic, value, partition: i % numPartitions })))
  await producer.close()
  return values
}
