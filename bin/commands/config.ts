// `ottla config …`
import type { Admin } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { settings, UsageError, whole } from './failure.ts'
import { print, printJson, table } from './output.ts'

export interface TargetOptions extends ClientOptions {
  readonly topic?: string
  readonly broker?: string
  readonly brokers?: true
}

type ConfigEntry = Awaited<ReturnType<Admin['describeConfigs']>>[number]['entries'][number]

/** Where a value comes from, in the words of the command line. */
const SOURCES: Partial<Record<ConfigEntry['source'], string>> = {
  topic: 'topic',
  dynamicBroker: 'broker',
  dynamicDefaultBroker: 'all brokers',
  staticBroker: 'start of the broker',
  default: 'default',
}

export async function describe(keys: readonly string[], options: TargetOptions & { readonly all?: true }): Promise<void> {
  const target = targetOf(options)
  await withAdmin(options, async admin => {
    const [described] = await admin.describeConfigs([target])
    const entries = chosen(described!.entries, keys, options.all === true, target)
    if (options.json) for (const entry of entries) await printJson(entry)
    else if (entries.length === 0) await print('Nothing is set; --all shows the defaults.\n')
    else {
      const value = (entry: ConfigEntry) => (entry.isSensitive ? '(hidden)' : (entry.value ?? '(none)'))
      const rows = entries.map(entry => [entry.name, value(entry), SOURCES[entry.source] ?? entry.source])
      await print(table(['SETTING', 'VALUE', 'FROM'], rows))
    }
  })
}

export async function set(texts: readonly string[], options: TargetOptions): Promise<void> {
  const target = targetOf(options)
  const operations = Object.entries(settings('SETTING', texts)).map(([name, value]) =>
    value === '' ? ({ operation: 'delete', name } as const) : ({ operation: 'set', name, value } as const),
  )
  await withAdmin(options, async admin => {
    await admin.incrementalAlterConfigs([{ ...target, operations }])
    for (const { operation, name, ...rest } of operations) {
      const value = 'value' in rest ? rest.value : null
      if (options.json) await printJson({ ...target, name: target.name, key: name, value })
      else await print(operation === 'set' ? `${name} is ${value} now.\n` : `${name} is no longer set here.\n`)
    }
  })
}

function targetOf({ topic, broker, brokers }: TargetOptions) {
  const given = [topic, broker, brokers].filter(option => option !== undefined)
  if (given.length !== 1) throw new UsageError('whose settings? Give one of --topic, --broker or --brokers')
  if (topic !== undefined) return { type: 'topic', name: topic } as const
  return { type: 'broker', name: broker === undefined ? '' : String(whole('--broker', broker, 0)) } as const
}

function chosen(entries: readonly ConfigEntry[], keys: readonly string[], all: boolean, target: { type: string }): ConfigEntry[] {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))
  if (keys.length === 0)
    return all ? sorted : sorted.filter(({ source }) => (target.type === 'topic' ? source === 'topic' : source !== 'default'))
  return keys.map(key => {
    const entry = sorted.find(({ name }) => name === key)
    if (entry === undefined) throw new Error(`${key} is no setting of a ${target.type}. All there are: ottla config describe … --all`)
    return entry
  })
}
