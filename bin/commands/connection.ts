// The client of one command, closed when the command ends however it ends.
import type { Admin, Kafka } from '../../src/index.ts'

export interface ClientOptions {
  readonly bootstrapServer: string
  readonly json?: true
}

const CONNECT_TIMEOUT_MS = 5000
/** A library waits for a cluster to come back; who types a command wants to know. */
const OPERATION_TIMEOUT_MS = 20_000

/** Knocks once first, so that a broker that is not there is said to be so at once. */
export async function withKafka<T>(options: ClientOptions, use: (kafka: Kafka, admin: Admin) => Promise<T>): Promise<T> {
  const { Kafka } = await import('../../src/index/kafka.ts')
  const bootstrapServers = options.bootstrapServer
  const kafka = new Kafka({ bootstrapServers, clientId: 'ottla-cli', connectTimeoutMs: CONNECT_TIMEOUT_MS })
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

export function withAdmin<T>(options: ClientOptions, use: (admin: Admin) => Promise<T>): Promise<T> {
  return withKafka(options, (_, admin) => use(admin))
}
