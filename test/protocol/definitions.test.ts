// Every schema against Kafka's own message definitions, where they are at hand (they are not part of this repository).
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { APIS } from '../../src/protocol/apis.ts'
import { type Fields, type Layout, MAX_I64, type Versions } from '../../src/protocol/schema.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
import { absentValue, subjectsByName } from './random-value.ts'

const directory = new URL('../../../shared/reference/kafka-messages', import.meta.url).pathname
const present = existsSync(directory)

interface Definition {
  name: string
  type: string
  apiKey?: number
  validVersions: string
  flexibleVersions: string
  fields: FieldDefinition[]
  commonStructs?: { name: string; fields: FieldDefinition[] }[]
}
interface FieldDefinition {
  name: string
  type: string
  versions?: string
  nullableVersions?: string
  taggedVersions?: string
  flexibleVersions?: string
  tag?: number
  default?: unknown
  fields?: FieldDefinition[]
}
/** A schema or definition, brought to the same plain form. */
interface Plain {
  type: string
  versions: string
  nullable: string
  tag: number
  rigid: boolean
  default: unknown
  fields?: { [name: string]: Plain }
}

const KINDS: { [type: string]: string } = {
  bool: 'bool',
  int8: 'i8',
  int16: 'i16',
  uint16: 'u16',
  int32: 'i32',
  uint32: 'u32',
  int64: 'i64',
  float64: 'f64',
  uuid: 'uuid',
  string: 'str',
  bytes: 'bytes',
  records: 'records',
}

describe.skipIf(!present)(`the schemas are those of Kafka 4.4${present ? '' : " (skipped: Kafka's definitions are not there)"}`, () => {
  const definitions = present ? readDefinitions() : []

  for (const [name, versions] of subjectsByName()) {
    test(name, () => {
      const [{ javaClass, fields }, last] = [versions[0]!, versions.at(-1)!]
      const definition = definitions.find(({ name }) => name === definitionName(javaClass))!
      const valid = { first: versions[0]!.version, last: last.version }
      expect(`${valid.first}-${valid.last}`).toBe(rangeText(parse(definition.validVersions)))
      const flexible = cut(parse(definition.flexibleVersions), valid)
      expect(versions.filter(({ flexible }) => flexible).map(({ version }) => version)).toEqual(members(flexible))
      const structs = new Map((definition.commonStructs ?? []).map(({ name, fields }) => [name, fields]))
      expect(Object.entries(plainFields(fields, valid))).toEqual(Object.entries(plainDefinition(definition.fields, structs, valid)))
    })
  }

  test('no definition is left out, and keys and names agree', () => {
    const used = new Set([...subjectsByName().values()].map(versions => definitionName(versions[0]!.javaClass)))
    const wanted = definitions.filter(({ validVersions }) => validVersions !== 'none').map(({ name }) => name)
    expect(wanted.filter(name => !used.has(name))).toEqual([])
    const keys = definitions.filter(({ type, validVersions }) => type === 'request' && validVersions !== 'none')
    expect(APIS.map(({ key, name }) => `${key} ${name}Request`)).toEqual(
      keys.sort((a, b) => a.apiKey! - b.apiKey!).map(({ apiKey, name }) => `${apiKey} ${name}`),
    )
  })
})

const definitionName = (javaClass: string) =>
  javaClass.slice(javaClass.lastIndexOf('.') + 1).replace(/(Request|Response|Header)Data$/, '$1')

function readDefinitions(): Definition[] {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.json'))
  return files.map(file => JSON.parse(readFileSync(join(directory, file), 'utf8').replace(/(^|\s)\/\/ .*$|^\s*\/\/$/gm, '')))
}

function plainFields(fields: Fields, valid: Versions): { [name: string]: Plain } {
  const plain: { [name: string]: Plain } = {}
  for (const [name, { layout }] of Object.entries(fields)) plain[name] = plainField(layout, valid)
  return plain
}

function plainField(layout: Layout, valid: Versions): Plain {
  const element = layout.kind === 'array' ? layout.element!.layout : layout
  const versions = cut(layout.versions, valid)
  const kind = element.kind === 'big' ? 'i64' : element.kind
  const plain: Plain = {
    type: (layout.kind === 'array' ? '[]' : '') + kind,
    versions: rangeText(versions),
    nullable: rangeText(cut(layout.nullable, versions)),
    tag: layout.tag,
    rigid: layout.rigid,
    default: comparable(absentValue(layout), layout, valid),
  }
  if (element.fields !== undefined) plain.fields = plainFields(element.fields, versions)
  return plain
}

/** The default of a field that is always there and may be null matters to nobody but a writer who leaves it out: null for us. */
function comparable(
  value: unknown,
  layout: { kind: string; nullable: Versions; versions: Versions; tag: number },
  valid: Versions,
): unknown {
  const always = rangeText(cut(layout.versions, valid)) === rangeText(valid)
  if (always && layout.tag < 0 && layout.nullable.last >= layout.nullable.first) return 'null or its own'
  if (layout.kind === 'struct') return value === null ? null : 'its fields'
  if (layout.kind === 'big') return Number(value)
  return value instanceof Uint8Array ? `${value.length} bytes` : value
}

function plainDefinition(fields: FieldDefinition[], structs: Map<string, FieldDefinition[]>, valid: Versions): { [name: string]: Plain } {
  const plain: { [name: string]: Plain } = {}
  for (const field of fields) {
    const versions = cut(parse(field.versions ?? field.taggedVersions!), valid)
    if (versions.last < versions.first) continue
    const type = field.type.replace('[]', '')
    const inner = field.fields ?? structs.get(type)
    if (field.fields !== undefined) structs.set(type, field.fields)
    const kind = KINDS[type] ?? 'struct'
    const nullable = cut(parse(field.nullableVersions ?? 'none'), versions)
    const tag = field.tag ?? -1
    const layout = { kind: field.type.startsWith('[]') ? 'array' : kind, nullable, versions, tag }
    const of: Plain = {
      type: (layout.kind === 'array' ? '[]' : '') + kind,
      versions: rangeText(versions),
      nullable: rangeText(nullable),
      tag,
      rigid: field.flexibleVersions === 'none',
      default: comparable(defaultOf(field, layout.kind), layout, valid),
    }
    if (inner !== undefined) of.fields = plainDefinition(inner, structs, versions)
    plain[field.name[0]!.toLowerCase() + field.name.slice(1)] = of
  }
  return plain
}

function defaultOf(field: FieldDefinition, kind: string): unknown {
  const given = field.default
  if (given === 'null') return null
  switch (kind) {
    case 'array':
      return []
    case 'struct':
      return {}
    case 'bool':
      return given === true || given === 'true'
    case 'str':
      return given ?? ''
    case 'uuid':
      return ZERO_UUID
    case 'bytes':
    case 'records':
      return Buffer.alloc(0)
    default:
      return Number(given ?? 0)
  }
}

function parse(range: string): Versions {
  const [, first, plus, last] = /^(\d+)(?:(\+)|-(\d+))?$/.exec(range) ?? []
  if (first === undefined) return { first: 0, last: -1 }
  return { first: Number(first), last: plus === '+' ? Number.MAX_SAFE_INTEGER : Number(last ?? first) }
}

const cut = (a: Versions, b: Versions): Versions => ({ first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) })
const rangeText = ({ first, last }: Versions) => (last < first ? 'none' : `${first}-${last}`)
const members = ({ first, last }: Versions) => Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)

test('Long.MAX_VALUE as a default is the number that is written back as Long.MAX_VALUE', () => {
  expect(MAX_I64).toBe(Number('9223372036854775807'))
})
