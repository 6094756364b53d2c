// Configurations as the admin client shows them: names in place of Kafka's numbers (ConfigResource.Type, ConfigEntry.ConfigSource,
// ConfigEntry.ConfigType, AlterConfigOp.OpType).

const RESOURCE_TYPES = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const
const SOURCES = [
  'unknown',
  'topic',
  'dynamicBroker',
  'dynamicDefaultBroker',
  'staticBroker',
  'default',
  'brokerLogger',
  'clientMetrics',
  'group',
] as const
const TYPES = ['unknown', 'boolean', 'string', 'int', 'short', 'long', 'double', 'list', 'class', 'password'] as const

export const RESOURCE_NUMBERS = RESOURCE_TYPES
export const OPERATION_NUMBERS = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export type ConfigResourceType = keyof typeof RESOURCE_TYPES
export type ConfigSource = (typeof SOURCES)[number]
export type ConfigType = (typeof TYPES)[number]

export interface ConfigResource {
  readonly type: ConfigResourceType
  /** A topic's name, a broker's id, or '' for the defaults of all brokers. */
  readonly name: string
  /** Left out: every key. */
  readonly keys?: readonly string[] | undefined
}

export interface ConfigUpdate {
  readonly type: ConfigResourceType
  readonly name: string
  readonly operations: readonly {
    /** `append` and `subtract` change the items of a list. */
    readonly operation: keyof typeof OPERATION_NUMBERS
    readonly name: string
    /** Left out with `delete`. */
    readonly value?: string | null | undefined
  }[]
}

export interface ConfigDescription {
  readonly type: ConfigResourceType
  readonly name: string
  readonly entries: readonly ConfigEntry[]
}

export interface ConfigEntry {
  readonly name: string
  /** null when sensitive. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly isDefault: boolean
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
  /** 'unknown' from brokers older than 2.6. */
  readonly type: ConfigType
  /** Every place that sets the key, the one that counts first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
}

interface DescribedResource {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly {
    readonly name: string
    readonly value: string | null
    readonly readOnly: boolean
    readonly configSource: number
    readonly isSensitive: boolean
    readonly configType: number
    readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: number }[]
  }[]
}

export function configDescription({ resourceType, resourceName, configs }: DescribedResource): ConfigDescription {
  const type = (Object.keys(RESOURCE_TYPES) as ConfigResourceType[]).find(name => RESOURCE_TYPES[name] === resourceType)
  return {
    type: type ?? 'topic',
    name: resourceName,
    entries: configs.map(({ name, value, readOnly, configSource, isSensitive, configType, synonyms }) => ({
      name,
      value,
      source: sourceOf(configSource),
      isDefault: sourceOf(configSource) === 'default',
      isReadOnly: readOnly,
      isSensitive,
      type: TYPES[configType] ?? 'unknown',
      synonyms: synonyms.map(synonym => ({ name: synonym.name, value: synonym.value, source: sourceOf(synonym.source) })),
    })),
  }
}

function sourceOf(number: number): ConfigSource {
  return SOURCES[number] ?? 'unknown'
}
