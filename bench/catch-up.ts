// Catch-up: a consumer reads 16 partitions of 1 KiB records from their start, through librdkafka; once out of the page cache, once from the disk. What
// the records were promised with when they were written makes no difference, so there is one mode. Kafka hands its files to the socket (sendfile); ours
// must copy.
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, evictSegments, NEVER, residentMegabytes } from './peers.ts'
import { producerPerformance } from './producer-performance.ts'

const TOPIC = 'catch-up'
const PARTITIONS = 16
const RECORD_BYTES = 1024

export async function benchCatchUp(bench: Bench): Promise<void> {
  const count = bench.quick ? 500_000 : 3_000_000
  const probe = await bench.probe()
  await bench.withPeers({ ottla: [`log.flush.interval.messages=${NEVER}`] }, async peers => {
    for (const peer of peers) {
      await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: PARTITIONS }]))
      const load = { topic: TOPIC, records: count, recordBytes: RECORD_BYTES, batchBytes: 131_072 }
      const { megabytesPerSecond } = await producerPerformance(bench.kafkaTool(), peer, load)
      bench.say(`filled ${peer.name} at ${megabytesPerSecond.toFixed(0)} MB/s`)
    }
    for (let round = 0; round <= bench.rounds(3); round++) {
      for (const cache of ['warm', 'cold'] as const) {
        // Round 0 warms both up.
        if (round === 0 && cache === 'cold') continue
        for (const peer of peers) {
          if (cache === 'cold') await evictSegments(peer)
          const before = cpuSeconds(peer.pid)
          const {
            bytes,
            seconds,
            cpuSeconds: clientCpu,
          } = await probe.read({ bootstrap: peer.bootstrap, topic: TOPIC, partitions: PARTITIONS, count })
          const perGigabyte = (cpuSeconds(peer.pid) - before) / (bytes / 1e9)
          const rate = bytes / 1e6 / seconds
          bench.say(
            `${cache}, round ${round}, ${peer.name}: ${rate.toFixed(0)} MB/s, ${perGigabyte.toFixed(2)} CPU-s/GB (the client ${(clientCpu / (bytes / 1e9)).toFixed(2)})`,
          )
          if (round === 0) continue
          bench.results.add(`catch-up.${cache}.rate`, peer.name, rate)
          bench.results.add(`catch-up.${cache}.cpu`, peer.name, perGigabyte)
          bench.results.add(`catch-up.${cache}.rss`, peer.name, residentMegabytes(peer.pid))
        }
      }
    }
  })
}
