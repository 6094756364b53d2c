// 10,000 partitions in 10 topics: made, held, and found again by a process that starts. Kafka takes at most 10,000 records for one request, so
// each topic is a request of its own.
import { type Bench, withAdmin } from './bench.ts'
import { type Peer, residentMegabytes } from './peers.ts'

const PARTITIONS_EACH = 1000

export async function benchPartitions(bench: Bench): Promise<void> {
  const topics = Array.from({ length: bench.quick ? 2 : 10 }, (_, i) => `many-${i}`)
  for (let round = 0; round < bench.rounds(2); round++) {
    await bench.withPeers({}, async peers => {
      for (const peer of peers) {
        let begun = performance.now()
        await withAdmin(peer, async admin => {
          for (const name of topics) await admin.createTopics([{ name, numPartitions: PARTITIONS_EACH }], { timeoutMs: 120_000 })
        })
        await allLed(peer, topics)
        const createSeconds = (performance.now() - begun) / 1000
        const megabytes = residentMegabytes(peer.pid)
        await peer.halt()
        begun = performance.now()
        await peer.start()
        await allLed(peer, topics)
        const restartSeconds = (performance.now() - begun) / 1000
        bench.results.add('partitions.create', peer.name, createSeconds)
        bench.results.add('partitions.rss', peer.name, megabytes)
        bench.results.add('partitions.restart', peer.name, restartSeconds)
        bench.say(
          `round ${round + 1}, ${peer.name}: created in ${createSeconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB, restart ${restartSeconds.toFixed(2)} s`,
        )
      }
    })
  }
}

/** Settles when Metadata names a leader for every partition. */
async function allLed(peer: Peer, topics: readonly string[]): Promise<void> {
  await withAdmin(peer, async admin => {
    const deadline = performance.now() + 180_000
    for (;;) {
      const described = await admin.describeTopics(topics).catch(() => [])
      const led = described.flatMap(topic => topic.partitions).filter(partition => partition.leaderId >= 0).length
      if (led === topics.length * PARTITIONS_EACH) return
      if (performance.now() > deadline) throw new Error(`${peer.name}: ${led} partitions have a leader after 180 s`)
    }
  })
}
