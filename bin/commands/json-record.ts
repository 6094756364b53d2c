// Records as JSON, both ways, without losing a byte: UTF-8 is a string, anything else { "base64": "…" }, null is null.

export type JsonBytes = string | { readonly base64: string } | null

export interface JsonRecord {
  readonly value: Buffer | null
  readonly key: Buffer | null
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
  readonly partition: number | undefined
  readonly timestamp: number | undefined
}

export function toJsonBytes(bytes: Uint8Array | null): JsonBytes {
  if (bytes === null) return null
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const text = buffer.toString('utf8')
  // Whatever is not UTF-8 comes back as other bytes.
  return text.includes('�') && !Buffer.from(text, 'utf8').equals(buffer) ? { base64: buffer.toString('base64') } : text
}

/** @throws Error saying what the line lacks */
export function parseJsonRecord(line: string): JsonRecord {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error('expected an object such as {"key": "k", "value": "v"}')
  const fields = json as Record<string, unknown>
  if (!('value' in fields)) throw new Error('"value" is missing; for a tombstone write "value": null')
  return {
    value: fromJsonBytes('value', fields['value']),
    key: fromJsonBytes('key', fields['key'] ?? null),
    headers: parseHeaders(fields['headers'] ?? []),
    partition: wholeField('partition', fields['partition']),
    timestamp: wholeField('timestamp', fields['timestamp']),
  }
}

function fromJsonBytes(field: string, json: unknown): Buffer | null {
  if (json === null) return null
  if (typeof json === 'string') return Buffer.from(json, 'utf8')
  const base64 = typeof json === 'object' ? (json as { base64?: unknown }).base64 : undefined
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  throw new Error(`"${field}" must be a string, null or {"base64": "…"}`)
}

/** [["name", value], …], or {"name": value} where no name comes twice. */
function parseHeaders(json: unknown): JsonRecord['headers'] {
  if (typeof json !== 'object' || json === null) throw new Error('"headers" must be [["name", "value"], …] or {"name": "value"}')
  const pairs: unknown[] = Array.isArray(json) ? json : Object.entries(json)
  return pairs.map(pair => {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') throw new Error('each header must be ["name", value]')
    return { key: pair[0], value: fromJsonBytes(`headers.${pair[0]}`, pair[1]) }
  })
}

function wholeField(field: string, json: unknown): number | undefined {
  if (json === undefined || json === null) return undefined
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw new Error(`"${field}" must be a whole number`)
  return json
}
