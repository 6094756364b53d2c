// What the compatibility run asks of a client, whatever it is: a command line tool, a library behind an agent, or our own CLI.
import type { CodecName, CompatRecord, Speech } from './records.ts'

export interface ProduceOptions {
  readonly topic: string
  /** Default 0. */
  readonly partition?: number
  readonly codec: CodecName
  readonly acks: -1 | 0 | 1
  readonly idempotent: boolean
  readonly records: readonly CompatRecord[]
}

export interface TopicAdmin {
  createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>>): Promise<void>
  partitionCount(topic: string): Promise<number>
  addPartitions(topic: string, total: number): Promise<void>
  deleteTopic(topic: string): Promise<void>
  listTopics(): Promise<string[]>
}

export interface TopicConfigs {
  describe(topic: string, key: string): Promise<string | null>
  set(topic: string, key: string, value: string): Promise<void>
}

/** One promise, checked once: `run` throws with the reason when it does not hold; a text it returns is told. */
export interface Check {
  readonly name: string
  run(): Promise<unknown>
}

/** Absent members are what the client has no way to do. */
export interface Client {
  readonly name: string
  /** For the head of the table. */
  readonly version: string
  readonly speech: Speech
  /** The client lets its user set a record's timestamp. */
  readonly setsTimestamps: boolean
  produce?(options: ProduceOptions): Promise<void>
  /** `count` records of partition 0 from `offset` on, in order. */
  read?(topic: string, offset: number, count: number): Promise<CompatRecord[]>
  /** The first offset whose timestamp is at or after; the log end, or -1, when there is none. */
  offsetAt?(topic: string, timestamp: number): Promise<number>
  readonly admin?: TopicAdmin
  readonly configs?: TopicConfigs
  /** What only this client can be asked. */
  checks?(world: World): Check[]
  close?(): void
}

/** What checks may use. */
export interface World {
  readonly bootstrap: string
  /** The broker's data directory, when this run started it. */
  readonly dataDirectory: string | undefined
  /** A topic name nobody else uses. */
  topicName(stem: string): string
  /** Makes a topic by the surest means at hand. */
  createTopic(topic: string, partitions: number, configs?: Readonly<Record<string, string>>): Promise<void>
}

export function expectEqual<T>(actual: T, expected: T, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: got ${a?.slice(0, 300)}, expected ${b?.slice(0, 300)}`)
}

export function expectTrue(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/** Waits for a condition that the protocol lets come late (metadata of other brokers, topic deletion). */
export async function eventually(what: string, holds: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
