// `ottla start -n 3`: a cluster on this machine. This process is the parent: it gives every node its place, starts it in a process of its own, passes its
// log on, and does what `ottla node …` asks for, until a signal. A node that dies is reported; the others go on.
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { settings, UsageError, whole } from './failure.ts'
import {
  type ClusterFile,
  clearUnformed,
  type NodeEntry,
  nodeDirectory,
  openDirectory,
  secretFile,
  writeClusterFile,
  writeSecret,
} from './local/cluster-file.ts'
import { askParent, serveControl } from './local/control.ts'
import { LocalCluster, majorityOf, splitByNode } from './local/local-cluster.ts'
import type { MemberSettings } from './local/messages.ts'
import { choosePorts, type NodePorts } from './local/ports.ts'
import { dataDirectory, givenSettings } from './node-settings.ts'
import { print, printJson, remark } from './output.ts'
import type { StartOptions } from './start.ts'
import { counted } from './status/status.ts'

const HOST = '127.0.0.1'
const DEFAULT_PORT = 9092
const LEFT_OVER_TIMEOUT_MS = 5000
/** A start that takes longer is said to. */
const PATIENCE_MS = 10_000

/** What the parent sets for each node. */
const OWN_KEYS = [
  'node.id',
  'broker.id',
  'listeners',
  'advertised.listeners',
  'controller.listener.names',
  'controller.quorum.voters',
  'controller.quorum.bootstrap.servers',
  'internal.host',
  'internal.port',
  'process.roles',
  'cluster.id',
  'cluster.secret',
  'cluster.secret.file',
]

/** @param forked  processes that wait to become its nodes; what is missing is forked here */
export async function startCluster(options: StartOptions, nodeCount: number, forked: readonly ChildProcess[]): Promise<void> {
  refuseOptions(options, nodeCount)
  const { all, byNode } = splitByNode(options.set, nodeCount)
  const given = await givenSettings({ ...options, set: all })
  const own = OWN_KEYS.find(key => given.config[key] !== undefined || [...byNode.values()].flat().some(text => text.startsWith(`${key}=`)))
  if (own !== undefined)
    throw new UsageError(`start -n sets ${own} of each node itself: leave it out. To start one node with it: ottla start -X ${own}=…`)
  const port = options.port === undefined ? DEFAULT_PORT : whole('--port', options.port, 0, 65_535)
  const directory = resolve(dataDirectory(options.data, given.config))
  const found = openDirectory(directory, nodeCount)
  await refuseRunning(directory, found)

  const say = (text: string) =>
    void process.stderr.write(options.json ? `${JSON.stringify({ event: 'said', text })}\n` : `ottla: ${text}\n`)
  const signal = signalled()
  const cluster = new LocalCluster({ directory, nodeCount, forked, json: options.json === true, say })
  signal.onSecond(() => cluster.killAll())
  const token = randomBytes(16).toString('hex')
  const control = await serveControl(token, request => cluster.control(request))
  try {
    const { knownSettings, newClusterId } = await import('../../src/index/cluster-directories.ts')
    const { 'log.dirs': _dirs, 'log.dir': _dir, ...config } = knownSettings(given.config, given.onUnknownKey)
    const ownConfigs = new Map([...byNode].map(([id, texts]) => [id, knownSettings(settings('-X', texts), given.onUnknownKey)]))
    const ports = await choosePorts({ nodeCount, port, before: found?.nodes ?? [] })
    const clusterId = found?.clusterId ?? newClusterId()
    const running = { pid: process.pid, controlPort: control.port, token }
    const settingsOf = (id: number): MemberSettings => ({
      directory: nodeDirectory(directory, id),
      port: ports[id - 1]!.port,
      config: { ...config, ...ownConfigs.get(id), ...placeOf(id, { clusterId, directory, ports }) },
      logLevel: options.logLevel,
      json: options.json === true,
    })
    if (found?.formed !== true) await form(directory, { clusterId, ports, before: found })
    cluster.plan({ clusterId, ports, running, settingsOf }, true)
    const wasFormed = found?.formed === true
    if (!(await started(cluster, { mayLack: wasFormed, signal: signal.first }))) return
    await announce(cluster, options, directory, clusterId)
    const reason = await Promise.race([signal.first, cluster.abandoned.then(() => 'abandoned' as const)])
    if (reason === 'abandoned') throw new Error('no node is left: what each said stands above. Start them again with the same command.')
  } finally {
    const stopped = await cluster.stop()
    control.close()
    // Those that had died before were reported then.
    for (const { id, ended } of stopped.filter(({ state }) => state === 'failed')) {
      say(`Node ${id} ended ${ended}, not in order: its next start recovers as after a crash.`)
      process.exitCode = 1
    }
  }
}

function refuseOptions(options: StartOptions, nodeCount: number): void {
  if (options.memory)
    throw new UsageError(
      `--memory is for one node: a node of ${nodeCount} that comes back must find what it knew. Name a directory: --data DIR`,
    )
  for (const option of ['nodeId', 'controllerQuorumVoters', 'join', 'internalPort', 'roles', 'clusterSecretFile', 'host'] as const) {
    if (options[option] === undefined) continue
    const name = `--${option.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
    throw new UsageError(
      `${name} is for one node of a cluster on several machines, -n for a whole one on this machine: leave one of them out`,
    )
  }
}

async function refuseRunning(directory: string, found: ClusterFile | undefined): Promise<void> {
  if (found?.running === undefined) return
  if ((await askParent(found.running, { action: 'list', nodes: [] })) !== undefined)
    throw new Error(
      `the cluster in ${directory} runs already (pid ${found.running.pid}).\nSee it: ottla node list --data ${directory}. Or start another: ottla start -n … --data DIR --port N`,
    )
  // Its parent was killed. The nodes end by themselves, those that are paused excepted.
  const deadline = Date.now() + LEFT_OVER_TIMEOUT_MS
  for (let left = leftOver(found); left.length > 0; left = leftOver(found)) {
    if (Date.now() > deadline) {
      const pids = left.map(({ pid }) => pid).join(' ')
      throw new Error(
        `${counted(left.length, 'node')} of the cluster before did not end (pid ${pids}), perhaps paused. End them: kill -9 ${pids}`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Nodes that run although their parent is gone. Without /proc they are not found; then a port or a lock is. */
function leftOver(file: ClusterFile): readonly NodeEntry[] {
  return file.nodes.filter(({ id, pid }) => {
    if (pid === undefined) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0--member\0${id}\0`)
    } catch {
      return false
    }
  })
}

/** Ids, voters and the secret are on disk before any node starts. */
async function form(
  directory: string,
  { clusterId, ports, before }: { clusterId: string; ports: readonly NodePorts[]; before: ClusterFile | undefined },
): Promise<void> {
  if (before !== undefined) clearUnformed(directory, before)
  const nodes = ports.map((each, i) => ({ id: i + 1, ...each, state: 'starting' as const }))
  writeClusterFile(directory, { format: 1, clusterId, formed: false, nodes })
  const secret = existsSync(secretFile(directory))
    ? readFileSync(secretFile(directory), 'utf8').trim()
    : randomBytes(32).toString('base64url')
  writeSecret(directory, secret)
  const { prepareCluster } = await import('../../src/index/cluster-directories.ts')
  const planned = nodes.map(({ id, internalPort }) => ({
    nodeId: id,
    host: HOST,
    port: internalPort,
    directory: nodeDirectory(directory, id),
    isVoter: true,
  }))
  await prepareCluster(planned, { clusterId, secret })
}

function placeOf(
  id: number,
  { clusterId, directory, ports }: { clusterId: string; directory: string; ports: readonly NodePorts[] },
): Record<string, string> {
  return {
    'node.id': String(id),
    'cluster.id': clusterId,
    'cluster.secret.file': secretFile(directory),
    'controller.quorum.voters': ports.map(({ internalPort }, i) => `${i + 1}@${HOST}:${internalPort}`).join(),
    'internal.port': String(ports[id - 1]!.internalPort),
  }
}

/**
 * @param o.mayLack  nodes may be missing, as long as there is a majority
 * @returns false when a signal came first
 * @throws what became of the nodes that are missing
 */
async function started(cluster: LocalCluster, o: { mayLack: boolean; signal: Promise<void> }): Promise<boolean> {
  let interrupted = false
  let missing: readonly number[] = []
  const late = setTimeout(() => {
    const waiting = cluster.members.filter(({ state }) => state === 'starting').map(({ id }) => id)
    remark(`ottla: node ${waiting.join(', ')} is not ready yet; --log-level info says what it does.\n`)
  }, PATIENCE_MS)
  const enough = (): boolean => cluster.members.length - missing.length >= majorityOf(cluster.members.length)
  const hopeless = new Promise<void>(resolve => {
    for (const { id, gone } of cluster.members) {
      void gone.then(() => {
        missing = [...missing, id]
        if (!o.mayLack || !enough()) resolve()
      })
    }
  })
  const interruption = o.signal.then(() => {
    interrupted = true
  })
  await Promise.race([cluster.start(), hopeless, interruption])
  clearTimeout(late)
  if (interrupted) return false
  if (missing.length === 0 || (o.mayLack && enough())) return true
  const codes = cluster.members.flatMap(({ exitCode }) => (exitCode === undefined || exitCode === 0 ? [] : [exitCode]))
  const failed = cluster.members.filter(({ ended }) => ended !== undefined)
  const what = failed.map(({ id, ended }) => `node ${id} ended ${ended}`).join(', ')
  throw Object.assign(new Error(`the cluster did not start: ${what}. What it said stands above.`), { exitCode: codes[0] })
}

async function announce(cluster: LocalCluster, { json }: StartOptions, directory: string, clusterId: string): Promise<void> {
  const nodes = cluster.nodes()
  const bootstrap = nodes.map(({ port }) => `${HOST}:${port}`).join()
  if (json) {
    await printJson({ event: 'ready', bootstrap, clusterId, nodes: nodes.map(({ id, pid, port, state }) => ({ id, pid, port, state })) })
    return
  }
  await print(`Ottla is ready at ${bootstrap} (${nodes.length} nodes, data in ${directory}). Ctrl-C stops them all.\n`)
}

/** `first` settles at the first signal; the second ends what does not end by itself. */
function signalled(): { readonly first: Promise<void>; onSecond(act: () => void): void } {
  let act = () => {}
  const first = new Promise<void>(resolve => {
    let count = 0
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.on(signal, () => {
        if (++count === 1) return resolve()
        act()
        process.exit(code)
      })
    }
  })
  return {
    first,
    onSecond(kill) {
      act = kill
    },
  }
}
