// DescribeConfigs (API 32): every listed key with its value, where the value comes from, and all places that have one, the strongest first.
// Facts: semantics of kafka.server.ConfigHelper. Where we differ from Kafka: a topic key's synonyms in other units (log.retention.hours) are
// always listed, so that the source of an inherited value is the true one.
import type { Config, ConfigLayers } from '../config.ts'
import { type AnyKey, CONFIG_KEYS, definitionOf, TOPIC_KEYS, type TopicKey } from './keys.ts'
import { type ConfigValue, formatValue, type KeyDefinition, LONG_MAX, parseValue, typeNumber } from './values.ts'

export const SOURCE_TOPIC = 1
export const SOURCE_DYNAMIC_BROKER = 2
export const SOURCE_DYNAMIC_DEFAULT = 3
export const SOURCE_STATIC = 4
export const SOURCE_DEFAULT = 5
export type ConfigSource = 1 | 2 | 3 | 4 | 5

/** One entry of the answer, with Kafka's field names. */
export interface DescribedConfig {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: ConfigSource
  readonly isSensitive: boolean
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
  readonly configType: number
  readonly documentation: string
}

/** @param keys  only these; null: all */
export function describeTopicConfigs(config: Config, layers: ConfigLayers, keys: readonly string[] | null): DescribedConfig[] {
  const { topic } = layers
  const inherited = inheritedConfigs(config, layers)
  return wanted(TOPIC_KEYS, keys).map(name => {
    const described = inherited.get(name)!
    const own = topic?.get(name)
    if (own === undefined) return described
    const value = canonical(name, definitionOf(name), own)
    return { ...described, value, configSource: SOURCE_TOPIC, synonyms: [{ name, value, source: SOURCE_TOPIC }, ...described.synonyms] }
  })
}

type Inherited = ReadonlyMap<TopicKey, DescribedConfig>

/** Of the last layers a config was described with: they change rarely, and every created topic is answered with all its configs. */
const described = new WeakMap<Config, Pick<ConfigLayers, 'broker' | 'cluster'> & { readonly entries: Inherited }>()

/** What a topic that sets nothing has. */
function inheritedConfigs(config: Config, { broker, cluster }: ConfigLayers): Inherited {
  const known = described.get(config)
  if (known !== undefined && known.broker === broker && known.cluster === cluster) return known.entries
  const entries = new Map(TOPIC_KEYS.map(name => [name, inheritedConfig(name, config, { broker, cluster })]))
  described.set(config, { broker, cluster, entries })
  return entries
}

function inheritedConfig(name: TopicKey, config: Config, layers: ConfigLayers): DescribedConfig {
  const definition = definitionOf(name)
  const keys = definition.synonyms.map(({ key }) => key)
  const synonyms = synonymsOf(keys, config, layers)
  const value = inheritedValue(definition, synonyms[0])
  return { ...facts(name, definition, definition.fixed), value, configSource: synonyms[0]?.source ?? SOURCE_DEFAULT, synonyms }
}

export function describeBrokerConfigs(
  config: Config,
  layers: Omit<ConfigLayers, 'topic'>,
  keys: readonly string[] | null,
): DescribedConfig[] {
  return wanted(CONFIG_KEYS, keys).map(name => {
    const definition = definitionOf(name)
    const others = definition.scope === 'both' ? [] : definition.synonyms.map(({ key }) => key)
    const synonyms = synonymsOf([name, ...others], config, layers)
    const own = synonyms.find(synonym => synonym.name === name)
    // Its default follows node.id.
    const value = name === 'broker.id' ? String(config[name]) : (own?.value ?? formatValue(definition.type, definition.default))
    return {
      ...facts(name, definition, definition.dynamic === 'readOnly'),
      value,
      configSource: own?.source ?? SOURCE_DEFAULT,
      synonyms,
    }
  })
}

/** The default of all brokers: only what was set there. */
export function describeClusterConfigs(layers: Pick<ConfigLayers, 'cluster'>, keys: readonly string[] | null): DescribedConfig[] {
  return wanted(CONFIG_KEYS, keys).flatMap(name => {
    const text = layers.cluster?.get(name)
    if (text === undefined) return []
    const definition = definitionOf(name)
    const value = canonical(name, definition, text)
    const source = SOURCE_DYNAMIC_DEFAULT
    return [{ ...facts(name, definition, false), value, configSource: source, synonyms: [{ name, value, source }] }]
  })
}

function wanted<K extends AnyKey>(all: readonly K[], keys: readonly string[] | null): K[] {
  return all.filter(name => (keys === null ? !definitionOf(name).hidden : keys.includes(name)))
}

function facts(name: string, definition: KeyDefinition, readOnly: boolean) {
  return {
    name,
    readOnly,
    isSensitive: definition.type === 'password',
    configType: typeNumber(definition.type),
    documentation: definition.doc,
  }
}

/** All values of these broker keys, the strongest layer first, in each layer in the order of the keys. */
function synonymsOf(keys: readonly string[], config: Config, layers: ConfigLayers): DescribedConfig['synonyms'][number][] {
  const sources: readonly (readonly [ReadonlyMap<string, string> | undefined, ConfigSource])[] = [
    [layers.broker, SOURCE_DYNAMIC_BROKER],
    [layers.cluster, SOURCE_DYNAMIC_DEFAULT],
    [config.properties, SOURCE_STATIC],
  ]
  const found: DescribedConfig['synonyms'][number][] = []
  for (const [layer, source] of sources) {
    for (const name of keys) {
      const text = layer?.get(name)
      if (text !== undefined) found.push({ name, value: canonical(name, definitionOf(name as AnyKey), text), source })
    }
  }
  for (const name of keys) {
    const definition = definitionOf(name as AnyKey)
    if (definition.default !== null) found.push({ name, value: formatValue(definition.type, definition.default), source: SOURCE_DEFAULT })
  }
  return found
}

/** In the topic key's own unit. */
function inheritedValue(definition: KeyDefinition, strongest: DescribedConfig['synonyms'][number] | undefined): string | null {
  if (strongest === undefined) return formatValue(definition.type, definition.default)
  const scale = definition.synonyms.find(({ key }) => key === strongest.name)?.scale ?? 1
  const value: ConfigValue = strongest.value
  return scale === 1 || value === null || Number(value) <= 0 ? value : String(Number(value) * scale)
}

/** The text as it was meant: ` TRUE ` is true. Numbers beyond 2^53 keep their digits. */
function canonical(name: string, definition: KeyDefinition, text: string): string | null {
  if (definition.type === 'password') return null
  const value = parseValue(name, definition, text)
  const exact = typeof value === 'number' && Math.abs(value) === LONG_MAX
  return exact ? text.trim().replace('+', '') : formatValue(definition.type, value)
}
