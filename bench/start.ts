// Cold start: from starting the process to the first record acknowledged and read back.
// Ours starts on an empty directory; Apache Kafka starts on data that were formatted, and started once, before: that part is not counted.
import { Kafka } from '../src/index.ts'
import type { Bench } from './bench.ts'
import { kafkaLocal, type Peer, residentMegabytesOfAll, startKafka, startOttla } from './peers.ts'
import { roundTrip } from './round-trip.ts'

export function benchStart(bench: Bench): Promise<void> {
  return start(bench, 'start', 1)
}

/** The first record's topic has three replicas. */
export function benchClusterStart(bench: Bench): Promise<void> {
  return start(bench, 'cluster-start', 3)
}

async function start(bench: Bench, cell: string, nodeCount: number): Promise<void> {
  const tool = kafkaLocal()
  const kafka = typeof tool === 'string' ? await startKafka(tool, 19_451, [], nodeCount) : undefined
  try {
    await kafka?.halt()
    for (let round = 0; round < bench.rounds(5); round++) {
      let begun = performance.now()
      const ottla = await startOttla([], nodeCount)
      await firstRecord(bench, { cell, peer: ottla, round, begun, nodeCount })
      await ottla.stop()
      if (kafka === undefined) continue
      begun = performance.now()
      await kafka.start()
      await firstRecord(bench, { cell, peer: kafka, round, begun, nodeCount })
      await kafka.halt()
    }
  } finally {
    await kafka?.stop()
  }
}

async function firstRecord(
  bench: Bench,
  { cell, peer, round, begun, nodeCount }: { cell: string; peer: Peer; round: number; begun: number; nodeCount: number },
): Promise<void> {
  const topic = `cold-start-${round}`
  const client = () => new Kafka({ bootstrapServers: peer.bootstrap })
  if (nodeCount === 1) await roundTrip(client(), topic)
  else await replicatedRoundTrip(client, topic, nodeCount)
  const took = performance.now() - begun
  bench.results.add(`${cell}.time`, peer.name, took)
  bench.results.add(`${cell}.rss`, peer.name, residentMegabytesOfAll(peer))
  bench.say(`round ${round + 1}, ${peer.name}: ${took.toFixed(0)} ms`)
}

/** A broker that serves may not know all others yet: tried again at once. */
async function replicatedRoundTrip(client: () => Kafka, topic: string, replicationFactor: number): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      await roundTrip(client(), topic, { replicationFactor })
      return
    } catch (error) {
      if ((error as { name?: string }).name !== 'KafkaError' || performance.now() > deadline) throw error
    }
  }
}
