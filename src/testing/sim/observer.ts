// Asks the broker, over a bare connection, what it says of itself: leader epochs, high watermarks, producer ids.

import { type Env, sleep } from '../../env/env.ts'
import { Connection } from '../../net/connection.ts'
import { ListOffsets } from '../../protocol/api/02-list-offsets.ts'
import { Metadata } from '../../protocol/api/03-metadata.ts'
import { InitProducerId } from '../../protocol/api/22-init-producer-id.ts'
import type { History } from '../history.ts'
import { BROKER, type BrokerHost, PORT } from './broker-host.ts'

const TIMEOUT_MS = 2000
const LATEST = -1

export interface ObserverOptions {
  readonly broker: BrokerHost
  readonly history: History
  readonly topics: readonly string[]
  readonly running: () => boolean
}

export async function observe(env: Env, o: ObserverOptions): Promise<void> {
  while (o.running()) {
    const life = o.broker.life
    try {
      const connection = await Connection.open(env, { host: BROKER, port: PORT, clientId: 'observer', timeoutMs: TIMEOUT_MS })
      // Only an answer of the life that was there all the while can be told apart from another's.
      while (o.running() && !connection.closed && o.broker.life === life) {
        await lookOnce(connection, life, o)
        await sleep(env.clock, 20 + env.random.integer(200))
      }
      connection.close()
    } catch {
      // The broker is down, or went down: nothing was seen.
    }
    await sleep(env.clock, 20 + env.random.integer(100))
  }
}

async function lookOnce(connection: Connection, incarnation: number, { history, topics }: ObserverOptions): Promise<void> {
  const timeout = { timeoutMs: TIMEOUT_MS }
  const metadata = await connection.request(
    Metadata,
    { topics: topics.map(name => ({ name })), allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false },
    timeout,
  )
  const asked: { name: string; partitions: { partitionIndex: number; currentLeaderEpoch: number; timestamp: number }[] }[] = []
  for (const { name, partitions } of metadata.topics) {
    if (name === null) continue
    const led = partitions.filter(partition => partition.errorCode === 0 && partition.leaderId >= 0)
    for (const { partitionIndex, leaderEpoch } of led)
      history.add({ type: 'led', topic: name, partition: partitionIndex, incarnation, leaderEpoch })
    asked.push({
      name,
      partitions: led.map(({ partitionIndex, leaderEpoch }) => ({ partitionIndex, currentLeaderEpoch: leaderEpoch, timestamp: LATEST })),
    })
  }
  const offsets = await connection.request(ListOffsets, { replicaId: -1, isolationLevel: 0, topics: asked, timeoutMs: TIMEOUT_MS }, timeout)
  for (const [t, { name, partitions }] of offsets.topics.entries()) {
    for (const [p, { partitionIndex, errorCode, offset }] of partitions.entries()) {
      const leaderEpoch = asked[t]?.partitions[p]?.currentLeaderEpoch
      // The question named the epoch: an answer without error is of that epoch.
      if (errorCode === 0 && leaderEpoch !== undefined)
        history.add({ type: 'highWatermark', topic: name, partition: partitionIndex, leaderEpoch, offset })
    }
  }
  const identity = await connection.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 60_000 }, timeout)
  if (identity.errorCode === 0) history.add({ type: 'producerId', producerId: identity.producerId, producerEpoch: identity.producerEpoch })
}
