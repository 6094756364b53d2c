// Doing nothing: a broker, or a cluster of three, without topics, some seconds after the start.
import type { Bench } from './bench.ts'
import { cpuSecondsOfAll, pause, residentMegabytesOfAll } from './peers.ts'

const SETTLE_MS = 5000
const WATCH_MS = 10_000

export function benchIdle(bench: Bench): Promise<void> {
  return idle(bench, 'idle', 1)
}

/** Memory of three together, CPU of one of them on average. */
export function benchClusterIdle(bench: Bench): Promise<void> {
  return idle(bench, 'cluster-idle', 3)
}

async function idle(bench: Bench, cell: string, nodeCount: number): Promise<void> {
  for (let round = 0; round < bench.rounds(2); round++) {
    await bench.withPeers({ nodeCount }, async peers => {
      await pause(SETTLE_MS)
      const before = peers.map(cpuSecondsOfAll)
      await pause(WATCH_MS)
      for (const [i, peer] of peers.entries()) {
        const megabytes = residentMegabytesOfAll(peer)
        const percent = ((cpuSecondsOfAll(peer) - before[i]!) / nodeCount / (WATCH_MS / 1000)) * 100
        bench.results.add(`${cell}.rss`, peer.name, megabytes)
        bench.results.add(`${cell}.cpu`, peer.name, percent)
        bench.say(`round ${round + 1}, ${peer.name}: ${megabytes.toFixed(0)} MB, ${percent.toFixed(1)} % of a core`)
      }
    })
  }
}
