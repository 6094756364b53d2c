// The two brokers of a comparison: ours, started by the command line, and Apache Kafka from its jars.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Broker, CLI, startBroker } from '../test/compat/broker.ts'
import { ROOT } from '../test/compat/root.ts'
import type { PeerName } from './results.ts'

const exec = promisify(execFile)

export interface Peer {
  readonly name: PeerName
  readonly bootstrap: string
  /** Of the first node. */
  readonly pid: number
  /** Of all nodes, by id. */
  readonly pids: readonly number[]
  readonly dataDirectory: string
  /** An orderly end; the data stay. */
  halt(): Promise<void>
  /** Starts it again on its data; settles when it takes connections. */
  start(): Promise<void>
  /** An orderly end of one node of several. */
  haltNode(id: number): Promise<void>
  /** Starts it again; settles at the latest when it takes connections. */
  startNode(id: number): Promise<void>
  /** Ends it and deletes its data. */
  stop(): Promise<void>
}

interface Life {
  readonly started: Promise<unknown>
  stop(): Promise<void>
}

/** Started, or being started, and not stopped. */
const running = new Set<Life>()

/** For an end before its time: nothing is left behind. */
export async function stopAll(): Promise<void> {
  for (const life of running) {
    await life.started.catch(() => {})
    await life.stop().catch(() => {})
  }
}

export const KAFKA_VERSION = '4.3.1'
const KAFKA_ENV = { ...process.env, KAFKA_VERSION }
/** Kafka's value for "never": appends are acknowledged from the page cache. */
export const NEVER = '9223372036854775807'

/** The two ways to promise a record, and what each side must be told for it. */
export const MODES = [
  { id: 'flushed', ottla: [], kafka: ['log.flush.interval.messages=1'] },
  { id: 'paged', ottla: [`log.flush.interval.messages=${NEVER}`], kafka: [] },
] as const

/** The tool that runs Apache Kafka from Maven's jars, or why there is nothing to compare with. */
export function kafkaLocal(): string | { missing: string } {
  const tool = process.env['KAFKA_LOCAL_TOOL'] ?? join(ROOT, '..', 'shared', 'tools', 'kafka-local')
  return existsSync(tool) ? tool : { missing: `no kafka-local at ${tool} (say where with KAFKA_LOCAL_TOOL)` }
}

export async function startOttla(settings: readonly string[] = [], nodeCount = 1): Promise<Peer> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'ottla-bench-'))
  const nodes = nodeCount === 1 ? [] : ['-n', String(nodeCount)]
  const args = [...nodes, '--port', '0', '--data', dataDirectory, ...settings.flatMap(setting => ['-X', setting])]
  const pids = () => (nodeCount === 1 ? [broker.pid] : clusterPids(dataDirectory))
  const node = (action: string, id: number) => exec(process.execPath, [CLI, 'node', action, String(id), '--data', dataDirectory])
  let broker: Broker = await startBroker(args)
  const life: Life = {
    started: Promise.resolve(),
    async stop() {
      running.delete(life)
      await broker.stop()
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
  running.add(life)
  return {
    name: 'ottla',
    get bootstrap() {
      return broker.bootstrap
    },
    get pid() {
      return pids()[0]!
    },
    get pids() {
      return pids()
    },
    dataDirectory,
    halt: async () => void (await broker.stop()),
    start: async () => void (broker = await startBroker(args, 120_000)),
    haltNode: async id => void (await node('stop', id)),
    startNode: async id => void (await node('start', id)),
    stop: () => life.stop(),
  }
}

/** As the parent of the nodes keeps it. */
function clusterPids(dataDirectory: string): number[] {
  const { nodes } = JSON.parse(readFileSync(join(dataDirectory, 'cluster.json'), 'utf8')) as { nodes: { pid?: number }[] }
  return nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
}

export async function startKafka(tool: string, port: number, settings: readonly string[] = [], nodeCount = 1): Promise<Peer> {
  const cluster = `bench-${port}`
  const folder = join(process.env['KAFKA_LOCAL'] ?? join(homedir(), '.cache', 'kafka-local'), 'clusters', cluster)
  const ids = Array.from({ length: nodeCount }, (_, i) => i + 1)
  const pid = (id: number) => Number(readFileSync(join(folder, `${id}.pid`), 'utf8'))
  const start = async (ids: readonly number[]) => {
    spawn('bash', [tool, 'restart', cluster, ...ids.map(String)], { env: KAFKA_ENV, stdio: 'ignore' })
    for (const id of ids) await listening(port + id - 1)
  }
  await exec('bash', [tool, 'clean', cluster], { env: KAFKA_ENV }).catch(() => {})
  const started = exec('bash', [tool, 'start', cluster, String(nodeCount), String(port), ...settings], { env: KAFKA_ENV, timeout: 120_000 })
  const life: Life = {
    started,
    async stop() {
      running.delete(life)
      await exec('bash', [tool, 'clean', cluster], { env: KAFKA_ENV })
    },
  }
  running.add(life)
  await started
  return {
    name: 'kafka',
    bootstrap: ids.map(id => `127.0.0.1:${port + id - 1}`).join(),
    get pid() {
      return pid(1)
    },
    get pids() {
      return ids.map(pid)
    },
    dataDirectory: nodeCount === 1 ? join(folder, 'data-1') : folder,
    // The tool's own stop kills after three seconds; what is measured next may depend on an orderly end. Of several the last find nobody to give way to.
    halt: async () => void (await Promise.all(ids.map(id => endProcess(pid(id), nodeCount === 1 ? 90_000 : 5000, nodeCount > 1)))),
    start: () => start(ids),
    haltNode: id => endProcess(pid(id), 90_000),
    startNode: id => start([id]),
    stop: () => life.stop(),
  }
}

async function endProcess(pid: number, timeoutMs: number, isKilledThen = false): Promise<void> {
  process.kill(pid, 'SIGTERM')
  const deadline = performance.now() + timeoutMs
  while (isRunning(pid)) {
    if (performance.now() > deadline && isKilledThen) process.kill(pid, 'SIGKILL')
    else if (performance.now() > deadline) throw new Error(`process ${pid} did not end within ${timeoutMs} ms`)
    await pause(20)
  }
}

/** Whether it is there and no zombie. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Resolves at the first connection that is accepted; tries every 5 ms. */
async function listening(port: number): Promise<void> {
  const deadline = performance.now() + 120_000
  while (performance.now() < deadline) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (open) return
    await pause(5)
  }
  throw new Error(`nothing listens on port ${port} after 120 s`)
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Kafka's segment files of this peer leave the page cache. Needs no rights but to read them: clean pages go with POSIX_FADV_DONTNEED. */
export async function evictSegments(peer: Peer): Promise<void> {
  await exec('sync', ['-f', peer.dataDirectory])
  for (const entry of readdirSync(peer.dataDirectory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.log')) continue
    await exec('dd', [`if=${join(entry.parentPath ?? entry.path, entry.name)}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}

/** User and system time of a process since it started, in seconds. The kernel counts in hundredths. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function cpuSecondsOfAll({ pids }: Peer): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
}

export function residentMegabytesOfAll({ pids }: Peer): number {
  return pids.reduce((sum, pid) => sum + residentMegabytes(pid), 0)
}

export function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1000
}
