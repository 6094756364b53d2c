// The agent's side of the conversation: one JSON request a line on stdin, one JSON answer a line on stdout. An agent is a process of its own, so
// that a client runs under the Node version it wants and takes nobody with it when it crashes.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { CodecName, CompatRecord } from '../records.ts'

export interface ProduceRequest {
  readonly topic: string
  readonly partition: number
  readonly codec: CodecName
  readonly acks: number
  readonly idempotent: boolean
  readonly records: readonly CompatRecord[]
}

/** What an agent can do. An operation that is missing is one the client's public face does not have. */
export interface Agent {
  produce(request: ProduceRequest): Promise<void>
  /** Partition 0, from `offset` on, `count` records. */
  read?(topic: string, offset: number, count: number): Promise<CompatRecord[]>
  /** The first offset at or after the time; -1 when there is none, or the log end where the client says that instead. */
  offsetAt?(topic: string, timestamp: number): Promise<number>
  createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>>): Promise<void>
  partitionCount(topic: string): Promise<number>
  addPartitions(topic: string, total: number): Promise<void>
  deleteTopic(topic: string): Promise<void>
  listTopics(): Promise<string[]>
  describeConfig?(topic: string, key: string): Promise<string | null>
  setConfig?(topic: string, key: string, value: string): Promise<void>
  close(): Promise<void>
}

type Field = string & number & CompatRecord[] & Record<string, string>
type Request = { id: number; op: string } & Record<string, Field>

export async function serve(open: (bootstrap: string) => Promise<Agent>): Promise<void> {
  const agent = await open(process.argv[2]!)
  const operations: Record<string, (r: Request) => Promise<unknown> | undefined> = {
    ready: async () => true,
    produce: r => agent.produce(r as unknown as ProduceRequest),
    read: r => agent.read?.(r['topic']!, r['offset']!, r['count']!),
    offsetAt: r => agent.offsetAt?.(r['topic']!, r['timestamp']!),
    createTopic: r => agent.createTopic(r['topic']!, r['partitions']!, r['configs']!),
    partitionCount: r => agent.partitionCount(r['topic']!),
    addPartitions: r => agent.addPartitions(r['topic']!, r['total']!),
    deleteTopic: r => agent.deleteTopic(r['topic']!),
    listTopics: () => agent.listTopics(),
    describeConfig: r => agent.describeConfig?.(r['topic']!, r['key']!),
    setConfig: r => agent.setConfig?.(r['topic']!, r['key']!, r['value']!),
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request
    try {
      const result = (await operations[request.op]!(request)) ?? null
      process.stdout.write(`${JSON.stringify({ id: request.id, result })}\n`)
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ id: request.id, error: describe(error) })}\n`)
    }
  }
  await agent.close()
  process.exit(0)
}

/** Loads a package of the cache (`process.argv[3]`), whose types this repository does not have. */
export function load<T>(name: string): T {
  return createRequire(join(process.argv[3]!, 'package.json'))(name) as T
}

export const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))
export const text = (buffer: Uint8Array | string | null | undefined): string | null =>
  buffer === null || buffer === undefined ? null : Buffer.from(buffer as Uint8Array).toString('base64')

/** An error with its causes, on one line. */
function describe(error: unknown): string {
  const parts: string[] = []
  for (let e = error, depth = 0; e instanceof Error && depth < 5; e = e.cause ?? (e as { errors?: unknown[] }).errors?.[0], depth++) {
    if (!parts.includes(e.message)) parts.push(e.message)
  }
  return parts.length === 0 ? String(error) : parts.join(': ')
}
