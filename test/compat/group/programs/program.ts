// What every group program shares: one JSON object as its only argument says what to do, JSON lines on stdout say what came of it. `op: 'member'`
// consumes as a member of a group until SIGTERM, which leaves the group; `op: 'producer'` produces until SIGTERM,
// and then ends when all that it sent is acked; the other operations answer one line and end. The programs in Go and
// Python keep the same form.
import { createRequire } from 'node:module'
import { join } from 'node:path'

export interface Orders {
  readonly op: 'member' | 'producer' | keyof GroupTool
  readonly bootstrap: string
  /** The folder that holds node_modules. */
  readonly packages: string
  readonly group: string
  readonly topic: string
  readonly sessionMs: number
  /** group.instance.id */
  readonly instance?: string
  /** Kafka's name of the assignor; absent: the client's own choice. */
  readonly assignor?: string
  /** For a producer: so many keys take turns, one record every so often. */
  readonly keys?: number
  readonly paceMs?: number
  /** By partition, for `alter`. */
  readonly offsets?: Readonly<Record<string, number>>
}

/** What an administrator asks. An operation that is missing is one the client does not have. */
export interface GroupTool {
  groups?(): Promise<string[]>
  describe?(): Promise<{ state: string; members: number }>
  /** By partition; without those that have no commit. */
  committed?(): Promise<Record<string, number>>
  alter?(): Promise<unknown>
  deleteOffsets?(): Promise<unknown>
  delete?(): Promise<unknown>
  lag?(): Promise<Record<string, number>>
}

export type Saying =
  /** `whole`: the member owns these and no others; else they come to what it owns. */
  | { readonly event: 'assigned'; readonly partitions: readonly number[]; readonly whole?: boolean }
  /** Without partitions: all of them. */
  | { readonly event: 'revoked'; readonly partitions?: readonly number[] }
  | { readonly event: 'record'; readonly partition: number; readonly offset: number }
  | { readonly event: 'committed'; readonly partition: number; readonly offset: number }
  | { readonly event: 'acked'; readonly sequence: number; readonly partition?: number; readonly offset?: number }
  /** The client gave the record up. */
  | { readonly event: 'refused'; readonly sequence: number; readonly reason: string }

export const orders = JSON.parse(process.argv[2]!) as Orders

/** Stamped here, as pipes of several processes are read in any order. */
export function say(saying: Saying): void {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...saying })}\n`)
}

/** Loads a package of the cache, whose types this repository does not have. */
export function load<T>(name: string): T {
  return createRequire(join(orders.packages, 'package.json'))(name) as T
}

/** The brokers to begin with, one by one. */
export const brokers: string[] = orders.bootstrap.split(',')

export interface NumberedRecord {
  readonly sequence: number
  readonly key: string
  readonly value: string
}

function numbered(sequence: number): NumberedRecord {
  return { sequence, key: `key-${sequence % orders.keys!}`, value: String(sequence) }
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Sends one record, waits for its answer, and so on; for clients that do not keep records apart that are under way together. Returns how to stop. */
export function produceInTurn(send: (record: NumberedRecord) => Promise<unknown>): () => Promise<void> {
  let running = true
  const begin = Date.now()
  const loop = (async () => {
    for (let sequence = 0; running; sequence++) {
      await sleep(begin + sequence * orders.paceMs! - Date.now())
      try {
        await send(numbered(sequence))
        say({ event: 'acked', sequence })
      } catch (error) {
        say({ event: 'refused', sequence, reason: told(error) })
      }
    }
  })()
  loop.catch(fail)
  return async () => {
    running = false
    await loop
  }
}

/** As many under way as a client takes without waiting. */
const MOST_UNDER_WAY = 500

/** Sends at a pace without waiting for the answers. Returns how to stop, which settles when all are answered. */
export function produceAtOnce(send: (record: NumberedRecord) => Promise<{ partition: number; offset: number }>): () => Promise<void> {
  let running = true
  const underWay = new Set<Promise<void>>()
  const loop = (async () => {
    for (let next = 0; running; ) {
      if (underWay.size < MOST_UNDER_WAY) {
        const record = numbered(next++)
        const sent = send(record)
          .then(
            ({ partition, offset }) => say({ event: 'acked', sequence: record.sequence, partition, offset }),
            error => say({ event: 'refused', sequence: record.sequence, reason: told(error) }),
          )
          .finally(() => underWay.delete(sent))
        underWay.add(sent)
      }
      await sleep(orders.paceMs!)
    }
    await Promise.all(underWay)
  })()
  loop.catch(fail)
  return async () => {
    running = false
    await loop
  }
}

/** Runs what was ordered. `member` and `producer` return how to end. */
export async function serve(
  member: () => Promise<() => Promise<void>>,
  tool: () => Promise<GroupTool>,
  producer: () => Promise<() => Promise<void>>,
): Promise<void> {
  if (orders.op === 'member' || orders.op === 'producer') {
    let leave: Promise<() => Promise<void>> | undefined
    process.on('SIGTERM', () => void leave?.then(stop => stop()).then(() => process.exit(0), fail))
    leave = orders.op === 'member' ? member() : producer()
    await leave.catch(fail)
    return
  }
  try {
    const operation = (await tool())[orders.op]
    if (operation === undefined) throw new Error(`this client has no operation '${orders.op}'`)
    process.stdout.write(`${JSON.stringify({ result: (await operation()) ?? null })}\n`, () => process.exit(0))
  } catch (error) {
    fail(error)
  }
}

/** An error with its causes, on one line. Not every client throws instances of Error. */
function told(error: unknown): string {
  const causes: string[] = []
  for (let e: unknown = error, depth = 0; typeof e === 'object' && e !== null && depth < 5; depth++) {
    const { message, cause, errors, groups } = e as {
      message?: string
      cause?: unknown
      errors?: unknown[]
      groups?: { error?: unknown }[]
    }
    if (message !== undefined && !causes.includes(message)) causes.push(message)
    e = cause ?? errors?.[0] ?? groups?.[0]?.error
  }
  return causes.join(': ') || String(error)
}

export function fail(error: unknown): void {
  process.stdout.write(`${JSON.stringify({ error: told(error) })}\n`, () => process.exit(1))
}
