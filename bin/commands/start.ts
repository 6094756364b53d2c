// `ottla start`: one node in this process, until a signal.
import { readFileSync } from 'node:fs'
import type { Logger, LogLevel } from '../../src/index.ts'
import { settings, UsageError, whole } from './failure.ts'
import { print, printJson } from './output.ts'

export interface StartOptions {
  readonly data: string
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
  const port = options.port === undefined ? undefined : whole('--port', options.port, 0, 65_535)
  const node = await startNode({
    ...(options.memory ? { memory: true } : { dataDirectory: options.data }),
    ...(port === undefined ? {} : { port }),
    config: { ...file, ...typed },
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
      `Ottla is ready at ${bootstrap} (node ${nodeId}, ${options.memory ? 'in memory' : `data in ${options.data}`}). Ctrl-C stops it.\n`,
    )

  const failure = await Promise.race([signalled(), node.failed])
  if (failure instanceof Error) throw failure
  // A second signal does not wait for the disk; the next start then recovers as after a crash.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
  await node.close()
}

function signalled(): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
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
