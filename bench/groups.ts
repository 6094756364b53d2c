// Rebalances: eight members of Apache Kafka's own consumer (bench/native/Groups.java, one process) join a group, one leaves, and the others are
// restarted one after another, each when the group is stable again. Both brokers wait for nobody (group.initial.rebalance.delay.ms=0). Members hear of a
// rebalance by their heartbeats, so the interval counts: once as short as makes sense, so that the broker shows, once the clients' default.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../test/compat/root.ts'
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, KAFKA_VERSION, type Peer } from './peers.ts'

const exec = promisify(execFile)
const SOURCE = join(ROOT, 'bench', 'native', 'Groups.java')
const TOPIC = 'groups'
const MEMBERS = 8
const PARTITIONS = 16
const NO_DELAY = 'group.initial.rebalance.delay.ms=0'

const INTERVALS = [
  { id: 'quick', heartbeatMs: 20 },
  { id: 'usual', heartbeatMs: 3000 },
] as const

interface Times {
  readonly join: number
  readonly leave: number
  readonly rolling: number
}

export async function benchGroups(bench: Bench): Promise<void> {
  const tool = bench.kafkaTool()
  await bench.withPeers({ ottla: [NO_DELAY], kafka: [NO_DELAY] }, async peers => {
    for (const peer of peers) {
      await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: PARTITIONS }]))
      await run(tool, peer, { name: 'warm-up', rounds: bench.quick ? 2 : 10, heartbeatMs: 20 })
    }
    for (const { id, heartbeatMs } of INTERVALS) {
      for (let round = 0; round < bench.rounds(id === 'quick' ? 5 : 2); round++) {
        for (const peer of peers) {
          const before = cpuSeconds(peer.pid)
          // The first one warms the client up.
          const [, ...counted] = await run(tool, peer, { name: `${id}-${round}`, rounds: id === 'quick' ? 4 : 2, heartbeatMs })
          const cpuMs = ((cpuSeconds(peer.pid) - before) / (counted.length + 1)) * 1e3
          for (const times of counted) {
            for (const what of ['join', 'leave', 'rolling'] as const) bench.results.add(`groups.${id}.${what}`, peer.name, times[what])
          }
          bench.results.add(`groups.${id}.cpu`, peer.name, cpuMs)
          bench.say(
            `${id}, round ${round + 1}, ${peer.name}: ${counted.map(times => JSON.stringify(times)).join(' ')}, ${cpuMs.toFixed(0)} ms of CPU`,
          )
        }
      }
    }
  })
}

/** In milliseconds until the group is stable, once per round. */
async function run(tool: string, peer: Peer, o: { name: string; rounds: number; heartbeatMs: number }): Promise<Times[]> {
  const args = [peer.bootstrap, TOPIC, o.name, String(MEMBERS), String(PARTITIONS), String(o.rounds), String(o.heartbeatMs)]
  const env = { ...process.env, KAFKA_VERSION }
  const { stdout } = await exec('bash', [tool, 'run', SOURCE, ...args], { env, timeout: 600_000, maxBuffer: 1 << 24 })
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Times)
}
