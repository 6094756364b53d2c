// Produce: what ProducerPerformance reaches with 16 partitions, and what the broker processes spend for it: one node with acks=1, and three with RF 3
// and acks=all. Twice, like with like: flushed before the ack (our default), and left to the page cache (Apache Kafka's default).
import { type Bench, withAdmin } from './bench.ts'
import { cpuSecondsOfAll, MODES, type Peer, residentMegabytesOfAll } from './peers.ts'
import { type Load, producerPerformance } from './producer-performance.ts'

/** 1 KiB records in batches of 128 KiB. */
export function benchProduce(bench: Bench): Promise<void> {
  return produce(bench, 'produce', { ...large(bench), nodeCount: 1 })
}

export function benchClusterProduce(bench: Bench): Promise<void> {
  return produce(bench, 'cluster-produce', { ...large(bench), nodeCount: 3 })
}

/** 100 B records in batches of 64 KiB. */
export function benchProduceSmall(bench: Bench): Promise<void> {
  return produce(bench, 'produce-small', { ...small(bench), nodeCount: 1 })
}

export function benchClusterProduceSmall(bench: Bench): Promise<void> {
  return produce(bench, 'cluster-produce-small', { ...small(bench), nodeCount: 3 })
}

type Shape = Pick<Load, 'records' | 'recordBytes' | 'batchBytes'>

function large(bench: Bench): Shape {
  return { records: bench.quick ? 100_000 : 500_000, recordBytes: 1024, batchBytes: 131_072 }
}

function small(bench: Bench): Shape {
  return { records: bench.quick ? 500_000 : 3_000_000, recordBytes: 100, batchBytes: 65_536 }
}

async function produce(bench: Bench, cell: string, { nodeCount, ...load }: Shape & { nodeCount: number }): Promise<void> {
  for (const mode of MODES) {
    await bench.withPeers({ ...mode, nodeCount }, async peers => {
      // Round 0 warms both up and is not counted: half of the JVM's first run goes into compiling.
      for (let round = 0; round <= bench.rounds(3); round++) {
        for (const peer of peers) {
          const { megabytesPerSecond, cpuPerGigabyte, p99Ms } = await produceOnce(bench.kafkaTool(), peer, {
            ...load,
            topic: `${cell}-${round}`,
            acks: nodeCount === 1 ? '1' : 'all',
          })
          bench.say(
            `${mode.id}, round ${round}, ${peer.name}: ${megabytesPerSecond.toFixed(0)} MB/s, ${cpuPerGigabyte.toFixed(2)} CPU-s/GB, p99 ${p99Ms} ms`,
          )
          if (round === 0) continue
          bench.results.add(`${cell}.${mode.id}.rate`, peer.name, megabytesPerSecond)
          bench.results.add(`${cell}.${mode.id}.cpu`, peer.name, cpuPerGigabyte)
          bench.results.add(`${cell}.${mode.id}.p99`, peer.name, p99Ms)
          bench.results.add(`${cell}.${mode.id}.rss`, peer.name, residentMegabytesOfAll(peer))
        }
      }
    })
  }
}

async function produceOnce(tool: string, peer: Peer, load: Load) {
  return withAdmin(peer, async admin => {
    await admin.createTopics([{ name: load.topic, numPartitions: 16 }])
    const before = cpuSecondsOfAll(peer)
    const figures = await producerPerformance(tool, peer, load)
    const cpu = cpuSecondsOfAll(peer) - before
    await admin.deleteTopics([load.topic])
    return { ...figures, cpuPerGigabyte: cpu / ((load.records * load.recordBytes) / 1e9) }
  })
}
