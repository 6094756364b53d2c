// Random values of any message, for the tests that go over all of them. What a field gets depends on the seed and on its path by name, not on the
// fields before it: so the golden bytes notice a field that changed its name or its place.

import { APIS } from '../../src/protocol/apis.ts'
import { isIn } from '../../src/protocol/compile-decode.ts'
import { RequestHeaderSchema, ResponseHeaderSchema } from '../../src/protocol/headers.ts'
import type { Codec, Field, Fields, Layout } from '../../src/protocol/schema.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from '../../src/protocol/stored/consumer-protocol.ts'
import * as controlRecords from '../../src/protocol/stored/control-records.ts'
import * as nodeFiles from '../../src/protocol/stored/node-files.ts'
import { GROUP_RECORDS, SHARE_STATE_RECORDS, TRANSACTION_RECORDS } from '../../src/protocol/stored/records.ts'
import { Writer } from '../../src/protocol/writer.ts'

/** The values behind the golden bytes. */
export const GOLDEN_SEEDS = ['golden 1', 'golden 2']

/** One message in one version. */
export interface Subject {
  /** The golden file it belongs to. */
  readonly group: string
  readonly name: string
  /** The class Kafka generates from the same definition. */
  readonly javaClass: string
  readonly version: number
  readonly flexible: boolean
  readonly fields: Fields
  readonly codec: Codec<unknown, unknown>
}

/** Everything that has a schema, in every version. */
export function subjects(): Subject[] {
  const list: Subject[] = []
  const add = (group: string, name: string, javaClass: string, of: AnySchema) => {
    for (let version = of.minVersion; version <= of.maxVersion; version++) {
      const flexible = version >= of.flex
      list.push({ group, name, javaClass, version, flexible, fields: of.fields, codec: of.at(version) as Codec<unknown, unknown> })
    }
  }
  const messages = 'org.apache.kafka.common.message'
  for (const api of APIS) {
    const { minVersion, maxVersion, flex } = api
    const group = `${String(api.key).padStart(2, '0')}-${api.name}`
    const request = { minVersion, maxVersion, flex, fields: api.request, at: api.req }
    const response = { minVersion, maxVersion, flex, fields: api.response, at: api.res }
    add(group, `${api.name} request`, `${messages}.${api.name}RequestData`, request)
    add(group, `${api.name} response`, `${messages}.${api.name}ResponseData`, response)
  }
  add('headers', 'RequestHeader', `${messages}.RequestHeaderData`, RequestHeaderSchema)
  add('headers', 'ResponseHeader', `${messages}.ResponseHeaderData`, ResponseHeaderSchema)
  const data = { ...controlRecords, ConsumerProtocolSubscription, ConsumerProtocolAssignment, ...nodeFiles }
  for (const [name, of] of Object.entries(data)) add('data', name, JAVA_CLASSES[name] ?? `${messages}.${name}`, of as AnySchema)
  for (const { records, group, java } of COORDINATOR_RECORDS) {
    for (const record of records) {
      add(group, `${record.name} key`, `${java}.${record.name}Key`, record.key)
      add(group, `${record.name} value`, `${java}.${record.name}Value`, record.value)
    }
  }
  return list
}

/** All versions of a message together. */
export function subjectsByName(): Map<string, Subject[]> {
  const byName = new Map<string, Subject[]>()
  for (const subject of subjects()) byName.set(subject.name, [...(byName.get(subject.name) ?? []), subject])
  return byName
}

type AnySchema = {
  minVersion: number
  maxVersion: number
  flex: number
  fields: Fields
  at(version: number): unknown
}

const COORDINATOR = 'org.apache.kafka.coordinator'
const COORDINATOR_RECORDS = [
  { records: GROUP_RECORDS, group: 'group-records', java: `${COORDINATOR}.group.generated` },
  { records: TRANSACTION_RECORDS, group: 'transaction-records', java: `${COORDINATOR}.transaction.generated` },
  { records: SHARE_STATE_RECORDS, group: 'share-state-records', java: `${COORDINATOR}.share.generated` },
]
const JAVA_CLASSES: { [name: string]: string } = {
  QuorumStateData: 'org.apache.kafka.raft.generated.QuorumStateData',
  ControlRecordType: 'org.apache.kafka.common.message.ControlRecordTypeSchema',
}

export class Random {
  #state: number

  constructor(seed: string) {
    let hash = 0x811c9dc5
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
    this.#state = hash
  }

  /** 0 ≤ n < 2^32 */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  below(n: number): number {
    return this.uint32() % n
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  bytes(n: number): Buffer {
    const b = Buffer.alloc(n)
    for (let i = 0; i < n; i++) b[i] = this.uint32()
    return b
  }
}

/** A value with every field, as the decoder makes it: absent and left-out ones have their defaults. */
export function randomValue(subject: Subject, seed: string): Record<string, unknown> {
  return randomStruct(subject.fields, subject.version, `${seed} ${subject.name} ${subject.version}`, 0)
}

function randomStruct(fields: Fields, version: number, path: string, depth: number): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) value[name] = randomField(field, version, `${path}.${name}`, depth)
  return value
}

function randomField({ layout }: Field<unknown, boolean, unknown>, version: number, path: string, depth: number): unknown {
  const random = new Random(path)
  if (!isIn(layout.versions, version) || (layout.tag >= 0 && random.chance(30))) return absentValue(layout)
  if (isIn(layout.nullable, version) && random.chance(20)) return null
  return randomOf(layout, version, path, depth, random)
}

export function absentValue(layout: Layout): unknown {
  if (layout.kind !== 'struct' || layout.absent === null) return layout.absent
  return Object.fromEntries(Object.entries(layout.fields!).map(([name, field]) => [name, absentValue(field.layout)]))
}

const TEXTS = [
  '',
  'a',
  'orders',
  'consumer-group-17',
  'topic.with_all-kinds',
  'Zürich',
  '東京',
  '🙂🚀',
  'x'.repeat(126),
  'y'.repeat(127),
  'é'.repeat(90),
]

function randomOf(layout: Layout, version: number, path: string, depth: number, random: Random): unknown {
  const signed = (bits: number) =>
    random.pick([0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)), random.below(100), random.uint32() >> (32 - bits)])
  switch (layout.kind) {
    case 'bool':
      return random.chance(50)
    case 'i8':
      return signed(8)
    case 'i16':
      return signed(16)
    case 'i32':
      return signed(32)
    case 'u16':
      return random.pick([0, 1, 65535, random.below(65536)])
    case 'u32':
      return random.pick([0, 1, 2 ** 32 - 1, random.uint32()])
    case 'i64': {
      const wide = random.below(2 ** 21) * 2 ** 32 + random.uint32()
      return random.pick([0, 1, -1, 2 ** 53 - 1, 1 - 2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 32, -(2 ** 32), random.below(1000), wide, -wide])
    }
    case 'big':
      return BigInt.asIntN(64, (BigInt(random.uint32()) << 32n) + BigInt(random.uint32()))
    case 'f64':
      return random.pick([0, 1.5, -1e300, random.uint32() / 7])
    case 'uuid':
      return random.bytes(16).toString('base64url')
    case 'str':
      return depth > 3 ? random.pick(TEXTS.slice(0, 8)) : random.pick(TEXTS)
    case 'bytes':
    case 'records':
      return random.bytes(random.pick(depth > 3 ? [0, 1, 9] : [0, 1, 30, 126, 127, 128]))
    case 'array': {
      const many = layout.element!.layout.kind === 'struct' ? 3 : random.pick([4, 4, 4, 130])
      return Array.from({ length: random.pick([0, 1, 1, 2, many]) }, (_, i) =>
        randomOf(layout.element!.layout, version, `${path}[${i}]`, depth + 1, new Random(`${path}[${i}]`)),
      )
    }
    case 'struct':
      return randomStruct(layout.fields!, version, path, depth + 1)
  }
}

/** Encodes through buffers of the given first size, with records above `referenceBytes` by reference; in one piece. */
export function encode(codec: Codec<unknown, unknown>, value: unknown, o: { sizeBytes?: number; referenceBytes?: number } = {}): Buffer {
  const w = new Writer(o)
  codec.encode(value, w)
  return Buffer.concat(w.done())
}
