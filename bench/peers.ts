// The two brokers of a comparison: ours, started by the command line, and Apache Kafka from its jars.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startBroker } from '../test/compat/broker.ts'
import { ROOT } from '../test/compat/root.ts'

const exec = promisify(execFile)

export interface Peer {
  readonly name: string
  readonly bootstrap: string
  readonly pid: number
  /** Ends it and deletes its data. */
  stop(): Promise<void>
}

export const KAFKA_VERSION = '4.3.1'

/** The tool that runs Apache Kafka from Maven's jars, or why there is nothing to compare with. */
export function kafkaLocal(): string | { missing: string } {
  const tool = process.env['KAFKA_LOCAL_TOOL'] ?? join(ROOT, '..', 'shared', 'tools', 'kafka-local')
  return existsSync(tool) ? tool : { missing: `no kafka-local at ${tool} (say where with KAFKA_LOCAL_TOOL)` }
}

export async function startOttla(name: string, settings: readonly string[] = []): Promise<Peer> {
  const data = mkdtempSync(join(tmpdir(), 'ottla-bench-'))
  const broker = await startBroker(['--port', '0', '--data', data, ...settings.flatMap(setting => ['-X', setting])])
  return {
    name,
    bootstrap: broker.bootstrap,
    pid: broker.pid,
    async stop() {
      await broker.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

export async function startKafka(tool: string, name: string, port: number, settings: readonly string[] = []): Promise<Peer> {
  const cluster = `bench-${port}`
  const env = { ...process.env, KAFKA_VERSION }
  await exec('bash', [tool, 'clean', cluster], { env }).catch(() => {})
  await exec('bash', [tool, 'start', cluster, '1', String(port), ...settings], { env, timeout: 120_000 })
  const { stdout } = await exec('bash', [tool, 'pid', cluster, '1'], { env })
  return {
    name,
    bootstrap: `127.0.0.1:${port}`,
    pid: Number(stdout),
    stop: async () => void (await exec('bash', [tool, 'clean', cluster], { env })),
  }
}

/** Stops a Kafka node without its data, and returns what starts it again; that is the moment a cold start is counted from. */
export async function coldKafka(tool: string, port: number): Promise<{ start(): void; peer: Peer }> {
  const peer = await startKafka(tool, 'Apache Kafka', port)
  const env = { ...process.env, KAFKA_VERSION }
  await exec('bash', [tool, 'stop', `bench-${port}`], { env })
  return {
    peer,
    start: () => void spawn('bash', [tool, 'restart', `bench-${port}`, '1'], { env, stdio: 'ignore' }),
  }
}

/** User and system time of a process since it started, in seconds. The kernel counts in hundredths. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1000
}
