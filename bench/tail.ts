// At the tail: one producer at a steady rate, without and with one consumer that reads each record as it comes. The difference is what a reader
// of the newest records costs.
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, NEVER } from './peers.ts'
import { producerPerformance } from './producer-performance.ts'

const PARTITIONS = 16
const RECORD_BYTES = 1024
const PER_SECOND = 40_000

export async function benchTail(bench: Bench): Promise<void> {
  const records = bench.quick ? 120_000 : 320_000
  const probe = await bench.probe()
  const tool = bench.kafkaTool()
  await bench.withPeers({ ottla: [`log.flush.interval.messages=${NEVER}`] }, async peers => {
    // Round 0 warms both up.
    for (let round = 0; round <= bench.rounds(2); round++) {
      for (const readers of ['without', 'with'] as const) {
        for (const peer of peers) {
          const topic = `tail-${readers}-${round}`
          await withAdmin(peer, admin => admin.createTopics([{ name: topic, numPartitions: PARTITIONS }]))
          const before = cpuSeconds(peer.pid)
          const reading =
            readers === 'with' ? probe.read({ bootstrap: peer.bootstrap, topic, partitions: PARTITIONS, count: records }) : undefined
          await producerPerformance(tool, peer, { topic, records, recordBytes: RECORD_BYTES, batchBytes: 131_072, throughput: PER_SECOND })
          await reading
          const perGigabyte = (cpuSeconds(peer.pid) - before) / ((records * RECORD_BYTES) / 1e9)
          await withAdmin(peer, admin => admin.deleteTopics([topic]))
          bench.say(`round ${round}, ${peer.name}, ${readers} a consumer: ${perGigabyte.toFixed(2)} CPU-s/GB`)
          if (round > 0) bench.results.add(`tail.${readers}`, peer.name, perGigabyte)
        }
      }
    }
  })
}
