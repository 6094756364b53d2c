// One segment file: Kafka's record batches byte for byte, named by the offset its first batch has or will have. The last segment of a log is
// the active one, appended to by the log's writer; the others never change. Files are opened on first use; idle ones are closed again.

import { type Disk, type DiskFile, EnvError } from '../env/env.ts'
import * as batch from '../protocol/batch.ts'
import { assert } from '../util/assert.ts'
import type { Catalog } from './catalog.ts'
import { type IndexEntry, OffsetIndex } from './offset-index.ts'
import type { OpenSegments } from './open-segments.ts'
import { walkFile } from './walk.ts'

const MAX_RELATIVE_OFFSET = 0x7fffffff

export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

/** The base offset, or undefined when the name is not a segment's. */
export function baseOffsetOf(fileName: string): number | undefined {
  return /^\d{20}\.log$/.test(fileName) ? Number(fileName.slice(0, 20)) : undefined
}

export interface SegmentPlace {
  readonly disk: Disk
  readonly catalog: Catalog
  readonly open: OpenSegments
  /** The folder of the log. */
  readonly directory: string
  /** Bytes of log between two index entries. */
  readonly indexIntervalBytes: number
}

export class Segment {
  readonly baseOffset: number
  readonly fileName: string
  readonly path: string
  readonly #place: SegmentPlace
  /** After the last batch appended; the base offset when there is none. */
  endOffset: number
  /** With what still waits to be written. */
  sizeBytes = 0
  /** What readers may see. */
  writtenBytes = 0
  flushedBytes = 0
  /** The largest timestamp of any batch, -1 when there is none. */
  maxTimestamp = -1
  /** maxTimestamp of the first batch: what segment.ms counts from. */
  firstTimestamp = -1
  /** Whether the file is there (its name may not be durable yet). */
  exists = false
  /** In the writer's hands: not to be closed when idle. */
  pinned = false
  /** How often its end was cut off: bytes read across a cut may be of two times. */
  cutCount = 0
  /** By how much this segment's segment.ms is shorter than the topic's. */
  readonly jitterMs: number

  #index = new OffsetIndex()
  /** Entries for positions below it stand in the index database and are not loaded. */
  #indexedFrom = 0
  #loadingIndex: Promise<void> | undefined
  #file: DiskFile | undefined
  #opening: Promise<DiskFile> | undefined
  #isRetired = false
  #users = 0
  #whenUnused: (() => void)[] = []

  constructor(place: SegmentPlace, baseOffset: number, jitterMs = 0) {
    this.#place = place
    this.baseOffset = baseOffset
    this.endOffset = baseOffset
    this.fileName = segmentFileName(baseOffset)
    this.path = `${place.directory}/${this.fileName}`
    this.jitterMs = jitterMs
  }

  /** For a segment whose file, up to `sizeBytes`, is known from the catalog or was just gone through. */
  restore(o: { sizeBytes: number; endOffset: number; maxTimestamp: number; firstTimestamp: number; indexedFrom: number }): void {
    this.sizeBytes = this.writtenBytes = this.flushedBytes = o.sizeBytes
    this.endOffset = o.endOffset
    this.maxTimestamp = o.maxTimestamp
    this.firstTimestamp = o.firstTimestamp
    this.#indexedFrom = o.indexedFrom
    this.exists = true
  }

  /** Whether a batch with this last offset can be told from the base offset in an int32, as Kafka's index wants it. */
  canHold(lastOffset: number): boolean {
    return lastOffset - this.baseOffset <= MAX_RELATIVE_OFFSET
  }

  /** Counts the batch at `p` as appended. */
  append(b: Buffer, p: number, size: number): void {
    const position = this.sizeBytes
    if (position - Math.max(this.#index.lastPosition, this.#indexedFrom) >= this.#place.indexIntervalBytes) {
      this.#index.append(batch.baseOffset(b, p) - this.baseOffset, position, this.maxTimestamp)
    }
    const timestamp = batch.maxTimestamp(b, p)
    if (position === 0) this.firstTimestamp = timestamp
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp
    this.sizeBytes = position + size
    this.endOffset = batch.lastOffset(b, p) + 1
  }

  // ------------------------------------------------------------------------------------------------------------------------------ index

  /** Entries since open or since the last `forgetIndex`; their count and `noteStored` are what the checkpoints work with. */
  get freshIndex(): OffsetIndex {
    return this.#index
  }

  async floor(offset: number): Promise<IndexEntry> {
    const entry = this.#index.floor(offset - this.baseOffset)
    if (entry.position > 0 || this.#indexedFrom === 0) return entry
    await this.completeIndex()
    return this.#index.floor(offset - this.baseOffset)
  }

  async floorOfTimestamp(timestamp: number): Promise<IndexEntry> {
    await this.completeIndex()
    return this.#index.floorOfTimestamp(timestamp)
  }

  /** Loads what of the index is not in memory. */
  completeIndex(): Promise<void> {
    if (this.#indexedFrom === 0) return Promise.resolve()
    this.#loadingIndex ??= this.#mergeStoredIndex().finally(() => (this.#loadingIndex = undefined))
    return this.#loadingIndex
  }

  async #mergeStoredIndex(): Promise<void> {
    const until = this.#indexedFrom
    const index = await this.#place.catalog.loadIndex(this.baseOffset, until)
    if (index.count === 0 && until >= 2 * this.#place.indexIntervalBytes) await this.#rebuildIndex(index, until)
    if (until !== this.#indexedFrom) return // cut meanwhile
    index.appendAll(this.#index)
    this.#index = index
    this.#indexedFrom = 0
  }

  /** The index database lost this segment: its headers say the same. */
  async #rebuildIndex(index: OffsetIndex, until: number): Promise<void> {
    let maxTimestamp = -1
    await this.use(file =>
      walkFile(file, { from: 0, to: until, whole: false }, (b, p, position) => {
        if (position - index.lastPosition >= this.#place.indexIntervalBytes) {
          index.append(batch.baseOffset(b, p) - this.baseOffset, position, maxTimestamp)
        }
        maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp(b, p))
        return true
      }),
    )
  }

  /** Gives back the memory of an index whose entries are all in the database. */
  #forgetIndex(): void {
    if (this.#index.storedCount < this.#index.count || this.#loadingIndex !== undefined) return
    this.#index = new OffsetIndex()
    this.#indexedFrom = this.sizeBytes
  }

  /** What was appended and not written is given up. */
  forgetUnwritten(endOffset: number): void {
    this.#index.truncate(this.writtenBytes)
    this.cutCount++
    this.sizeBytes = this.writtenBytes
    this.endOffset = endOffset
  }

  /** Forgets everything from this position on; the caller cuts the file. */
  cut({ position, endOffset, maxTimestamp }: { position: number; endOffset: number; maxTimestamp: number }): void {
    this.#index.truncate(position)
    this.cutCount++
    this.#indexedFrom = Math.min(this.#indexedFrom, position)
    this.sizeBytes = this.writtenBytes = position
    this.flushedBytes = Math.min(this.flushedBytes, position)
    this.endOffset = endOffset
    this.maxTimestamp = maxTimestamp
    if (position === 0) this.firstTimestamp = -1
  }

  // ------------------------------------------------------------------------------------------------------------------------------- file

  /** The file when it is open: what the writer writes to. */
  get file(): DiskFile | undefined {
    return this.#file
  }

  /** Settles when it is this file's turn to be opened, or made, to be written to. */
  admitted(): Promise<void> {
    return this.#file === undefined ? this.#place.open.admit(this) : Promise.resolve()
  }

  /** Opens the file, made when it was not there. */
  open(): Promise<DiskFile> {
    if (this.#file !== undefined) return Promise.resolve(this.#file)
    if (this.#isRetired) return Promise.reject(new EnvError('ENOENT', `${this.path} is closed`))
    this.#opening ??= this.#place.disk.open(this.path, this.exists ? 'readWrite' : 'create').then(
      file => {
        this.#opening = undefined
        this.exists = true
        this.#file = file
        this.#place.open.noteUse(this)
        return file
      },
      error => {
        this.#opening = undefined
        throw error
      },
    )
    return this.#opening
  }

  /** Runs the work while the file is sure to stay open. */
  async use<T>(work: (file: DiskFile) => Promise<T>): Promise<T> {
    this.#users++
    try {
      const file = this.#file ?? (await this.open())
      this.#place.open.noteUse(this)
      return await work(file)
    } finally {
      if (--this.#users === 0) for (const wake of this.#whenUnused.splice(0)) wake()
    }
  }

  /** The writer is done with it: it is closed and flushed. */
  unpin(): void {
    this.pinned = false
    if (this.#file !== undefined) this.#place.open.noteUse(this)
  }

  get idle(): boolean {
    return !this.pinned && this.#users === 0
  }

  /** Closes the file of an idle segment and gives back its index. The next use opens it again. */
  async release(): Promise<void> {
    assert(this.idle, `${this.path} is in use`)
    const file = this.#file
    this.#file = undefined
    this.#forgetIndex()
    await file?.close()
  }

  /** Waits for the readers, then closes the file. The caller lets no new ones in. */
  async close(): Promise<void> {
    this.#place.open.forget(this)
    if (this.#users > 0) await new Promise<void>(resolve => void this.#whenUnused.push(resolve))
    await this.#opening?.catch(() => {})
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** Closes the file for good: who comes now gets ENOENT. */
  retire(): Promise<void> {
    this.#isRetired = true
    return this.close()
  }

  /** Retires and deletes the file. */
  async remove(): Promise<void> {
    await this.retire()
    if (this.exists) await this.#place.disk.remove(this.path)
    this.exists = false
  }
}
