// Produce: what ProducerPerformance reaches with acks=1 and 16 partitions, and what the broker process spends for it. Twice, like with like: flushed
// before the ack (our default), and left to the page cache (Apache Kafka's default).
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, MODES, type Peer, residentMegabytes } from './peers.ts'
import { type Load, producerPerformance } from './producer-performance.ts'

/** 1 KiB records in batches of 128 KiB. */
export function benchProduce(bench: Bench): Promise<void> {
  return produce(bench, 'produce', { records: bench.quick ? 100_000 : 500_000, recordBytes: 1024, batchBytes: 131_072 })
}

/** 100 B records in batches of 64 KiB. */
export function benchProduceSmall(bench: Bench): Promise<void> {
  return produce(bench, 'produce-small', { records: bench.quick ? 500_000 : 3_000_000, recordBytes: 100, batchBytes: 65_536 })
}

async function produce(bench: Bench, cell: string, load: Omit<Load, 'topic'>): Promise<void> {
  for (const mode of MODES) {
    await bench.withPeers(mode, async peers => {
      // Round 0 warms both up and is not counted: half of the JVM's first run goes into compiling.
      for (let round = 0; round <= bench.rounds(3); round++) {
        for (const peer of peers) {
          const { megabytesPerSecond, cpuPerGigabyte, p99Ms } = await produceOnce(bench.kafkaTool(), peer, {
            ...load,
            topic: `${cell}-${round}`,
          })
          bench.say(
            `${mode.id}, round ${round}, ${peer.name}: ${megabytesPerSecond.toFixed(0)} MB/s, ${cpuPerGigabyte.toFixed(2)} CPU-s/GB, p99 ${p99Ms} ms`,
          )
          if (round === 0) continue
          bench.results.add(`${cell}.${mode.id}.rate`, peer.name, megabytesPerSecond)
          bench.results.add(`${cell}.${mode.id}.cpu`, peer.name, cpuPerGigabyte)
          bench.results.add(`${cell}.${mode.id}.p99`, peer.name, p99Ms)
          bench.results.add(`${cell}.${mode.id}.rss`, peer.name, residentMegabytes(peer.pid))
        }
      }
    })
  }
}

async function produceOnce(tool: string, peer: Peer, load: Load) {
  return withAdmin(peer, async admin => {
    await admin.createTopics([{ name: load.topic, numPartitions: 16 }])
    const before = cpuSeconds(peer.pid)
    const figures = await producerPerformance(tool, peer, load)
    const cpu = cpuSeconds(peer.pid) - before
    await admin.deleteTopics([load.topic])
    return { ...figures, cpuPerGigabyte: cpu / ((load.records * load.recordBytes) / 1e9) }
  })
}
