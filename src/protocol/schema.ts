// The notation of Kafka's messages: a message is a plain object of immutable fields, in wire order. Types are inferred from it and codecs are
// compiled from it (compile.ts), one per message and version, on first use.
// Facts: Kafka's message definitions (clients/src/main/resources/common/message), KIP-482 (flexible versions, tagged fields).
// Where we differ from Kafka: decoded objects hold every field whatever the version (absent = its default), so all decoded objects of one message
// have one shape; an encoder leaves out, without a word, fields that its version lacks — a client that must not lose one checks the version itself.
import { assert } from '../util/assert.ts'
import { ZERO_UUID } from '../util/uuid.ts'
import { type Codec, CompiledCodec } from './codec.ts'

export type { Codec } from './codec.ts'

/** `'3+'` from version 3 on, `'-7'` up to 7, `'2-7'` both inclusive, `'4'` that one. */
export type VersionRange = `${number}+` | `-${number}` | `${number}-${number}` | `${number}`
/** Both inclusive. */
export interface Versions {
  readonly first: number
  readonly last: number
}

export type Kind =
  | 'bool'
  | 'i8'
  | 'i16'
  | 'u16'
  | 'i32'
  | 'u32'
  | 'i64'
  | 'big'
  | 'f64'
  | 'uuid'
  | 'str'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct'

export interface Layout {
  readonly kind: Kind
  /** Where the field is on the wire; elsewhere it decodes to `absent`. */
  readonly versions: Versions
  /** Where null may be written. */
  readonly nullable: Versions
  /** -1: an ordinary field. A tagged field is written only when it differs from its default. */
  readonly tag: number
  /** The value where the field is absent, left out by the writer, or tagged and not sent. `undefined`: a struct of its fields' defaults. */
  readonly absent: unknown
  /** The writer may leave it out. */
  readonly optional: boolean
  /** Keeps the int16 length in flexible versions. */
  readonly rigid: boolean
  /** An int64 beyond 2^53 decodes to the extreme of its sign instead of being refused. */
  readonly clamped: boolean
  readonly element: Field<unknown, boolean, unknown> | undefined
  readonly fields: Fields | undefined
}

const ALWAYS: Versions = { first: 0, last: Number.MAX_SAFE_INTEGER }
const NEVER: Versions = { first: 0, last: -1 }
/** The first flexible version of a message that has none. */
export const NO_FLEX = Number.MAX_SAFE_INTEGER
/** Long.MAX_VALUE as Kafka's definitions use it; written back as such. */
export const MAX_I64 = 2 ** 63

/** One field: T its decoded type, O whether the writer may leave it out, I the type it is written from. Every modifier returns a new field. */
export class Field<T, O extends boolean, I> {
  declare readonly $out: T
  declare readonly $optional: O
  declare readonly $in: I
  readonly layout: Layout

  constructor(layout: Layout) {
    this.layout = layout
  }

  /** Present in these versions only; elsewhere it decodes to `absent` (or the default it has) and is not written. */
  in(versions: VersionRange, absent: T | undefined = this.layout.absent as T | undefined): Field<T, true, I> {
    return new Field({ ...this.layout, versions: parseVersions(versions), absent, optional: true })
  }

  /** Default: the writer may leave the field out. */
  def(absent: T): Field<T, true, I> {
    return new Field({ ...this.layout, absent, optional: true })
  }

  /** May be null (in these versions), and is by default. */
  null(versions?: VersionRange): Field<T | null, true, I | null> {
    return new Field({
      ...this.layout,
      nullable: versions === undefined ? ALWAYS : parseVersions(versions),
      absent: null,
      optional: true,
    })
  }

  /** A tagged field, absent before `versions`. */
  tag(tag: number, versions: VersionRange, absent: T | undefined = this.layout.absent as T | undefined): Field<T, true, I> {
    return new Field({ ...this.layout, tag, versions: parseVersions(versions), absent, optional: true })
  }

  /** Keeps the int16 length in flexible versions: the client id of the request header, nothing else. */
  rigid(): Field<T, O, I> {
    return new Field({ ...this.layout, rigid: true })
  }

  /** For an int64 that is only ever compared with ours, such as a time a client asks in nanoseconds: beyond 2^53 every number means the same. */
  clamped(): Field<T, O, I> {
    return new Field({ ...this.layout, clamped: true })
  }
}

export type AnyField = Field<unknown, boolean, unknown>
export type Fields = { readonly [name: string]: AnyField }

type OptionalNames<F extends Fields> = { [K in keyof F]: F[K]['$optional'] extends true ? K : never }[keyof F]

/** The decoded type of a field or of a record of fields: everything is present. */
export type Out<F> = F extends AnyField ? F['$out'] : F extends Fields ? { -readonly [K in keyof F]: F[K]['$out'] } : never

/** The type an encoder takes: fields with `.def`, `.in`, `.null` or `.tag` may be left out. */
export type In<F> = F extends AnyField
  ? F['$in']
  : F extends Fields
    ? { readonly [K in Exclude<keyof F, OptionalNames<F>>]: F[K]['$in'] } & {
        readonly [K in OptionalNames<F>]?: F[K]['$in'] | undefined
      }
    : never

const EMPTY = Buffer.alloc(0)
const PLAIN = {
  versions: ALWAYS,
  nullable: NEVER,
  tag: -1,
  absent: undefined,
  optional: false,
  rigid: false,
  clamped: false,
  element: undefined,
  fields: undefined,
}

function primitive<T, I = T>(kind: Kind, absent: T): Field<T, false, I> {
  return new Field({ ...PLAIN, kind, absent })
}

export const bool = primitive<boolean>('bool', false)
export const i8 = primitive<number>('i8', 0)
export const i16 = primitive<number>('i16', 0)
export const u16 = primitive<number>('u16', 0)
export const i32 = primitive<number>('i32', 0)
export const u32 = primitive<number>('u32', 0)
/** A number, exact below 2^53. On the wire beyond that only Long.MAX_VALUE and Long.MIN_VALUE are understood. */
export const i64 = primitive<number>('i64', 0)
/** An int64 that uses all 64 bits, such as a hash; offsets, times and ids are `i64`. */
export const i64big = primitive<bigint>('big', 0n)
export const f64 = primitive<number>('f64', 0)
/** 22 characters of URL-safe base64. */
export const uuid = primitive<string>('uuid', ZERO_UUID)
/** At most 32767 bytes of UTF-8, as in Kafka. */
export const str = primitive<string>('str', '')
/** Decoded as a view of the frame. */
export const bytes = primitive<Buffer, Uint8Array>('bytes', EMPTY)
/** Decoded as a view of the frame; written from one or several chunks, one after another, by reference when large. */
export const records = primitive<Buffer, Uint8Array | readonly Uint8Array[]>('records', EMPTY)

export function struct<const F extends Fields>(fields: F): Field<Out<F>, false, In<F>> {
  return new Field({ ...PLAIN, kind: 'struct', fields })
}

export function arr<const F extends AnyField | Fields>(of: F): Field<Out<F>[], false, readonly In<F>[]> {
  const element = of instanceof Field ? of : struct(of as Fields)
  return new Field({ ...PLAIN, kind: 'array', absent: [], element })
}

export function parseVersions(range: VersionRange): Versions {
  const [, first, dash, last] = /^(\d*)([-+]?)(\d*)$/.exec(range) ?? []
  assert(first !== undefined && range.length > 0, `not a version range: ${range}`)
  if (dash === '+') return { first: Number(first), last: ALWAYS.last }
  if (dash === '-') return { first: Number(first || 0), last: Number(last) }
  return { first: Number(first), last: Number(first) }
}

/** A message that is no request: a header, a stored record, a blob inside another message. */
export interface Schema<F extends Fields = Fields> {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  /** The first flexible version, NO_FLEX if none. */
  readonly flex: number
  readonly fields: F
  /** The codec of one version in minVersion … maxVersion. */
  at(version: number): Codec<Out<F>, In<F>>
}

/**
 * @param versions  those whose layout is known
 * @param of.flex  the first flexible version; none if left out
 */
export function schema<const F extends Fields>(name: string, versions: VersionRange, of: { flex?: number; fields: F }): Schema<F> {
  const { first, last } = parseVersions(versions)
  const { fields, flex = NO_FLEX } = of
  const codecs: Codec<Out<F>, In<F>>[] = []
  return {
    name,
    minVersion: first,
    maxVersion: last,
    flex,
    fields,
    at(version) {
      assert(version >= first && version <= last, `${name} has versions ${first}-${last}, not ${version}`)
      return (codecs[version - first] ??= new CompiledCodec(`${name} v${version}`, fields, version, version >= flex))
    },
  }
}

/** One of Kafka's APIs, in all the versions whose layout is known. */
export interface Api<Req extends Fields = Fields, Res extends Fields = Fields> {
  readonly name: string
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
  /** The first flexible version, NO_FLEX if none. */
  readonly flex: number
  readonly request: Req
  readonly response: Res
  /** The request codec of one version in minVersion … maxVersion. */
  req(version: number): Codec<Out<Req>, In<Req>>
  /** The response codec of one version in minVersion … maxVersion. */
  res(version: number): Codec<Out<Res>, In<Res>>
}

/** What a broker's handler receives. */
export type RequestOf<A extends Api> = Out<A['request']>
/** What a broker's handler answers. */
export type ResponseOf<A extends Api> = In<A['response']>
/** What a client sends. */
export type RequestIn<A extends Api> = In<A['request']>
/** What a client receives. */
export type ResponseOut<A extends Api> = Out<A['response']>

/**
 * @param versions  those whose layout is known, which is more than a broker advertises
 * @param of.flex  the first flexible version; none if left out
 */
export function api<const Req extends Fields, const Res extends Fields>(
  name: string,
  key: number,
  versions: VersionRange,
  of: { flex?: number; request: Req; response: Res },
): Api<Req, Res> {
  const { flex = NO_FLEX } = of
  const request = schema(`${name} request`, versions, { flex, fields: of.request })
  const response = schema(`${name} response`, versions, { flex, fields: of.response })
  const { minVersion, maxVersion } = request
  return { name, key, minVersion, maxVersion, flex, request: of.request, response: of.response, req: request.at, res: response.at }
}
