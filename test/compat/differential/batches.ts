// Record batches as clients should not, and should, send them.
import * as batch from '../../../src/protocol/batch.ts'
import { type BatchInput, encodeBatch, type RecordInput } from '../../../src/protocol/records.ts'

/** One record a value; timestamps count up from the base time in steps of 1000. */
export function batchOf(baseTimeMs: number, values: readonly string[], o: Partial<BatchInput> = {}): Buffer {
  const records = values.map((value, i): RecordInput => ({ key: null, value: Buffer.from(value), timestamp: baseTimeMs + 1000 * i }))
  return encodeBatch({ records, codec: 0, ...o })
}

/** A change to a batch, with the checksum made right again. */
export function altered(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  batch.setCrc(copy, 0)
  return copy
}

/** The same, and the checksum left wrong. */
export function damaged(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}
