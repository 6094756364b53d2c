// The client of one command, closed when the command ends however it ends.
import type { Admin, Kafka } from '../../src/index.ts'
import { DEFAULT_DIRECTORY, runningBootstrap } from './local/cluster-file.ts'

export interface ClientOptions {
  /** Default: the cluster that runs in ./ottla-data, else localhost:9092. */
  readonly bootstrapServer?: string
  readonly json?: true
}

const DEFAULT_BOOTSTRAP = 'localhost:9092'
const CONNECT_TIMEOUT_MS = 5000
/** A library waits for a cluster to come back; who types a command wants to know. */
const OPERATION_TIMEOUT_MS = 20_000

/** For commands that would rather know what the others say than wait for one broker. */
export interface Patience {
  readonly answerTimeoutMs?: number
}

/** Knocks once first, so that a broker that is not there is said to be so at once. */
export async function withKafka<T>(
  options: ClientOptions,
  use: (kafka: Kafka, admin: Admin) => Promise<T>,
  { answerTimeoutMs }: Patience = {},
): Promise<T> {
  const { Kafka } = await import('../../src/index/kafka.ts')
  const bootstrapServers = options.bootstrapServer ?? runningBootstrap(DEFAULT_DIRECTORY) ?? DEFAULT_BOOTSTRAP
  const timeouts = {
    connectTimeoutMs: answerTimeoutMs ?? CONNECT_TIMEOUT_MS,
    ...(answerTimeoutMs === undefined ? {} : { requestTimeoutMs: answerTimeoutMs }),
  }
  const kafka = new Kafka({ bootstrapServers, clientId: 'ottla-cli', ...timeouts })
  try {
    const admin = kafka.admin({ timeoutMs: OPERATION_TIMEOUT_MS })
    // No time for a second try.
    await admin.describeCluster({ timeoutMs: 1 }).catch((cause: Error) => {
      throw new Error(`no broker answers at ${bootstrapServers}`, { cause })
    })
    return await use(kafka, admin)
  } finally {
    await kafka.close()
  }
}

export function withAdmin<T>(options: ClientOptions, use: (admin: Admin) => Promise<T>, patience: Patience = {}): Promise<T> {
  return withKafka(options, (_, admin) => use(admin), patience)
}
