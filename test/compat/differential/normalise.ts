// What must differ between two brokers is taken out of an answer: ids, ports, clocks, and the wording of messages. What is left must be equal.
import * as batch from '../../../src/protocol/batch.ts'
import { ProtocolError } from '../../../src/protocol/errors.ts'
import { decodeBatch } from '../../../src/protocol/records.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'

export interface Normalisation {
  readonly nameOfTopicId: (id: string) => string | undefined
  readonly baseTimeMs: number
}

const HALF_AN_HOUR_MS = 1_800_000

export function normalise(value: unknown, how: Normalisation, key = ''): unknown {
  if (Buffer.isBuffer(value)) return key === 'records' ? batchesOf(value, how) : value.toString('base64')
  if (Array.isArray(value)) return sorted(value.map(element => normalise(element, how, key)))
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, normalise(field, how, name)]))
  }
  return normalScalar(value, how, key)
}

function normalScalar(value: unknown, { nameOfTopicId, baseTimeMs }: Normalisation, key: string): unknown {
  switch (key) {
    case 'topicId':
      return value === ZERO_UUID ? 'none' : `<id of ${nameOfTopicId(value as string) ?? 'some topic'}>`
    case 'errorMessage':
    case 'batchIndexErrorMessage':
      return value === null || value === '' ? value : '<text>'
    case 'clusterId':
    case 'host':
    case 'port':
    case 'documentation':
      return value === null || value === '' ? value : `<${key}>`
    case 'finalizedFeaturesEpoch':
    case 'sessionId':
      return Number(value) > 0 ? `<${key}>` : value
    case 'producerId':
      return Number(value) >= 0 ? `<${key}>` : value
    case 'timestamp':
    case 'maxTimestamp':
    case 'logAppendTimeMs':
      // Produced ones count from the base time; what is so much younger is the broker's clock.
      return typeof value === 'number' && value > baseTimeMs + HALF_AN_HOUR_MS && value < Date.now() + HALF_AN_HOUR_MS ? '<now>' : value
    default:
      return value
  }
}

/** Lists whose order says nothing, by what names their elements. */
const NAMES = [
  'groupId',
  'name',
  'resourceName',
  'topic',
  'topicId',
  'brokerId',
  'nodeId',
  'apiKey',
  'partitionIndex',
  'index',
  'partition',
] as const

function sorted(list: unknown[]): unknown[] {
  const first = list[0]
  if (typeof first !== 'object' || first === null || 'source' in first || Array.isArray(first)) return list
  if (!NAMES.some(name => name in first)) return list
  const nameOf = (element: unknown) => NAMES.map(name => String((element as Record<string, unknown>)[name] ?? '').padStart(9)).join('|')
  return [...list].sort((x, y) => (nameOf(x) < nameOf(y) ? -1 : nameOf(x) > nameOf(y) ? 1 : 0))
}

/** Whole batches, what is in them, and no compressed bytes: two compressors need not agree. A cut rest is left out, as clients do. */
function batchesOf(bytes: Buffer, how: Normalisation): unknown[] {
  const found: unknown[] = []
  for (
    let p = 0;
    bytes.length - p >= batch.BATCH_HEADER_BYTES && batch.batchSize(bytes, p) <= bytes.length - p;
    p += batch.batchSize(bytes, p)
  ) {
    found.push({
      baseOffset: batch.baseOffset(bytes, p),
      lastOffset: batch.lastOffset(bytes, p),
      leaderEpoch: batch.leaderEpoch(bytes, p),
      crcIsValid: batch.crcIsValid(bytes, p),
      attributes: batch.attributes(bytes, p),
      baseTimestamp: batch.baseTimestamp(bytes, p),
      maxTimestamp: normalise(batch.maxTimestamp(bytes, p), how, 'maxTimestamp'),
      identity: [batch.producerId(bytes, p), batch.producerEpoch(bytes, p), batch.baseSequence(bytes, p)],
      records: recordsOf(bytes, p, how),
    })
  }
  return found
}

function recordsOf(bytes: Buffer, p: number, how: Normalisation): unknown {
  try {
    const records = decodeBatch(bytes, p, { maxBytes: 200_000_000 })
    return records.map(record => normalise({ ...record, value: shortened(record.value) }, how, 'record'))
  } catch (error) {
    if (error instanceof ProtocolError) return 'damaged'
    throw error
  }
}

function shortened(value: Buffer | null): string | null {
  if (value === null) return null
  return value.length > 100 ? `${value.length} bytes` : value.toString('latin1')
}
