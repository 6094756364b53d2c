// Many partitions, one of them with data: what one fetch costs the broker. In a session (KIP-227) the client names none of them again, so the cost
// should be that of the one; without, it names a thousand each time.
import { realEnv } from '../src/env/real/env.ts'
import { realLogger } from '../src/env/real/logger.ts'
import { Kafka } from '../src/index.ts'
import { Connection } from '../src/net/connection.ts'
import { Fetch } from '../src/protocol/api/01-fetch.ts'
import type { RequestIn } from '../src/protocol/schema.ts'
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, type Peer } from './peers.ts'

const PARTITIONS = 1000
const TOPIC = 'sessions'
const TIMEOUT_MS = 30_000

export async function benchSessions(bench: Bench): Promise<void> {
  const count = bench.quick ? 1000 : 4000
  await bench.withPeers({}, async peers => {
    const sides = await Promise.all(peers.map(peer => prepare(peer)))
    // Round 0 warms both up.
    for (let round = 0; round <= bench.rounds(3); round++) {
      for (const side of sides) {
        for (const kind of ['incremental', 'full'] as const) {
          const micros = await (kind === 'incremental' ? inSession(side, count) : withoutSession(side, count / 4))
          bench.say(`round ${round}, ${side.peer.name}, ${kind}: ${micros.toFixed(0)} µs`)
          if (round > 0) bench.results.add(`sessions.${kind}`, side.peer.name, micros)
        }
      }
    }
    for (const { connection } of sides) connection.close()
  })
}

interface Side {
  readonly peer: Peer
  readonly connection: Connection
  readonly topicId: string
}

async function prepare(peer: Peer): Promise<Side> {
  const [created] = await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: PARTITIONS }], { timeoutMs: 60_000 }))
  const kafka = new Kafka({ bootstrapServers: peer.bootstrap })
  await kafka.producer().send({ topic: TOPIC, partition: 0, key: null, value: Buffer.alloc(100) })
  await kafka.close()
  const [host, port] = peer.bootstrap.split(':')
  const env = realEnv({ logger: realLogger({ level: 'warn' }) })
  const connection = await Connection.open(env, { host: host!, port: Number(port), clientId: 'bench', timeoutMs: TIMEOUT_MS })
  return { peer, connection, topicId: created!.topicId }
}

/** The one partition with data is fetched from the same offset each time, so each answer brings it again. */
async function inSession(side: Side, count: number): Promise<number> {
  const first = await fetchOnce(side, request(side, { sessionId: 0, sessionEpoch: 0, all: true }))
  if (first.sessionId === 0) throw new Error(`${side.peer.name} made no fetch session`)
  const micros = await cpuOf(side, count, i => request(side, { sessionId: first.sessionId, sessionEpoch: i + 1, all: false }))
  await fetchOnce(side, request(side, { sessionId: first.sessionId, sessionEpoch: -1, all: false }))
  return micros
}

function withoutSession(side: Side, count: number): Promise<number> {
  const body = request(side, { sessionId: 0, sessionEpoch: -1, all: true })
  return cpuOf(side, count, () => body)
}

async function cpuOf(side: Side, count: number, body: (i: number) => RequestIn<typeof Fetch>): Promise<number> {
  const before = cpuSeconds(side.peer.pid)
  for (let i = 0; i < count; i++) {
    const { recordsBytes } = await fetchOnce(side, body(i))
    if (recordsBytes === 0) throw new Error(`${side.peer.name} answered fetch ${i} without the record`)
  }
  return ((cpuSeconds(side.peer.pid) - before) / count) * 1e6
}

async function fetchOnce({ connection, peer }: Side, body: RequestIn<typeof Fetch>): Promise<{ sessionId: number; recordsBytes: number }> {
  const { errorCode, sessionId, responses } = await connection.request(Fetch, body, { timeoutMs: TIMEOUT_MS })
  if (errorCode !== 0) throw new Error(`${peer.name} answered a fetch with error ${errorCode}`)
  let recordsBytes = 0
  for (const { partitions } of responses) for (const { records } of partitions) recordsBytes += records?.length ?? 0
  return { sessionId, recordsBytes }
}

function request(
  { topicId }: Side,
  { sessionId, sessionEpoch, all }: { sessionId: number; sessionEpoch: number; all: boolean },
): RequestIn<typeof Fetch> {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 }))
  return {
    maxWaitMs: 0,
    minBytes: 1,
    sessionId,
    sessionEpoch,
    topics: all ? [{ topic: TOPIC, topicId, partitions }] : [],
    forgottenTopicsData: [],
    rackId: '',
  }
}
