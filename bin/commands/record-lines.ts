// Consumed records as lines of standard output: JSON, or keys and values as they are.
import type { ConsumedRecord } from '../../src/index.ts'
import { toJsonBytes } from './json-record.ts'
import { print } from './output.ts'

export interface FormatOptions {
  readonly json?: true
  readonly keySeparator?: string
  /** Stands for null keys and values. */
  readonly null: string
}

export type Format = (record: ConsumedRecord) => string | readonly Uint8Array[]

export function formatOf(options: FormatOptions): Format {
  return options.json ? jsonLine : plainLine(options)
}

/** Settles when more may be written. */
export async function printAll(records: readonly ConsumedRecord[], format: Format): Promise<void> {
  const chunks: Uint8Array[] = []
  for (const record of records) {
    const formatted = format(record)
    if (typeof formatted === 'string') chunks.push(Buffer.from(formatted))
    else chunks.push(...formatted)
  }
  if (chunks.length > 0) await print(Buffer.concat(chunks))
}

function jsonLine(record: ConsumedRecord): string {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  const list = headers.map(header => [header.key, toJsonBytes(header.value)])
  return `${JSON.stringify({ topic, partition, offset, timestamp, key: toJsonBytes(key), value: toJsonBytes(value), headers: list })}\n`
}

function plainLine({ keySeparator, null: nullText }: FormatOptions): Format {
  const separator = keySeparator === undefined ? undefined : Buffer.from(keySeparator)
  const absent = Buffer.from(nullText)
  const lineEnd = Buffer.from('\n')
  return ({ key, value }) => (separator === undefined ? [value ?? absent, lineEnd] : [key ?? absent, separator, value ?? absent, lineEnd])
}
