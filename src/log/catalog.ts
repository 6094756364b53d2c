// What the `index` database keeps for each log. All of it is a cache: the segment files outrank it, and it is rebuilt from them when it is lost.
//
// Keys: kind (1) · topic id (16) · partition u32 · …            values
//   'c'                              the checkpoint             version, closed, segmentBase, position, nextOffset, maxTimestamp, firstTimestamp
//   'd'                              where the dirty part begins  version, offset (compaction)
//   'p' offset u64                   producer state at offset   as producer-state.ts writes it
//   's' base u64                     a closed segment           version, sizeBytes, endOffset, maxTimestamp, firstTimestamp
//   'x' base u64 · position u32      a page of index entries    version u8 and the entries, as offset-index.ts writes them
// Numbers are float64 in values, so that one reader serves them all.

import type { Kv, KvOperation } from '../env/env.ts'
import { OffsetIndex } from './offset-index.ts'

/** Up to `position` of the segment all bytes were flushed when this was written, and the index entries and producer state before it stand here. */
export interface Checkpoint {
  /** Written at an orderly close: there is nothing in the log behind it. */
  readonly closed: boolean
  readonly segmentBase: number
  readonly position: number
  readonly nextOffset: number
  /** Of the segment up to position, -1 when it has none; likewise the timestamp of its first batch. */
  readonly maxTimestamp: number
  readonly firstTimestamp: number
}

export interface ClosedSegment {
  readonly baseOffset: number
  readonly sizeBytes: number
  readonly endOffset: number
  readonly maxTimestamp: number
  readonly firstTimestamp: number
}

export interface CatalogContents {
  checkpoint: Checkpoint | undefined
  /** Up to here the log was compacted. */
  cleanedTo: number
  readonly segments: ClosedSegment[]
  /** Offsets at which there is a producer state, ascending. */
  readonly producerStates: { offset: number; bytes: Buffer }[]
}

const VERSION = 1
const CHECKPOINT = 0x63
const CLEANED = 0x64
const PRODUCERS = 0x70
const SEGMENT = 0x73
const PAGE = 0x78
const KINDS = [CHECKPOINT, CLEANED, PRODUCERS, SEGMENT, PAGE]
const ID_BYTES = 20

export function noCatalog(): CatalogContents {
  return { checkpoint: undefined, cleanedTo: 0, segments: [], producerStates: [] }
}

/** What the database holds of every log, by its id in hex; but for the index pages, which wait until a segment is first read. */
export async function loadCatalogs(kv: Kv): Promise<Map<string, CatalogContents>> {
  const catalogs = new Map<string, CatalogContents>()
  const at = 1 + ID_BYTES
  for await (const [key, value] of kv.entries({ gte: Buffer.from([CHECKPOINT]), lt: Buffer.from([PAGE]) })) {
    const kind = key[0]
    if (key.length < at) continue
    const id = key.toString('hex', 1, at)
    let contents = catalogs.get(id)
    if (contents === undefined) catalogs.set(id, (contents = noCatalog()))
    if (kind === PRODUCERS) contents.producerStates.push({ offset: Number(key.readBigUInt64BE(at)), bytes: value })
    const numbers = kind === PRODUCERS ? undefined : decodeNumbers(value)
    if (numbers === undefined) continue
    if (kind === CHECKPOINT) contents.checkpoint = checkpointFrom(numbers)
    else if (kind === CLEANED) contents.cleanedTo = numbers[0] ?? 0
    else contents.segments.push(segmentFrom(Number(key.readBigUInt64BE(at)), numbers))
  }
  return catalogs
}

export class Catalog {
  readonly #kv: Kv
  readonly #id: Buffer

  constructor(kv: Kv, id: Buffer) {
    this.#kv = kv
    this.#id = id
  }

  async loadIndex(segmentBase: number, endPosition: number): Promise<OffsetIndex> {
    const index = new OffsetIndex()
    for await (const [, value] of this.#kv.entries(this.#pageRange(segmentBase))) {
      if (value[0] === VERSION) index.load(value.subarray(1), endPosition)
    }
    return index
  }

  async loadProducerState(atOrBefore: number): Promise<{ offset: number; bytes: Buffer } | undefined> {
    const range = { gte: this.#key(PRODUCERS), lt: this.#key(PRODUCERS, atOrBefore + 1), reverse: true, limit: 1 }
    for await (const [key, bytes] of this.#kv.entries(range)) return { offset: Number(key.readBigUInt64BE(1 + ID_BYTES)), bytes }
    return undefined
  }

  write(operations: readonly KvOperation[], o: { sync: boolean }): Promise<void> {
    return this.#kv.batch(operations, o)
  }

  /** All of the log's keys. */
  async clear(): Promise<void> {
    for (const kind of KINDS) {
      const lt = this.#key(kind, Number.MAX_SAFE_INTEGER)
      await this.#kv.clear({ gte: this.#key(kind), lt })
    }
  }

  putCheckpoint(c: Checkpoint): KvOperation {
    const value = encodeNumbers([c.closed ? 1 : 0, c.segmentBase, c.position, c.nextOffset, c.maxTimestamp, c.firstTimestamp])
    return { type: 'put', key: this.#key(CHECKPOINT), value }
  }

  putCleaned(offset: number): KvOperation {
    return { type: 'put', key: this.#key(CLEANED), value: encodeNumbers([offset]) }
  }

  putProducerState(offset: number, bytes: Buffer): KvOperation {
    return { type: 'put', key: this.#key(PRODUCERS, offset), value: bytes }
  }

  deleteProducerState(offset: number): KvOperation {
    return { type: 'delete', key: this.#key(PRODUCERS, offset) }
  }

  putSegment(s: ClosedSegment): KvOperation {
    return {
      type: 'put',
      key: this.#key(SEGMENT, s.baseOffset),
      value: encodeNumbers([s.sizeBytes, s.endOffset, s.maxTimestamp, s.firstTimestamp]),
    }
  }

  deleteSegment(segmentBase: number): KvOperation {
    return { type: 'delete', key: this.#key(SEGMENT, segmentBase) }
  }

  /** The entries of `index` before this position that are not stored yet; from here on they count as stored. */
  putPage(segmentBase: number, index: OffsetIndex, beforePosition: number): KvOperation[] {
    const from = index.storedCount
    const to = index.countBefore(beforePosition)
    if (from >= to) return []
    index.noteStored(to)
    const value = Buffer.concat([Buffer.from([VERSION]), index.page(from, to)])
    return [{ type: 'put', key: this.#pageKey(segmentBase, index.positionAt(from)), value }]
  }

  /** Deletes the producer states at offsets from…to (exclusive). */
  async deleteProducerStates(from: number, to: number): Promise<KvOperation[]> {
    const operations: KvOperation[] = []
    const range = { gte: this.#key(PRODUCERS, from), lt: this.#key(PRODUCERS, to) }
    for await (const [key] of this.#kv.entries(range)) operations.push({ type: 'delete', key })
    return operations
  }

  /** Deletes every page of the segment: for when its end was cut, or it is gone. */
  async deletePages(segmentBase: number): Promise<KvOperation[]> {
    const operations: KvOperation[] = []
    for await (const [key] of this.#kv.entries(this.#pageRange(segmentBase))) operations.push({ type: 'delete', key })
    return operations
  }

  #pageRange(segmentBase: number): { gte: Buffer; lt: Buffer } {
    return { gte: this.#key(PAGE, segmentBase), lt: this.#key(PAGE, segmentBase + 1) }
  }

  #pageKey(segmentBase: number, position: number): Buffer {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(position, 0)
    return Buffer.concat([this.#key(PAGE, segmentBase), suffix])
  }

  #key(kind: number, offset?: number): Buffer {
    const key = Buffer.alloc(1 + ID_BYTES + (offset === undefined ? 0 : 8))
    key[0] = kind
    this.#id.copy(key, 1)
    if (offset !== undefined) key.writeBigUInt64BE(BigInt(offset), 1 + ID_BYTES)
    return key
  }
}

function encodeNumbers(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(1 + numbers.length * 8)
  bytes[0] = VERSION
  for (const [i, number] of numbers.entries()) bytes.writeDoubleBE(number, 1 + i * 8)
  return bytes
}

/** undefined for another version: what it says is then found out anew. */
function decodeNumbers(bytes: Buffer): number[] | undefined {
  if (bytes[0] !== VERSION || bytes.length % 8 !== 1) return undefined
  return Array.from({ length: (bytes.length - 1) / 8 }, (_, i) => bytes.readDoubleBE(1 + i * 8))
}

function checkpointFrom(numbers: readonly number[]): Checkpoint | undefined {
  const [closed, segmentBase, position, nextOffset, maxTimestamp, firstTimestamp] = numbers
  if (segmentBase === undefined || position === undefined || nextOffset === undefined) return undefined
  return {
    closed: closed === 1,
    segmentBase,
    position,
    nextOffset,
    maxTimestamp: maxTimestamp ?? -1,
    firstTimestamp: firstTimestamp ?? -1,
  }
}

function segmentFrom(baseOffset: number, numbers: readonly number[]): ClosedSegment {
  const [sizeBytes = 0, endOffset = baseOffset, maxTimestamp = -1, firstTimestamp = -1] = numbers
  return { baseOffset, sizeBytes, endOffset, maxTimestamp, firstTimestamp }
}
