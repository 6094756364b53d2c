// Turns the fields of a message, for one version, into the source of a straight-line encoder, and that into a function.
// Room is asked for once per run of fields of fixed size; whatever varies makes its own. Positions kept across such a call (the length of a tagged
// field) are relative to the chunk, since growing moves it.
import { assert } from '../util/assert.ts'
import { absentSource, fixedSize, isIn, STEP_ELEMENTS } from './compile-decode.ts'
import { KafkaError, UNSUPPORTED_VERSION } from './errors.ts'
import { type CodecFactory, PRECOMPILED } from './precompiled.ts'
import type { Fields, Layout } from './schema.ts'
import {
  putBigInt64,
  putBytes,
  putCompactText,
  putFloat64,
  putRecords,
  putText,
  putUuid,
  putUvarint,
  putWideInt64,
  sizeOfRecords,
  type Writer,
} from './writer.ts'

export type Encoder = (value: unknown, w: Writer) => void
export type SteppedEncoder = (...args: Parameters<Encoder>) => Generator<undefined, void>

const RUNTIME = {
  KafkaError,
  EMPTY: Buffer.alloc(0),
  putBigInt64,
  putBytes,
  putCompactText,
  putFloat64,
  putRecords,
  putText,
  putUuid,
  putUvarint,
  putWideInt64,
  sizeOfRecords,
}

export function compileEncoder(name: string, fields: Fields, version: number, flexible: boolean): Encoder {
  const factory = PRECOMPILED.encoders[name] ?? (new Function('rt', 'name', encoderSource(fields, version, flexible)) as CodecFactory)
  return factory(RUNTIME, name) as Encoder
}

/** As compileSteppedDecoder. The writer is nobody else's between two steps. */
export function compileSteppedEncoder(name: string, fields: Fields, version: number, flexible: boolean): SteppedEncoder {
  const factory = new Function('rt', 'name', encoderSource(fields, version, flexible, true)) as CodecFactory
  return factory(RUNTIME, name) as SteppedEncoder
}

export function encoderSource(fields: Fields, version: number, flexible: boolean, inSteps = false): string {
  const encoder = new EncoderSource(version, flexible, inSteps)
  const body = encoder.struct(fields, 'o', '')
  return `'use strict'
const { ${Object.keys(RUNTIME).join(', ')} } = rt
const noNull = what => { throw new KafkaError(${UNSUPPORTED_VERSION}, name + ': ' + what + ' cannot be null') }
return ${inSteps ? 'function* (o, w) {\n  let step = 0' : '(o, w) => {'}
  let b = w.buffer, p = w.position
${body}
  w.position = p
}`
}

const I32 = (x: string) => `b[p++] = ${x} >> 24; b[p++] = ${x} >> 16; b[p++] = ${x} >> 8; b[p++] = ${x}`
const FIXED: Partial<Record<Layout['kind'], (x: string) => string>> = {
  bool: x => `b[p++] = ${x} ? 1 : 0`,
  i8: x => `b[p++] = ${x}`,
  i16: x => `b[p++] = ${x} >> 8; b[p++] = ${x}`,
  u16: x => `b[p++] = ${x} >> 8; b[p++] = ${x}`,
  i32: I32,
  u32: I32,
  big: x => `p = putBigInt64(b, p, ${x})`,
  f64: x => `p = putFloat64(b, p, ${x})`,
  uuid: x => `p = putUuid(b, p, ${x})`,
}
/** A compact length and the number of tagged fields: five bytes at most. */
const VARINT = (x: string) => `if (${x} < 128) b[p++] = ${x}; else p = putUvarint(b, p, ${x})`

class EncoderSource {
  readonly #version: number
  readonly #flexible: boolean
  readonly #inSteps: boolean
  #names = 0

  constructor(version: number, flexible: boolean, inSteps: boolean) {
    this.#version = version
    this.#flexible = flexible
    this.#inSteps = inSteps
  }

  /** Statements that write the fields of the object in variable `o`. */
  struct(fields: Fields, o: string, path: string): string {
    const run = new Run()
    const tagged: { layout: Layout; variable: string; path: string }[] = []
    for (const [name, { layout }] of Object.entries(fields)) {
      if (!isIn(layout.versions, this.#version)) continue
      const fieldPath = path === '' ? name : `${path}.${name}`
      const variable = this.#name('x')
      run.add(`let ${variable} = ${o}.${name}`)
      if (layout.optional) run.add(`if (${variable} === undefined) ${variable} = ${absentSource(layout)}`)
      if (layout.tag >= 0) tagged.push({ layout, variable, path: fieldPath })
      else this.#write(run, layout, variable, fieldPath)
    }
    if (this.#flexible) this.#tags(run, tagged)
    return run.source()
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  #write(run: Run, layout: Layout, x: string, path: string): void {
    const fixed = fixedSize(layout)
    if (layout.kind === 'i64') run.fixed(8, this.#int64(x))
    else if (fixed !== undefined) run.fixed(fixed, FIXED[layout.kind]!(x))
    else if (layout.kind === 'struct') this.#nested(run, layout, x, path)
    else this.#sized(run, layout, x, path)
  }

  #int64(x: string): string {
    const [high, low] = [this.#name('h'), this.#name('l')]
    return `const ${high} = Math.floor(${x} / 4294967296)
if (${high} <= 2097151 && ${high} >= -2097152) {
const ${low} = (${x} - ${high} * 4294967296) >>> 0
${I32(high)}
${I32(low)}
} else p = putWideInt64(b, p, ${x})`
  }

  #nested(run: Run, layout: Layout, x: string, path: string): void {
    const body = this.struct(layout.fields!, x, path)
    if (isIn(layout.nullable, this.#version)) {
      run.fixed(1, `b[p++] = ${x} === null ? ${layout.tag < 0 ? 255 : 0} : 1`)
      run.varying(`if (${x} !== null) {\n${body}\n}`)
    } else {
      run.varying(`${this.#noNull(layout, x, path)}{\n${body}\n}`)
    }
  }

  /** A string, bytes, records or an array: what starts with a length. */
  #sized(run: Run, layout: Layout, x: string, path: string): void {
    const compact = this.#flexible && !layout.rigid
    const body = layout.kind === 'array' ? this.#array(layout, x, path, compact) : this.#plain(layout, x, compact)
    if (!isIn(layout.nullable, this.#version)) {
      run.varying(`${this.#noNull(layout, x, path)}{\n${body}\n}`)
      return
    }
    const size = compact ? 1 : layout.kind === 'str' ? 2 : 4
    const none = new Run()
    none.fixed(size, compact ? 'b[p++] = 0' : Array(size).fill('b[p++] = 255').join('; '))
    run.varying(`if (${x} === null) {\n${none.source()}\n} else {\n${body}\n}`)
  }

  /** Null where some versions allow it and this one does not is the caller's choice of version; elsewhere the types forbid it. */
  #noNull(layout: Layout, x: string, path: string): string {
    return layout.nullable.last < 0 ? '' : `if (${x} === null) noNull('${path}')\n`
  }

  #plain(layout: Layout, x: string, compact: boolean): string {
    if (layout.kind === 'str') return `p = ${compact ? 'putCompactText' : 'putText'}(w, p, ${x}); b = w.buffer`
    const n = this.#name('n')
    const [size, put] = layout.kind === 'records' ? [`sizeOfRecords(${x})`, 'putRecords'] : [`${x}.length`, 'putBytes']
    return `const ${n} = ${size}\n${this.#count(n, compact)}\np = ${put}(w, p, ${x}); b = w.buffer`
  }

  #count(n: string, compact: boolean): string {
    const run = new Run()
    if (compact) run.fixed(5, VARINT(`(${n} + 1)`))
    else run.fixed(4, I32(n))
    return run.source()
  }

  #array(layout: Layout, x: string, path: string, compact: boolean): string {
    const [n, i, item] = [this.#name('n'), this.#name('i'), this.#name('e')]
    const run = new Run()
    this.#write(run, layout.element!.layout, item, path)
    return `const ${n} = ${x}.length
${this.#count(n, compact)}
for (let ${i} = 0; ${i} < ${n}; ${i}++) {
const ${item} = ${x}[${i}]
${run.source()}${this.#inSteps && layout.element!.layout.kind !== 'i32' ? `\nif ((++step & ${STEP_ELEMENTS - 1}) === 0) yield` : ''}
}`
  }

  /** The tagged fields that differ from their defaults, in ascending order. */
  #tags(run: Run, fields: { layout: Layout; variable: string; path: string }[]): void {
    if (fields.length === 0) {
      run.fixed(1, 'b[p++] = 0')
      return
    }
    const ordered = [...fields].sort((a, b) => a.layout.tag - b.layout.tag)
    const flags = ordered.map(field => ({ ...field, flag: this.#name('d') }))
    for (const { layout, variable, flag } of flags) run.add(`const ${flag} = ${differs(layout, variable)}`)
    run.fixed(1, `b[p++] = ${flags.map(({ flag }) => `(${flag} ? 1 : 0)`).join(' + ')}`)
    for (const { layout, variable, flag, path } of flags) run.varying(`if (${flag}) {\n${this.#tag(layout, variable, path)}\n}`)
  }

  /** One byte is kept for the size; what was written moves when it takes more. */
  #tag(layout: Layout, x: string, path: string): string {
    assert(layout.kind !== 'records' && layout.tag < 128, `${path}: no such tagged field`)
    const [from, size, extra] = [this.#name('f'), this.#name('s'), this.#name('y')]
    const head = new Run()
    head.fixed(6, `b[p++] = ${layout.tag}\nconst ${from} = ++p - w.start`)
    const body = new Run()
    this.#write(body, layout, x, path)
    const tail = new Run()
    tail.fixed(
      5,
      `const ${size} = p - w.start - ${from}
if (${size} < 128) b[w.start + ${from} - 1] = ${size}
else {
const ${extra} = putUvarint(b, p, ${size}) - p - 1
b.copyWithin(w.start + ${from} + ${extra}, w.start + ${from}, p)
putUvarint(b, w.start + ${from} - 1, ${size})
p += ${extra}
}`,
    )
    return `${head.source()}\n${body.source()}\n${tail.source()}`
  }
}

/** Collects statements; those that write a fixed number of bytes share one check for room. */
class Run {
  readonly #parts: string[] = []
  #pending: string[] = []
  #bytes = 0

  /** Writes nothing. */
  add(code: string): void {
    this.#pending.push(code)
  }

  fixed(bytes: number, code: string): void {
    this.#bytes += bytes
    this.#pending.push(code)
  }

  /** Makes its own room, and leaves none. */
  varying(code: string): void {
    this.#flush()
    this.#parts.push(code)
  }

  source(): string {
    this.#flush()
    return this.#parts.join('\n')
  }

  #flush(): void {
    if (this.#bytes > 0) {
      this.#parts.push(`if (b.length - p < ${this.#bytes}) { w.position = p; w.grow(${this.#bytes}); b = w.buffer; p = w.position }`)
    }
    this.#parts.push(...this.#pending)
    this.#pending = []
    this.#bytes = 0
  }
}

/** An expression that tells whether a tagged field has to be sent. */
function differs(layout: Layout, x: string): string {
  if (layout.absent === null) return `${x} !== null`
  const orNull = layout.nullable.last < 0 ? '' : `${x} === null || `
  switch (layout.kind) {
    case 'array':
    case 'bytes':
      return `${orNull}${x}.length !== 0`
    case 'struct':
      return `${orNull}(${Object.entries(layout.fields!)
        .map(([name, field]) => `(${x}.${name} !== undefined && (${differs(field.layout, `${x}.${name}`)}))`)
        .join(' || ')})`
    default:
      return `${x} !== ${absentSource(layout)}`
  }
}
