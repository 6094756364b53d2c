// From an error to what its reader needs: what was wrong, what was expected, what to do next.

export const OK = 0
export const FAILED = 1
export const USAGE = 2
export const UNREACHABLE = 3

/** The user typed something that cannot be meant. */
export class UsageError extends Error {}

/** `whole('-n', '5', 1)`: the option's value as a whole number. @throws UsageError */
export function whole(option: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || value < least || value > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`
    throw new UsageError(`${option} is '${text}': expected a whole number ${range}`)
  }
  return value
}

/** `key=value` texts as an object. @throws UsageError */
export function settings(option: string, texts: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1) throw new UsageError(`${option} is '${text}': expected key=value`)
    found[text.slice(0, at).trim()] = text.slice(at + 1)
  }
  return found
}

interface Explained {
  readonly message: string
  readonly exitCode: number
}

/** What to do about errors that brokers name. */
const ADVICE: Readonly<Record<string, string>> = {
  TOPIC_ALREADY_EXISTS: 'Choose another name, add --if-not-exists, or look at it with: ottla topic describe NAME',
  UNKNOWN_TOPIC_OR_PARTITION: 'See what is there: ottla topic list. Make it: ottla topic create NAME',
  INVALID_PARTITIONS: 'See the present number: ottla topic describe NAME. It can only grow.',
  INVALID_REPLICATION_FACTOR: 'There cannot be more copies than brokers; leave the factor out to take the default.',
  MESSAGE_TOO_LARGE: 'Raise the limit of the topic: ottla config set --topic NAME max.message.bytes=BYTES, and --max-request-bytes here.',
  RECORD_TOO_LARGE: 'Raise the limit of the topic: ottla config set --topic NAME max.message.bytes=BYTES, and --max-request-bytes here.',
  OFFSET_OUT_OF_RANGE: 'See the offsets there are: ottla topic describe NAME. Start with --from-beginning to take the oldest.',
  NOT_ENOUGH_REPLICAS: 'Too few replicas are in sync for acks=all. Start the missing brokers, or lower min.insync.replicas.',
  GROUP_ID_NOT_FOUND: 'See what is there: ottla group list. A consumer makes it: ottla consume TOPIC -g GROUP',
  NON_EMPTY_GROUP: 'Stop its members first; who they are: ottla group describe GROUP',
  GROUP_SUBSCRIBED_TO_TOPIC: 'Its members read that topic: stop them first. Who they are: ottla group describe GROUP',
  UNKNOWN_MEMBER_ID: 'The group has members: stop them first. Who they are: ottla group describe GROUP',
  INCONSISTENT_GROUP_PROTOCOL:
    'The members of that group share its partitions by another rule (or are no consumers). Choose another group, or see: ottla group describe GROUP',
  GROUP_MAX_SIZE_REACHED: 'The group has as many members as the brokers allow (group.max.size).',
  UNSUPPORTED_VERSION: 'The broker is too old, or no Kafka broker.',
}

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is unknown',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'the connection was closed',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
}

interface Coded extends Error {
  /** Of a process whose end this error tells. */
  readonly exitCode?: number
  readonly code?: string | number
  readonly codeName?: string
}

export function explain(error: unknown): Explained {
  if (error instanceof UsageError) return { message: error.message, exitCode: USAGE }
  const chain = causes(error)
  const kafka = chain.find(({ codeName }) => codeName !== undefined)
  const refused = chain.find(({ code }) => typeof code === 'string' && code in CONNECTION)
  if (refused !== undefined) return { message: unreachable(chain[0]!, refused), exitCode: UNREACHABLE }
  if (kafka !== undefined) {
    const said = chain[0]!.message.includes(kafka.codeName!) ? chain[0]!.message : `${kafka.codeName}: ${chain[0]!.message}`
    return { message: withAdvice(said, ADVICE[kafka.codeName!]), exitCode: FAILED }
  }
  const first = chain[0]
  if (first === undefined) return { message: String(error), exitCode: FAILED }
  const usage = first.name === 'ConfigError' || first.constructor.name === 'ConfigError'
  // What other nodes say has its own advice.
  const advice = JOINING.test(first.message) ? undefined : LOCAL[String(first.code)]
  return { message: withAdvice(first.message, advice), exitCode: first.exitCode ?? (usage ? USAGE : FAILED) }
}

const JOINING = /^Node \d+ cannot join/

const LOCAL: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'Another process has that port (perhaps a broker that already runs). Choose another with --port N, or --port 0 for any free one.',
  EACCES: 'This user may not do that. Choose another --port (from 1024 on) or another --data directory.',
  ELOCKED: 'Another process has that data directory open, perhaps a broker that already runs. Stop it, or choose another with --data DIR.',
  ECORRUPT: 'The data directory is damaged. Keep a copy before anything else is tried.',
  ENOSPC: 'The disk is full: free some space and start again.',
  EIO: 'The disk failed, and a write that failed is never taken for done. Look after the disk, then start again: what was acknowledged is on it.',
}

function causes(error: unknown): Coded[] {
  const chain: Coded[] = []
  for (let e = error; e instanceof Error && chain.length < 8; e = e.cause ?? (e as { errors?: unknown[] }).errors?.[0]) chain.push(e)
  return chain
}

function unreachable(first: Coded, refused: Coded): string {
  return `${first.message}: ${CONNECTION[String(refused.code)]}.\nStart a broker with: ottla start. Or say where one is: -b host:port, or OTTLA_BOOTSTRAP_SERVER.`
}

function withAdvice(message: string, advice: string | undefined): string {
  return advice === undefined ? message : `${message}\n${advice}`
}
