// What a cluster says about itself: who leads what, who is in sync, which controller is active. Asked of whoever answers.
import { realEnv } from '../../src/env/real/env.ts'
import { Connection } from '../../src/net/connection.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ElectLeaders } from '../../src/protocol/api/43-elect-leaders.ts'
import { DescribeQuorum } from '../../src/protocol/api/55-describe-quorum.ts'

const TIMEOUT_MS = 2000
const POLL_MS = 20

export interface PartitionView {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface View {
  readonly controller: number
  readonly partitions: readonly PartitionView[]
}

/** @throws when this node does not answer in time */
export async function look(address: string, topics: readonly string[]): Promise<View> {
  return await talk(address, async connection => {
    const asked = topics.map(name => ({ name }))
    const metadata = await connection.request(Metadata, { topics: asked, allowAutoTopicCreation: false }, { timeoutMs: TIMEOUT_MS })
    const question = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }
    const quorum = await connection.request(DescribeQuorum, question, { timeoutMs: TIMEOUT_MS })
    return {
      controller: quorum.topics[0]?.partitions[0]?.leaderId ?? -1,
      partitions: metadata.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => ({
          topic: name!,
          partition: partitionIndex,
          leader: leaderId,
          replicas: replicaNodes,
          isr: isrNodes,
        })),
      ),
    }
  })
}

/** Asks one after the other until one answers as wanted. @throws when none did in time, with what was seen last */
export async function lookUntil(
  addresses: readonly string[],
  topics: readonly string[],
  { holds, timeoutMs, what }: { holds: (view: View) => boolean; timeoutMs: number; what: string },
): Promise<View> {
  const deadline = performance.now() + timeoutMs
  let seen = ''
  while (performance.now() < deadline) {
    for (const address of addresses) {
      try {
        const view = await look(address, topics)
        seen = JSON.stringify(view)
        if (holds(view)) return view
      } catch (error) {
        seen = `${address}: ${(error as Error).message}`
      }
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}; last seen: ${seen}`)
}

/** Every partition led by its first replica, where that can be. */
export async function preferLeaders(address: string): Promise<void> {
  await talk(address, connection =>
    connection.request(ElectLeaders, { electionType: 0, topicPartitions: null, timeoutMs: TIMEOUT_MS }, { timeoutMs: TIMEOUT_MS }),
  ).catch(() => {})
}

async function talk<T>(address: string, use: (connection: Connection) => Promise<T>): Promise<T> {
  const at = address.lastIndexOf(':')
  const connection = await Connection.open(realEnv(), {
    host: address.slice(0, at),
    port: Number(address.slice(at + 1)),
    clientId: 'chaos',
    timeoutMs: TIMEOUT_MS,
  })
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}
