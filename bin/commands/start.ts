// `ottla start`: one node in this process, until a signal. With -n: start-cluster.ts, whose processes are nodes like this one.
import type { ChildProcess } from 'node:child_process'
import { preloadNode } from '../../src/index/preload.ts'
import { stayLean } from '../../src/index/stay-lean.ts'
import type { Logger, LogLevel, RunningNode, StartNodeOptions } from '../../src/index.ts'
import { UsageError, whole } from './failure.ts'
import { refuseCluster } from './local/cluster-file.ts'
import { joinParent } from './local/member.ts'
import { dataDirectory, givenSettings } from './node-settings.ts'
import { print, printJson } from './output.ts'
import { type PlaceOptions, placeOf } from './place.ts'

export interface StartOptions extends PlaceOptions {
  readonly data?: string
  readonly memory?: true
  readonly nodes?: string
  /** Forked by `start -n`, as this node. */
  readonly member?: string
  readonly config?: string
  readonly set: readonly string[]
  readonly logLevel: LogLevel
  readonly json?: true
}

/** Of `-n`: more have no use on one machine. */
const MOST_NODES = 9

/** @param forked  processes that wait to become the nodes of a cluster */
export async function start(options: StartOptions, forked: readonly ChildProcess[] = []): Promise<void> {
  if (options.member !== undefined) return startMember()
  const nodeCount = options.nodes === undefined ? 1 : whole('-n', options.nodes, 1, MOST_NODES)
  if (nodeCount > 1) return (await import('./start-cluster.ts')).startCluster(options, nodeCount, forked)
  const given = await givenSettings(options)
  const config = { ...given.config, ...placeOf(options, given.config) }
  const directory = dataDirectory(options.data, config)
  if (!options.memory) refuseCluster(directory)
  const port = options.port === undefined || options.host !== undefined ? defaultPort(config) : whole('--port', options.port, 0, 65_535)
  // From here on, so that a signal that follows the ready line finds us listening.
  const signal = signalled()
  await runNode({
    start: {
      ...(options.memory ? { memory: true } : { dataDirectory: directory }),
      ...(port === undefined ? {} : { port }),
      config,
      logger: loggerTo(process.stderr, options.logLevel, options.json === true),
      onUnknownKey: given.onUnknownKey,
    },
    async ready(node) {
      if (options.json) await printJson(readyObject(node))
      else await print(`${readyText(node, options.memory ? 'in memory' : `data in ${directory}`)} Ctrl-C stops it.\n`)
    },
    end: signal,
  })
}

function readyObject({ bootstrapServers: bootstrap, nodeId: id, port, internalListener }: RunningNode) {
  const internal = internalListener === null ? {} : { internalPort: internalListener.port }
  return { event: 'ready', bootstrap, nodes: [{ id, pid: process.pid, port, ...internal }] }
}

function readyText({ bootstrapServers, nodeId, internalListener }: RunningNode, where: string): string {
  if (bootstrapServers !== '') return `Ottla is ready at ${bootstrapServers} (node ${nodeId}, ${where}).`
  const { host, port } = internalListener!
  return `Ottla is ready (node ${nodeId}, a controller, reached by the other nodes at ${host}:${port}, ${where}).`
}

/** Its parent says what to be, and when to end. What is needed is loaded meanwhile. */
async function startMember(): Promise<void> {
  const parent = joinParent()
  if (parent === undefined) throw new UsageError('--member is for the processes of `ottla start -n` alone')
  await preloadNode()
  const { directory, port, config, logLevel, json } = await parent.settings
  await runNode({
    start: { dataDirectory: directory, port, config, logger: loggerTo(process.stderr, logLevel, json) },
    ready: async () => parent.ready(),
    end: parent.stop,
  })
}

interface Run {
  readonly start: StartNodeOptions
  readonly ready: (node: RunningNode) => Promise<void>
  /** Settles when the node is to end. */
  readonly end: Promise<void>
}

async function runNode({ start: options, ready, end }: Run): Promise<void> {
  const { startNode } = await import('../../src/index/start-node.ts')
  const leaveLean = stayLean()
  const node = await Promise.race([startNode({ ...options, gossip: true }), end])
  // Told to end while it looks for the others, or reads its logs: it has promised nothing to anybody, and what is open is as safe as after a crash.
  if (node === undefined) return
  await ready(node)
  const failure = await Promise.race([end, node.failed])
  if (failure instanceof Error) throw failure
  await node.close()
  // A disk that fails under the last writes: nothing acknowledged is lost, but the next start recovers as after a crash, and that is worth a 1.
  const late = await Promise.race([node.failed, new Promise<undefined>(resolve => setImmediate(resolve, undefined))])
  if (late !== undefined) throw late
  leaveLean()
}

/** Also in memory: the default of every client command must find it. */
function defaultPort(config: Readonly<Record<string, string>>): number | undefined {
  return config['listeners'] === undefined ? 9092 : undefined
}

/** Settles at the first SIGINT or SIGTERM. The second does not wait for the disk: the next start then recovers as after a crash. */
function signalled(): Promise<void> {
  return new Promise(resolve => {
    let count = 0
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.on(signal, () => {
        if (++count > 1) process.exit(code)
        resolve()
      })
    }
  })
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

function loggerTo(stream: NodeJS.WriteStream, least: LogLevel, json: boolean): Logger {
  return {
    log(level, event, fields = {}) {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return
      const time = new Date().toISOString()
      const plain = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value]))
      if (json) stream.write(`${JSON.stringify({ time, level, event, ...plain })}\n`)
      else
        stream.write(
          `${time} ${level.padEnd(5)} ${event}${Object.entries(plain)
            .map(([key, value]) => ` ${key}=${word(value)}`)
            .join('')}\n`,
        )
    },
  }
}

function word(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === undefined ? 'undefined' : /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}
