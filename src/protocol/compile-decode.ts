// Turns the fields of a message, for one version, into the source of a straight-line decoder, and that into a function.
// Positions are checked where a length or count is used and once at the end: a read beyond the frame yields zero until then. A count is checked
// against what is left (by the smallest size an element can have) and against a budget of memory before anything is allocated, so a hostile
// frame costs time and memory in proportion to its length, and memory up to maxBytes.
// A struct that may be null starts with one byte: -1 or 1 in its place, 0 or 1 as a tagged field.
// In steps: the same decoder as a generator, which stops now and then within its arrays, so that a long message need not be read in one go.
import { ProtocolError } from './errors.ts'
import { type CodecFactory, PRECOMPILED } from './precompiled.ts'
import {
  bigInt64,
  budget,
  clampedInt64,
  cursor,
  float64,
  MAX_ARRAY_LENGTH,
  MAX_STRING_BYTES,
  MAX_TAGGED_FIELDS,
  text,
  uuid,
  uvarint,
  wideInt64,
} from './reading.ts'
import type { AnyField, Fields, Layout } from './schema.ts'

/** `whole`: bytes after the message are an error. */
export type Decoder = (b: Buffer, p: number, end: number, whole: boolean, maxBytes: number) => unknown
export type SteppedDecoder = (...args: Parameters<Decoder>) => Generator<undefined, unknown>

/** Elements of arrays between two steps. */
export const STEP_ELEMENTS = 32

const RUNTIME = { ProtocolError, bigInt64, budget, clampedInt64, cursor, float64, text, uuid, uvarint, wideInt64, EMPTY: Buffer.alloc(0) }

export function compileDecoder(name: string, fields: Fields, version: number, flexible: boolean): Decoder {
  const factory = PRECOMPILED.decoders[name] ?? (new Function('rt', 'name', decoderSource(fields, version, flexible)) as CodecFactory)
  return factory(RUNTIME, name) as Decoder
}

/** Not of the few messages that are compiled ahead: long ones are rare. */
export function compileSteppedDecoder(name: string, fields: Fields, version: number, flexible: boolean): SteppedDecoder {
  const factory = new Function('rt', 'name', decoderSource(fields, version, flexible, true)) as CodecFactory
  return factory(RUNTIME, name) as SteppedDecoder
}

export function decoderSource(fields: Fields, version: number, flexible: boolean, inSteps = false): string {
  const decoder = new DecoderSource(version, flexible, inSteps)
  const root = decoder.struct(fields, '')
  return `'use strict'
const { ${Object.keys(RUNTIME).join(', ')} } = rt
const bad = (what, why) => { throw new ProtocolError(name + ': ' + (what === '' ? '' : what + ' ') + why) }
return ${inSteps ? 'function* (b, p, end, whole, maxBytes) {\n  let step = 0' : '(b, p, end, whole, maxBytes) => {'}
  ${inSteps ? 'let left' : 'budget.left'} = maxBytes
${root.code}
  if (p > end) bad('', 'is cut off')
  if (whole && p < end) bad('', 'is followed by ' + (end - p) + ' more bytes')
  return ${root.value}
}`
}

const I32 = '(b[p++] << 24 | b[p++] << 16 | b[p++] << 8 | b[p++])'
const INLINE: Partial<Record<Layout['kind'], string>> = {
  bool: 'b[p++] !== 0',
  i8: 'b[p++] << 24 >> 24',
  i16: '(b[p++] << 24 | b[p++] << 16) >> 16',
  u16: 'b[p++] << 8 | b[p++]',
  i32: I32,
  u32: `${I32} >>> 0`,
}

class DecoderSource {
  readonly #version: number
  readonly #flexible: boolean
  readonly #inSteps: boolean
  #names = 0

  constructor(version: number, flexible: boolean, inSteps: boolean) {
    this.#version = version
    this.#flexible = flexible
    this.#inSteps = inSteps
  }

  /** Statements that read the fields, and the expression of the object they make. */
  struct(fields: Fields, path: string): { code: string; value: string } {
    const code: string[] = []
    const members: string[] = []
    const tagged: { layout: Layout; variable: string; path: string }[] = []
    for (const [name, { layout }] of Object.entries(fields)) {
      const variable = this.#name('x')
      const fieldPath = path === '' ? name : `${path}.${name}`
      members.push(`${name}: ${variable}`)
      if (!isIn(layout.versions, this.#version)) {
        code.push(`const ${variable} = ${absentSource(layout)}`)
      } else if (layout.tag >= 0) {
        code.push(`let ${variable} = ${absentSource(layout)}`)
        tagged.push({ layout, variable, path: fieldPath })
      } else {
        code.push(`let ${variable}`, this.#read(layout, variable, fieldPath))
      }
    }
    if (this.#flexible) code.push(this.#tags(tagged, path))
    return { code: code.join('\n'), value: `{ ${members.join(', ')} }` }
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  /** Statements that read one field into a declared variable. */
  #read(layout: Layout, variable: string, path: string): string {
    switch (layout.kind) {
      case 'bool':
      case 'i8':
      case 'i16':
      case 'u16':
      case 'i32':
      case 'u32':
        return `${variable} = ${INLINE[layout.kind]}`
      case 'i64': {
        const [high, low] = [this.#name('h'), this.#name('l')]
        return `const ${high} = ${I32}, ${low} = ${I32} >>> 0
${variable} = ${high} > 2097151 || ${high} < -2097152 ? ${layout.clamped ? `clampedInt64(${high})` : `wideInt64(${high}, ${low})`} : ${high} * 4294967296 + ${low}`
      }
      case 'big':
        return `${variable} = bigInt64(b, p, end); p += 8`
      case 'f64':
        return `${variable} = float64(b, p, end); p += 8`
      case 'uuid':
        return `${variable} = uuid(b, p, end); p += 16`
      case 'str':
        return this.#sized(layout, variable, path, n => {
          const tooLong = `if (${n} > ${MAX_STRING_BYTES}) bad('${path}', 'is a string of ' + ${n} + ' bytes')`
          return `${this.#rigid(layout) ? '' : tooLong}\n${variable} = text(b, p, ${n}); p += ${n}`
        })
      case 'bytes':
      case 'records':
        return this.#sized(layout, variable, path, n => `${variable} = ${n} === 0 ? EMPTY : b.subarray(p, p + ${n}); p += ${n}`)
      case 'array':
        return this.#array(layout, variable, path)
      case 'struct': {
        const inner = this.struct(layout.fields!, path)
        if (!this.#nullable(layout)) return `{\n${inner.code}\n${variable} = ${inner.value}\n}`
        return `if (${layout.tag < 0 ? 'b[p++] << 24 < 0' : 'b[p++] === 0'}) ${variable} = null\nelse {\n${inner.code}\n${variable} = ${inner.value}\n}`
      }
    }
  }

  #rigid(layout: Layout): boolean {
    return layout.rigid || !this.#flexible
  }

  #nullable(layout: Layout): boolean {
    return isIn(layout.nullable, this.#version)
  }

  /** A length or count; null and negative ones are dealt with. */
  #length(layout: Layout, variable: string, path: string, n: string): string {
    const short = layout.kind === 'str'
    const read = this.#rigid(layout)
      ? `let ${n} = ${short ? INLINE.i16 : I32}`
      : `let ${n} = b[p++] | 0\nif (${n} > 127) { ${n} = uvarint(b, p - 1); p = cursor.p }\n${n}--`
    const onNull = this.#nullable(layout) ? `${variable} = null` : `bad('${path}', 'is null')`
    return `${read}\nif (${n} < 0) ${onNull}`
  }

  #sized(layout: Layout, variable: string, path: string, take: (n: string) => string): string {
    const n = this.#name('n')
    return `${this.#length(layout, variable, path, n)}
else {
if (${n} > end - p) bad('${path}', 'has ' + ${n} + ' bytes where ' + (end - p) + ' are left')
${take(n)}
}`
  }

  #array(layout: Layout, variable: string, path: string): string {
    const [n, list, i, item] = [this.#name('n'), this.#name('a'), this.#name('i'), this.#name('e')]
    const element = layout.element!.layout
    const smallest = Math.max(1, smallestSize(element, this.#version, this.#flexible))
    return `${this.#length(layout, variable, path, n)}
else if (${n} === 0) ${variable} = []
else {
if (${n}${smallest === 1 ? '' : ` * ${smallest}`} > end - p) bad('${path}', 'has ' + ${n} + ' elements where ' + (end - p) + ' bytes are left')
if (${n} > ${MAX_ARRAY_LENGTH}) bad('${path}', 'has ' + ${n} + ' elements, more than ${MAX_ARRAY_LENGTH}')
if ((${this.#inSteps ? 'left' : 'budget.left'} -= ${n} * ${decodedSize(element)}) < 0) bad('${path}', 'would make the message too large for memory')
const ${list} = new Array(${n})
for (let ${i} = 0; ${i} < ${n}; ${i}++) {
let ${item}
${this.#read(element, item, path)}
${list}[${i}] = ${item}${this.#inSteps && element.kind !== 'i32' ? `\nif ((++step & ${STEP_ELEMENTS - 1}) === 0) yield` : ''}
}
${variable} = ${list}
}`
  }

  /** The tagged fields at the end of a struct; unknown ones are skipped. */
  #tags(tagged: readonly { layout: Layout; variable: string; path: string }[], path: string): string {
    const [count, tag, size, next] = [this.#name('c'), this.#name('t'), this.#name('s'), this.#name('z')]
    const varint = (variable: string) =>
      `let ${variable} = b[p++] | 0; if (${variable} > 127) { ${variable} = uvarint(b, p - 1); p = cursor.p }`
    const cases = tagged.map(field => {
      const wrongSize = `if (p !== end) bad('${field.path}', 'has a wrong size')`
      return `case ${field.layout.tag}: {\n${this.#read(field.layout, field.variable, field.path)}\n${wrongSize}\nbreak\n}`
    })
    const known = cases.length === 0 ? '' : `{ const end = ${next}\nswitch (${tag}) {\n${cases.join('\n')}\n} }`
    return `${varint(count)}
if (${count} > 0) {
if (${count} > ${MAX_TAGGED_FIELDS}) bad('${path}', 'has ' + ${count} + ' tagged fields, more than ${MAX_TAGGED_FIELDS}')
if (${count} * 2 > end - p) bad('${path}', 'has ' + ${count} + ' tagged fields where ' + (end - p) + ' bytes are left')
while (${count}-- > 0) {
${varint(tag)}
${varint(size)}
const ${next} = p + ${size}
if (${next} > end) bad('${path}', 'has a tagged field of ' + ${size} + ' bytes where ' + (end - p) + ' are left')
${known}
p = ${next}
}
}`
  }
}

export function isIn(versions: Layout['versions'], version: number): boolean {
  return version >= versions.first && version <= versions.last
}

/** The value of a field that is not on the wire, as an expression that makes a fresh one. */
export function absentSource(layout: Layout): string {
  const { absent } = layout
  if (absent === null) return 'null'
  if (layout.kind === 'struct') {
    return `{ ${Object.entries(layout.fields!)
      .map(([name, field]) => `${name}: ${absentSource(field.layout)}`)
      .join(', ')} }`
  }
  if (layout.kind === 'array') return '[]'
  if (layout.kind === 'bytes' || layout.kind === 'records') return 'EMPTY'
  return typeof absent === 'bigint' ? `${absent}n` : JSON.stringify(absent)
}

const FIXED_SIZES: Partial<Record<Layout['kind'], number>> = {
  bool: 1,
  i8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  i64: 8,
  big: 8,
  f64: 8,
  uuid: 16,
}

/** Bytes on the wire of a field whose size never varies; undefined if it does. */
export function fixedSize(layout: Layout): number | undefined {
  return FIXED_SIZES[layout.kind]
}

/** The fewest bytes the field can take on the wire in this version. */
function smallestSize(layout: Layout, version: number, flexible: boolean): number {
  const fixed = fixedSize(layout)
  if (fixed !== undefined) return fixed
  if (layout.kind === 'struct') {
    if (isIn(layout.nullable, version)) return 1
    return Object.values(layout.fields!)
      .filter(field => field.layout.tag < 0 && isIn(field.layout.versions, version))
      .reduce((sum, field) => sum + smallestSize(field.layout, version, flexible), flexible ? 1 : 0)
  }
  if (flexible && !layout.rigid) return 1
  return layout.kind === 'str' ? 2 : 4
}

/** About what an array element takes in memory, with its slot in the array, and without the bytes of strings and the elements of arrays. */
function decodedSize(layout: Layout): number {
  return 8 + sizeInMemory(layout)
}

function sizeInMemory({ kind, fields }: Layout): number {
  switch (kind) {
    case 'struct':
      return 24 + Object.values(fields as { [name: string]: AnyField }).reduce((sum, field) => sum + 8 + sizeInMemory(field.layout), 0)
    case 'array':
      return 48
    case 'str':
      return 24
    case 'uuid':
      return 40
    case 'bytes':
    case 'records':
      return 112
    case 'i64':
    case 'f64':
      return 16
    case 'big':
      return 24
    default:
      return 0
  }
}
