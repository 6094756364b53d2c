// 3,000 partitions with three replicas each, in 3 topics on three nodes: made, held, and found again by one node that was away.
import { type Bench, withAdmin } from './bench.ts'
import { type Peer, residentMegabytesOfAll } from './peers.ts'

const TOPICS = ['many-0', 'many-1', 'many-2']
const NODES = 3
/** Any of them. */
const AWAY = 2

export async function benchClusterPartitions(bench: Bench): Promise<void> {
  const numPartitions = bench.quick ? 100 : 1000
  const replicas = TOPICS.length * numPartitions * NODES
  for (let round = 0; round < bench.rounds(1); round++) {
    await bench.withPeers({ nodeCount: NODES }, async peers => {
      for (const peer of peers) {
        let begun = performance.now()
        await withAdmin(peer, async admin => {
          for (const name of TOPICS) await admin.createTopics([{ name, numPartitions, replicationFactor: NODES }], { timeoutMs: 120_000 })
        })
        await inSync(peer, replicas)
        const createSeconds = (performance.now() - begun) / 1000
        const megabytes = residentMegabytesOfAll(peer)
        await peer.haltNode(AWAY)
        await inSync(peer, (replicas / NODES) * (NODES - 1))
        begun = performance.now()
        await peer.startNode(AWAY)
        await inSync(peer, replicas)
        const restartSeconds = (performance.now() - begun) / 1000
        bench.results.add('cluster-partitions.create', peer.name, createSeconds)
        bench.results.add('cluster-partitions.rss', peer.name, megabytes)
        bench.results.add('cluster-partitions.restart', peer.name, restartSeconds)
        bench.say(
          `round ${round + 1}, ${peer.name}: created in ${createSeconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB, a node is back in ${restartSeconds.toFixed(2)} s`,
        )
      }
    })
  }
}

/** Settles when Metadata names a leader for every partition, and so many members of in-sync sets. */
async function inSync(peer: Peer, members: number): Promise<void> {
  await withAdmin(peer, async admin => {
    const deadline = performance.now() + 180_000
    for (;;) {
      const described = await admin.describeTopics(TOPICS).catch(() => [])
      const partitions = described.flatMap(topic => topic.partitions)
      const found = partitions.reduce((sum, { isr }) => sum + isr.length, 0)
      if (found === members && partitions.every(({ leaderId }) => leaderId >= 0)) return
      if (performance.now() > deadline) throw new Error(`${peer.name}: ${found} of ${members} replicas are in sync after 180 s`)
    }
  })
}
