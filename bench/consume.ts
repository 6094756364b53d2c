// Consume: Apache Kafka's own ConsumerPerformance, alone in its group, reads 1 KiB records from 16 partitions: what applications do, commits included.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, KAFKA_VERSION, NEVER, type Peer, residentMegabytes } from './peers.ts'
import { producerPerformance } from './producer-performance.ts'

const exec = promisify(execFile)
const TOPIC = 'consume'
const PARTITIONS = 16
const RECORD_BYTES = 1024

export async function benchConsume(bench: Bench): Promise<void> {
  const count = bench.quick ? 500_000 : 3_000_000
  const tool = bench.kafkaTool()
  await bench.withPeers({ ottla: [`log.flush.interval.messages=${NEVER}`] }, async peers => {
    for (const peer of peers) {
      await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: PARTITIONS }]))
      const load = { topic: TOPIC, records: count, recordBytes: RECORD_BYTES, batchBytes: 131_072 }
      const { megabytesPerSecond } = await producerPerformance(tool, peer, load)
      bench.say(`filled ${peer.name} at ${megabytesPerSecond.toFixed(0)} MB/s`)
    }
    // Round 0 warms both up.
    for (let round = 0; round <= bench.rounds(3); round++) {
      for (const peer of peers) {
        const before = cpuSeconds(peer.pid)
        const { megabytesPerSecond, megabytes } = await consumerPerformance(tool, peer, { count, group: `consume-${round}` })
        const perGigabyte = (cpuSeconds(peer.pid) - before) / (megabytes / 1e3)
        bench.say(`round ${round}, ${peer.name}: ${megabytesPerSecond.toFixed(0)} MB/s, ${perGigabyte.toFixed(2)} CPU-s/GB`)
        if (round === 0) continue
        bench.results.add('consume.rate', peer.name, megabytesPerSecond)
        bench.results.add('consume.cpu', peer.name, perGigabyte)
        bench.results.add('consume.rss', peer.name, residentMegabytes(peer.pid))
      }
    }
  })
}

/** Its rate counts from the assignment to the last record: the time to join has a cell of its own. */
async function consumerPerformance(tool: string, peer: Peer, { count, group }: { count: number; group: string }) {
  const { stdout } = await exec(
    'bash',
    [
      ...[tool, 'run', 'org.apache.kafka.tools.ConsumerPerformance', '--bootstrap-server', peer.bootstrap, '--topic', TOPIC],
      ...['--messages', String(count), '--group', group, '--timeout', '60000'],
    ],
    { env: { ...process.env, KAFKA_VERSION }, timeout: 300_000, maxBuffer: 1 << 24 },
  )
  const [header = '', line = ''] = stdout.trim().split('\n').slice(-2)
  const values = line.split(', ')
  const figure = (name: string) => Number(values[header.split(', ').indexOf(name)])
  const [records, seconds] = [figure('data.consumed.in.nMsg'), figure('fetch.time.ms') / 1000]
  if (!(records >= count && seconds > 0)) throw new Error(`ConsumerPerformance against ${peer.name} said: ${stdout.trim()}`)
  const megabytes = (records * RECORD_BYTES) / 1e6
  return { megabytes, megabytesPerSecond: megabytes / seconds }
}
