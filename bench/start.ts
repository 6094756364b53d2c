// Cold start: from starting the process to the first record acknowledged and read back.
// Ours starts on an empty directory; Apache Kafka starts on data that were formatted, and started once, before: that part is not counted.
import { Kafka } from '../src/index.ts'
import type { Bench } from './bench.ts'
import { kafkaLocal, type Peer, residentMegabytes, startKafka, startOttla } from './peers.ts'
import { roundTrip } from './round-trip.ts'

export async function benchStart(bench: Bench): Promise<void> {
  const tool = kafkaLocal()
  const kafka = typeof tool === 'string' ? await startKafka(tool, 19_450) : undefined
  try {
    await kafka?.halt()
    for (let round = 0; round < bench.rounds(5); round++) {
      let begun = performance.now()
      const ottla = await startOttla()
      await firstRecord(bench, ottla, round, begun)
      await ottla.stop()
      if (kafka === undefined) continue
      begun = performance.now()
      await kafka.start()
      await firstRecord(bench, kafka, round, begun)
      await kafka.halt()
    }
  } finally {
    await kafka?.stop()
  }
}

async function firstRecord(bench: Bench, peer: Peer, round: number, begun: number): Promise<void> {
  await roundTrip(new Kafka({ bootstrapServers: peer.bootstrap }), `cold-start-${round}`)
  const took = performance.now() - begun
  bench.results.add('start.time', peer.name, took)
  bench.results.add('start.rss', peer.name, residentMegabytes(peer.pid))
  bench.say(`round ${round + 1}, ${peer.name}: ${took.toFixed(0)} ms`)
}
