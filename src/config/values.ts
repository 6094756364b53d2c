// One configuration value: its kind, its bounds, how it is read and written. The texts of refusals are Kafka's where Kafka has one.
import { unreachable } from '../util/assert.ts'

export type ValueType = 'boolean' | 'string' | 'password' | 'int' | 'short' | 'long' | 'double' | 'list'
export type ConfigValue = boolean | number | string | readonly string[] | null

/** Where a key may be set: on a topic, in the broker's configuration, or in both under one name. */
export type Scope = 'topic' | 'broker' | 'both'
/** While the broker runs: not at all, for one broker and for all, or for all only together with one (Kafka's update modes). */
export type Dynamic = 'readOnly' | 'perBroker' | 'clusterWide'

export interface KeyDefinition<V extends ConfigValue = ConfigValue, S extends Scope = Scope> {
  readonly type: ValueType
  readonly scope: S
  readonly default: V
  readonly doc: string
  readonly min?: number
  readonly max?: number
  /** Allowed although outside min…max. */
  readonly except?: number
  /** Of a string, or of each element of a list. */
  readonly oneOf?: readonly string[]
  /** A list that may not be empty. */
  readonly filled?: boolean
  /** Of the broker key; a topic key can always be set, unless it is fixed. */
  readonly dynamic: Dynamic
  /** Listed because clients and tools ask for it. It cannot be changed: only its one value is accepted. */
  readonly fixed: boolean
  /** Can be set, and is not listed. For tests. */
  readonly hidden: boolean
  /**
   * Of a topic key: the broker keys that stand in for it, the strongest first. Of a broker key: its name in other units.
   * `scale` turns the synonym's value into this key's unit.
   */
  readonly synonyms: readonly { readonly key: string; readonly scale: number }[]
  /** What the type and bounds cannot say; returns what is wrong. */
  readonly check?: (value: NonNullable<V>) => string | undefined
}

/** A refused configuration: the message says which key, what was wrong, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly key: string
  constructor(key: string, message: string) {
    super(message)
    this.key = key
  }
}

/** Long.MAX_VALUE and everything beyond 2^53 is this: for every use of a long that is "for ever" or "without limit". */
export const LONG_MAX = Number.MAX_SAFE_INTEGER

const LONG_MAX_TEXT = '9223372036854775807'
const INTEGER_RANGES = {
  short: [-(2n ** 15n), 2n ** 15n - 1n],
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/** @throws ConfigError */
export function parseValue(key: string, definition: KeyDefinition, text: string): Exclude<ConfigValue, null> {
  const refuse = (reason: string): never => {
    const shown = definition.type === 'password' ? '[hidden]' : text
    throw new ConfigError(key, `Invalid value ${shown} for configuration ${key}: ${reason}`)
  }
  const value = read(definition, text.trim(), refuse)
  if (typeof value === 'number' && value !== definition.except) {
    if (definition.min !== undefined && value < definition.min) refuse(`Value must be at least ${definition.min}${orExcept(definition)}`)
    if (definition.max !== undefined && value > definition.max)
      refuse(`Value must be no more than ${definition.max}${orExcept(definition)}`)
  }
  const words = Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
  if (definition.filled === true && words.length === 0) refuse('The list must not be empty')
  if (definition.oneOf !== undefined) {
    const odd = words.find(word => !definition.oneOf!.includes(word))
    if (odd !== undefined) refuse(`String must be one of: ${definition.oneOf.join(', ')}`)
  }
  const wrong = (definition.check as ((value: unknown) => string | undefined) | undefined)?.(value)
  if (wrong !== undefined) refuse(wrong)
  if (definition.fixed && formatValue(definition.type, value) !== formatValue(definition.type, definition.default)) {
    refuse(`It cannot be changed here: only ${formatValue(definition.type, definition.default) || 'the empty value'} is accepted`)
  }
  return value
}

export function formatValue(type: ValueType, value: ConfigValue): string | null {
  if (value === null) return null
  if (Array.isArray(value)) return value.join(',')
  if (type === 'double') return String(value).replace(/e\+?/, 'E')
  return type === 'long' && value === LONG_MAX ? LONG_MAX_TEXT : String(value)
}

/** As Kafka's ConfigDef numbers them. */
export function typeNumber(type: ValueType): number {
  return { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7, password: 9 }[type]
}

function orExcept(definition: KeyDefinition): string {
  return definition.except === undefined ? '' : `, or ${definition.except}`
}

function read(definition: KeyDefinition, text: string, refuse: (reason: string) => never): Exclude<ConfigValue, null> {
  switch (definition.type) {
    case 'boolean': {
      const lower = text.toLowerCase()
      return lower === 'true' || lower === 'false' ? lower === 'true' : refuse('Expected value to be either true or false')
    }
    case 'string':
    case 'password':
      return text
    case 'list':
      return text === '' ? [] : text.split(/\s*,\s*/)
    case 'double':
      return text !== '' && Number.isFinite(Number(text)) ? Number(text) : refuse('Not a number of type DOUBLE')
    case 'int':
    case 'short':
    case 'long': {
      const [least, most] = INTEGER_RANGES[definition.type]
      if (!/^[+-]?\d{1,20}$/.test(text)) return refuse(`Not a number of type ${definition.type.toUpperCase()}`)
      const exact = BigInt(text.replace('+', ''))
      if (exact < least || exact > most) return refuse(`Not a number of type ${definition.type.toUpperCase()}`)
      return Math.max(-LONG_MAX, Math.min(LONG_MAX, Number(exact)))
    }
    default:
      return unreachable(definition.type)
  }
}
