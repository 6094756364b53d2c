// The records every client writes and reads in the compatibility run, and how two lists of them are compared.
import { createHash } from 'node:crypto'

export type CodecName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
export const CODECS: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Keys and values travel between the processes as base64, so equal strings are equal bytes. */
export interface CompatRecord {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [name: string, value: string | null])[]
  /** Milliseconds; absent: the client's own clock. */
  readonly timestamp?: number
}

/** What a client can say at all. A record it has no words for is left out of its corpus, and nothing is claimed about it. */
export interface Speech {
  readonly nullKey: boolean
  readonly nullValue: boolean
  readonly emptyValue: boolean
  readonly headers: boolean
  /** Any bytes; otherwise printable UTF-8 without tabs and line ends. */
  readonly binary: boolean
}
export const EVERYTHING: Speech = { nullKey: true, nullValue: true, emptyValue: true, headers: true, binary: true }

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

/** `length` printable bytes that no codec makes much smaller, the same for the same seed. */
export function noise(length: number, seed: string): string {
  const parts: string[] = []
  for (let made = 0, i = 0; made < length; i++) {
    const part = createHash('sha512').update(`${seed}/${i}`).digest('base64')
    parts.push(part)
    made += part.length
  }
  return parts.join('').slice(0, length)
}

/** The corpus of one writer and codec: `mark` stands in every value, so that a record tells where it came from. */
export function corpus(mark: string, speech: Speech): CompatRecord[] {
  const plain = (key: string | null, value: string | null, headers: CompatRecord['headers'] = []): CompatRecord => ({
    key: key === null ? null : base64(key),
    value: value === null ? null : base64(value),
    headers,
  })
  const records = [plain(`${mark}-key`, `${mark} plain`), plain('ключ-鍵', `${mark} größer ñandú 日本語 🚀`)]
  if (speech.nullKey) records.push(plain(null, `${mark} without a key`))
  if (speech.nullValue) records.push(plain(`${mark}-tombstone`, null))
  if (speech.nullKey && speech.nullValue) records.push(plain(null, null))
  if (speech.emptyValue) records.push(plain(`${mark}-empty`, ''))
  if (speech.headers) {
    const headers: CompatRecord['headers'] = [
      ['trace-id', base64('00-4bf92f3577b34da6')],
      ['sprache', base64('Ελληνικά')],
    ]
    records.push(plain(`${mark}-headers`, `${mark} with headers`, headers))
    if (speech.nullKey) records.push(plain(null, `${mark} with headers and no key`, headers))
  }
  if (speech.binary) {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    records.push({ key: base64(bytes.subarray(128)), value: base64(bytes), headers: [] })
  }
  records.push(plain(`${mark}-repeating`, `${mark} `.repeat(2000)), plain(`${mark}-noise`, noise(20_000, mark)))
  for (let i = 0; i < 50; i++) records.push(plain(`${mark}-${i}`, `${mark} record ${i}`))
  return records
}

export const MEBIBYTE = 1 << 20

/** Values of exactly 1 MiB: one that compresses well, one that does not. */
export function largeRecords(mark: string): CompatRecord[] {
  return [
    { key: base64(`${mark}-large`), value: base64(`${mark} `.repeat(MEBIBYTE).slice(0, MEBIBYTE)), headers: [] },
    { key: base64(`${mark}-large-noise`), value: base64(noise(MEBIBYTE, mark)), headers: [] },
  ]
}

/** undefined when equal, else the first difference in words. Timestamps are not compared: the broker may set them. */
export function difference(read: readonly CompatRecord[], written: readonly CompatRecord[]): string | undefined {
  for (let i = 0; i < Math.max(read.length, written.length); i++) {
    const a = read[i]
    const b = written[i]
    if (a === undefined) return `${read.length} records read, ${written.length} were written; the first missing is ${show(b!)}`
    if (b === undefined) return `${read.length} records read, only ${written.length} were written; the first extra is ${show(a)}`
    const at = `record ${i}`
    if (a.key !== b.key) return `${at}: key ${brief(a.key)} read, ${brief(b.key)} written`
    if (a.value !== b.value) return `${at}: value ${brief(a.value)} read, ${brief(b.value)} written`
    if (JSON.stringify(a.headers) !== JSON.stringify(b.headers)) {
      return `${at}: headers ${JSON.stringify(a.headers)} read, ${JSON.stringify(b.headers)} written`
    }
  }
  return undefined
}

function brief(bytes: string | null): string {
  if (bytes === null) return 'null'
  const text = Buffer.from(bytes, 'base64').toString()
  return text.length <= 40 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 40))}… (${text.length})`
}

function show(record: CompatRecord): string {
  return `${brief(record.key)} → ${brief(record.value)}`
}
