// Where a node's settings come from: a file, the environment, the command line, the last above the others.
import { readFileSync } from 'node:fs'
import { settings, UsageError } from './failure.ts'
import { DEFAULT_DIRECTORY } from './local/cluster-file.ts'

/** Variables that configure something else than the node. */
const NOT_SETTINGS = /^OTTLA_(BOOTSTRAP_SERVER|COMPAT_.*|BENCH_.*|TEST_.*)$/

export interface GivenSettings {
  readonly config: Readonly<Record<string, string>>
  /**
   * For keys that have no effect. A server.properties made for Apache Kafka may hold much that means nothing here; what was typed for us must mean something.
   * @throws UsageError
   */
  readonly onUnknownKey: (key: string, sentence: string) => void
}

export async function givenSettings(options: { readonly config?: string; readonly set: readonly string[] }): Promise<GivenSettings> {
  const file = options.config === undefined ? {} : await readConfig(options.config)
  const typed = { ...fromEnvironment(process.env), ...settings('-X', options.set) }
  return {
    config: { ...file, ...typed },
    onUnknownKey(key, sentence) {
      if (key in typed) throw new UsageError(sentence)
      process.stderr.write(`ottla: ${options.config}: ${sentence}\n`)
    },
  }
}

/** --data, else the log directory of the settings. */
export function dataDirectory(data: string | undefined, config: Readonly<Record<string, string>>): string {
  return data ?? config['log.dirs']?.split(',')[0]?.trim() ?? config['log.dir'] ?? DEFAULT_DIRECTORY
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
