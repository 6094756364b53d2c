// Produce: Apache Kafka's own ProducerPerformance, 1 KiB records to 16 partitions, acks=1, batches of 128 KiB, linger 5 ms; what it reaches, and what the
// broker process spends for it. Twice, like with like: flushed before the ack (our default), and left to the page cache (Apache Kafka's default).
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Kafka } from '../src/index.ts'
import { cpuSeconds, KAFKA_VERSION, type Peer, residentMegabytes, startKafka, startOttla } from './peers.ts'
import type { Results } from './results.ts'

const exec = promisify(execFile)
const RECORD_BYTES = 1024
const NEVER = '9223372036854775807'

export async function benchProduce(results: Results, o: { rounds: number; records: number; tool: string }): Promise<void> {
  const modes = [
    { name: 'flush before ack', ottla: [], kafka: ['log.flush.interval.messages=1'] },
    { name: 'page cache', ottla: [`log.flush.interval.messages=${NEVER}`], kafka: [] },
  ]
  for (const mode of modes) {
    const peers: Peer[] = []
    try {
      peers.push(await startOttla('Ottla', mode.ottla))
      peers.push(await startKafka(o.tool, 'Apache Kafka', 19_451, mode.kafka))
      // Round 0 warms both up and is not counted: half of the JVM's first run goes into compiling.
      for (let round = 0; round <= o.rounds; round++) {
        for (const peer of peers) {
          const figures = await produce(peer, `produce-${round}`, o)
          if (round === 0) continue
          const what = `produce 1 KiB × 16, ${mode.name}`
          results.add(what, peer.name, 'MB/s', figures.megabytesPerSecond)
          results.add(what, peer.name, 'broker CPU-s/GB', figures.cpuPerGigabyte)
          results.add(what, peer.name, 'p99 ms', figures.p99Ms)
          results.add(what, peer.name, 'RSS MB', residentMegabytes(peer.pid))
        }
      }
    } finally {
      for (const peer of peers) await peer.stop()
    }
  }
}

async function produce(peer: Peer, topic: string, { records, tool }: { records: number; tool: string }) {
  const kafka = new Kafka({ bootstrapServers: peer.bootstrap })
  const admin = kafka.admin()
  await admin.createTopics([{ name: topic, numPartitions: 16 }])
  const before = cpuSeconds(peer.pid)
  const { stdout } = await exec(
    'bash',
    [
      ...[tool, 'run', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic, '--num-records', String(records)],
      ...['--record-size', String(RECORD_BYTES), '--throughput', '-1', '--producer-props', `bootstrap.servers=${peer.bootstrap}`],
      ...['acks=1', 'batch.size=131072', 'linger.ms=5'],
    ],
    { env: { ...process.env, KAFKA_VERSION }, timeout: 300_000, maxBuffer: 1 << 24 },
  )
  const cpu = cpuSeconds(peer.pid) - before
  await admin.deleteTopics([topic])
  await kafka.close()
  const summary = stdout.trim().split('\n').at(-1) ?? ''
  const [, sent, perSecond] = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(summary) ?? []
  const p99 = /([\d.]+) ms 99th/.exec(summary)?.[1]
  if (Number(sent) !== records || p99 === undefined) throw new Error(`ProducerPerformance against ${peer.name} said: ${summary}`)
  return {
    megabytesPerSecond: (Number(perSecond) * RECORD_BYTES) / 1e6,
    cpuPerGigabyte: cpu / ((records * RECORD_BYTES) / 1e9),
    p99Ms: Number(p99),
  }
}
