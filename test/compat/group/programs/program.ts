// What every group program shares: one JSON object as its only argument says what to do, JSON lines on stdout say what came of it. `op: 'member'`
// consumes as a member of a group until SIGTERM, which leaves the group; the other operations answer one line and end. The programs in Go and
// Python keep the same form.
import { createRequire } from 'node:module'
import { join } from 'node:path'

export interface Orders {
  readonly op: 'member' | keyof GroupTool
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

export const orders = JSON.parse(process.argv[2]!) as Orders

/** Stamped here, as pipes of several processes are read in any order. */
export function say(saying: Saying): void {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...saying })}\n`)
}

/** Loads a package of the cache, whose types this repository does not have. */
export function load<T>(name: string): T {
  return createRequire(join(orders.packages, 'package.json'))(name) as T
}

/** Runs what was ordered. `member` returns how to leave. */
export async function serve(member: () => Promise<() => Promise<void>>, tool: () => Promise<GroupTool>): Promise<void> {
  if (orders.op === 'member') {
    let leave: Promise<() => Promise<void>> | undefined
    process.on('SIGTERM', () => void leave?.then(stop => stop()).then(() => process.exit(0), fail))
    leave = member()
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

/** Tells an error with its causes, on one line. Not every client throws instances of Error. */
export function fail(error: unknown): void {
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
  process.stdout.write(`${JSON.stringify({ error: causes.join(': ') || String(error) })}\n`, () => process.exit(1))
}
