// Apache Kafka's own ProducerPerformance as the source of load.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { KAFKA_VERSION, type Peer } from './peers.ts'

const exec = promisify(execFile)

export interface Load {
  readonly topic: string
  readonly records: number
  readonly recordBytes: number
  readonly batchBytes: number
  /** Default 1. */
  readonly acks?: '1' | 'all'
  /** Records a second; undefined: as fast as it goes. */
  readonly throughput?: number
}

export async function producerPerformance(tool: string, peer: Peer, load: Load): Promise<{ megabytesPerSecond: number; p99Ms: number }> {
  const { topic, records, recordBytes, batchBytes, acks = '1', throughput = -1 } = load
  const { stdout } = await exec(
    'bash',
    [
      ...[tool, 'run', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic, '--num-records', String(records)],
      ...['--record-size', String(recordBytes), '--throughput', String(throughput), '--producer-props'],
      ...[`bootstrap.servers=${peer.bootstrap}`, `acks=${acks}`, `batch.size=${batchBytes}`, 'linger.ms=5'],
    ],
    { env: { ...process.env, KAFKA_VERSION }, timeout: 300_000, maxBuffer: 1 << 24 },
  )
  const summary = stdout.trim().split('\n').at(-1) ?? ''
  const [, sent, perSecond] = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(summary) ?? []
  const p99 = /([\d.]+) ms 99th/.exec(summary)?.[1]
  if (Number(sent) !== records || p99 === undefined) throw new Error(`ProducerPerformance against ${peer.name} said: ${summary}`)
  return { megabytesPerSecond: (Number(perSecond) * recordBytes) / 1e6, p99Ms: Number(p99) }
}
