// One record in flight: 100 B, produced with acks=all to one partition, acknowledged and read back; the probe is the same for both sides.
import { type Bench, withAdmin } from './bench.ts'
import { MODES } from './peers.ts'

export function benchLatency(bench: Bench): Promise<void> {
  return latency(bench, 'latency', 1)
}

/** RF 3. */
export function benchClusterLatency(bench: Bench): Promise<void> {
  return latency(bench, 'cluster-latency', 3)
}

async function latency(bench: Bench, cell: string, nodeCount: number): Promise<void> {
  const count = bench.quick ? 1000 : 5000
  const probe = await bench.probe()
  for (const mode of MODES) {
    await bench.withPeers({ ...mode, nodeCount }, async peers => {
      // Round 0 warms both up.
      for (let round = 0; round <= bench.rounds(3); round++) {
        for (const peer of peers) {
          const topic = `latency-${round}`
          await withAdmin(peer, admin => admin.createTopics([{ name: topic, numPartitions: 1 }]))
          const { p50, p99, p999 } = await probe.latency({ bootstrap: peer.bootstrap, topic, count, bytes: 100 })
          const [ms50, ms99, ms999] = [p50 / 1000, p99 / 1000, p999 / 1000]
          bench.say(
            `${mode.id}, round ${round}, ${peer.name}: p50 ${ms50.toFixed(3)} ms, p99 ${ms99.toFixed(2)} ms, p99.9 ${ms999.toFixed(2)} ms`,
          )
          if (round === 0) continue
          bench.results.add(`${cell}.${mode.id}.p50`, peer.name, ms50)
          bench.results.add(`${cell}.${mode.id}.p99`, peer.name, ms99)
          bench.results.add(`${cell}.${mode.id}.p999`, peer.name, ms999)
        }
      }
    })
  }
}
