// Doing nothing: a broker without topics, some seconds after its start.
import type { Bench } from './bench.ts'
import { cpuSeconds, pause, residentMegabytes } from './peers.ts'

const SETTLE_MS = 5000
const WATCH_MS = 10_000

export async function benchIdle(bench: Bench): Promise<void> {
  for (let round = 0; round < bench.rounds(2); round++) {
    await bench.withPeers({}, async peers => {
      await pause(SETTLE_MS)
      const before = peers.map(peer => cpuSeconds(peer.pid))
      await pause(WATCH_MS)
      for (const [i, peer] of peers.entries()) {
        const megabytes = residentMegabytes(peer.pid)
        const percent = ((cpuSeconds(peer.pid) - before[i]!) / (WATCH_MS / 1000)) * 100
        bench.results.add('idle.rss', peer.name, megabytes)
        bench.results.add('idle.cpu', peer.name, percent)
        bench.say(`round ${round + 1}, ${peer.name}: ${megabytes.toFixed(0)} MB, ${percent.toFixed(1)} % of a core`)
      }
    })
  }
}
