// The batches of a partition as they stand on a node's disk, read without asking the node: it may be paused, or gone.
import { type Disk, EnvError } from '../../env/env.ts'
import * as batch from '../../protocol/batch.ts'
import { BATCH_HEADER_BYTES, LOG_OVERHEAD } from '../../protocol/batch.ts'
import { decodeBatch } from '../../protocol/records.ts'
import { crc32c } from '../../util/crc32c.ts'

const SEGMENT = /^(\d{20})\.log$/
const READ_BYTES = 256 * 1024
/** What a compressed batch may unpack to. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024

export interface StoredBatch {
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly bytes: Buffer
}

export interface StoredLog {
  readonly disk: Disk
  /** Of the partition. */
  readonly directory: string
}

/** In offset order, those that reach into from … to; ends where the bytes do not go on as a batch. */
export async function* storedBatches({ disk, directory }: StoredLog, range: { from: number; to: number }): AsyncGenerator<StoredBatch> {
  const names = (await disk.list(directory).catch(nothingMissing)).map(({ name }) => name).filter(name => SEGMENT.test(name))
  for (const [i, name] of names.entries()) {
    const next = names[i + 1]
    if (Number.parseInt(name, 10) >= range.to || (next !== undefined && Number.parseInt(next, 10) <= range.from)) continue
    for await (const each of batchesOf(disk, `${directory}/${name}`)) {
      if (each.baseOffset >= range.to) return
      if (each.endOffset > range.from) yield each
    }
  }
}

async function* batchesOf(disk: Disk, path: string): AsyncGenerator<StoredBatch> {
  const file = await disk.open(path, 'read')
  try {
    let bytes: Buffer = Buffer.alloc(0)
    for (let position = 0; ; ) {
      const wanted = bytes.length < LOG_OVERHEAD ? READ_BYTES : Math.max(READ_BYTES, batch.batchSize(bytes, 0) - bytes.length)
      const more = await file.read(position, wanted)
      position += more.length
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more])
      let at = 0
      while (at + LOG_OVERHEAD <= bytes.length) {
        const size = batch.batchSize(bytes, at)
        if (size < BATCH_HEADER_BYTES) return
        if (at + size > bytes.length) break
        const one = bytes.subarray(at, at + size)
        yield { baseOffset: batch.baseOffset(one, 0), endOffset: batch.lastOffset(one, 0) + 1, bytes: one }
        at += size
      }
      if (more.length === 0) return
      bytes = bytes.subarray(at)
    }
  } finally {
    await file.close()
  }
}

/**
 * Whether two copies hold the same batches.
 * @returns what is wrong, in words; undefined when nothing is
 */
export async function firstDifference(one: StoredLog, other: StoredLog, range: { from: number; to: number }): Promise<string | undefined> {
  const [left, right] = [storedBatches(one, range), storedBatches(other, range)]
  try {
    for (let at = range.from; ; ) {
      const [a, b] = [(await left.next()).value, (await right.next()).value] as [StoredBatch?, StoredBatch?]
      if (a === undefined && b === undefined) return at >= range.to ? undefined : `both end at offset ${at} instead of ${range.to}`
      if (a === undefined || b === undefined)
        return `the ${a === undefined ? 'first' : 'second'} ends at offset ${at} instead of ${range.to}`
      if (!a.bytes.equals(b.bytes)) return `at offset ${at}: ${describe(a)} in the first, ${describe(b)} in the second`
      at = a.endOffset
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)])
  }
}

function describe({ bytes, baseOffset, endOffset }: StoredBatch): string {
  const damage = batch.crcIsValid(bytes, 0) ? '' : ' with a wrong checksum'
  const digest = (crc32c(bytes, BATCH_HEADER_BYTES, bytes.length) >>> 0).toString(16)
  return `offsets ${baseOffset} to ${endOffset - 1} of epoch ${batch.leaderEpoch(bytes, 0)}, ${bytes.length} bytes, records ${digest}${damage}`
}

/** The last value of each key, as far as it is one: what compaction keeps the same. Keys and digests of values, by text. */
export async function lastValues(log: StoredLog, range: { from: number; to: number }): Promise<Map<string, string>> {
  const values = new Map<string, string>()
  for await (const { bytes } of storedBatches(log, range)) {
    if (batch.isControl(bytes, 0)) continue
    for (const { key, value, offset } of decodeBatch(bytes, 0, { maxBytes: MAX_UNPACKED_BYTES })) {
      if (offset < range.from || offset >= range.to) continue
      const name = key?.toString('latin1') ?? ''
      if (value === null) values.delete(name)
      else values.set(name, `${value.length} bytes, ${(crc32c(value, 0, value.length) >>> 0).toString(16)}`)
    }
  }
  return values
}

function nothingMissing(error: unknown): [] {
  if (error instanceof EnvError && error.code === 'ENOENT') return []
  throw error
}
