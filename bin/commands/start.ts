// `ottla start`: one node in this process, until a signal.
import { readFileSync } from 'node:fs'
import type { Logger, LogLevel } from '../../src/index.ts'
import { settings, UsageError, whole } from './failure.ts'
import { print, printJson } from './output.ts'

export interface StartOptions {
  readonly data?: string
  readonly memory?: true
  readonly port?: string
  readonly config?: string
  readonly set: readonly string[]
  readonly logLevel: LogLevel
  readonly json?: true
}

/** Variables that configure something else than the node. */
const NOT_SETTINGS = /^OTTLA_(BOOTSTRAP_SERVER|COMPAT_.*|BENCH_.*|TEST_.*)$/

export async function start(options: StartOptions): Promise<void> {
  const { startNode } = await import('../../src/index/start-node.ts')
  const file = options.config === undefined ? {} : await readConfig(options.config)
  const typed = { ...fromEnvironment(process.env), ...settings('-X', options.set) }
  const config = { ...file, ...typed }
  const directory = options.data ?? config['log.dirs']?.split(',')[0]?.trim() ?? config['log.dir'] ?? './ottla-data'
  const port = options.port === undefined ? defaultPort(config) : whole('--port', options.port, 0, 65_535)
  // From here on, so that a signal that follows the ready line finds us listening.
  const signal = signalled()
  const node = await startNode({
    ...(options.memory ? { memory: true } : { dataDirectory: directory }),
    ...(port === undefined ? {} : { port }),
    config,
    logger: loggerTo(process.stderr, options.logLevel, options.json === true),
    // A server.properties made for Apache Kafka may hold much that means nothing here; what was typed for us must mean something.
    onUnknownKey(key, sentence) {
      if (key in typed) throw new UsageError(sentence)
      process.stderr.write(`ottla: ${options.config}: ${sentence}\n`)
    },
  })

  const { bootstrapServers: bootstrap, nodeId, port: bound } = node
  if (options.json) await printJson({ event: 'ready', bootstrap, nodes: [{ id: nodeId, pid: process.pid, port: bound }] })
  else
    await print(
      `Ottla is ready at ${bootstrap} (node ${nodeId}, ${options.memory ? 'in memory' : `data in ${directory}`}). Ctrl-C stops it.\n`,
    )

  const failure = await Promise.race([signal, node.failed])
  if (failure instanceof Error) throw failure
  await node.close()
  // A disk that fails under the last writes: nothing acknowledged is lost, but the next start recovers as after a crash, and that is worth a 1.
  const late = await Promise.race([node.failed, new Promise<undefined>(resolve => setImmediate(resolve, undefined))])
  if (late !== undefined) throw late
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

async function readConfig(path: string): Promise<Record<string, string>> {
  const { parseProperties } = await import('../../src/index.ts')
  try {
    return parseProperties(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`--config ${path}: ${(error as Error).message}`)
  }
}

/** OTTLA_LOG_RETENTION_MS → log.retention.ms */
function fromEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('OTTLA_') || value === undefined || NOT_SETTINGS.test(name)) continue
    found[name.slice('OTTLA_'.length).toLowerCase().replaceAll('_', '.')] = value
  }
  return found
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
