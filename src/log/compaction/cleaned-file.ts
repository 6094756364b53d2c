// The file that takes what compaction leaves of some segments, and the segment it will be.

import { type Disk, type DiskFile, EnvError } from '../../env/env.ts'
import * as batch from '../../protocol/batch.ts'
import { flushFile, type LogHome } from '../home.ts'
import type { Segment } from '../segment.ts'
import { cleanedFileName } from './swap.ts'

/** Flushed bit by bit: one large flush would hold up those of producers. */
const FLUSH_BYTES = 8 * 1024 * 1024

export class CleanedFile {
  readonly segment: Segment
  readonly #disk: Disk
  readonly #path: string
  readonly #file: DiskFile
  #chunks: Buffer[] = []
  #chunkBytes = 0
  #writtenBytes = 0
  #unflushedBytes = 0
  /** A stretch of the memory visited that stays as it is. */
  #run: { readonly bytes: Buffer; readonly start: number; end: number } | undefined

  /** @throws EnvError */
  static async create(home: LogHome, baseOffset: number): Promise<CleanedFile> {
    const path = `${home.directory}/${cleanedFileName(baseOffset)}`
    await home.disk.remove(path)
    return new CleanedFile(home, { baseOffset, path, file: await home.disk.open(path, 'create') })
  }

  private constructor(home: LogHome, o: { baseOffset: number; path: string; file: DiskFile }) {
    this.segment = home.segment(o.baseOffset)
    this.#disk = home.disk
    this.#path = o.path
    this.#file = o.file
  }

  /** The batch at `p` as it is. The bytes are looked at until `write` has settled. */
  keep(b: Buffer, p: number, size: number): void {
    this.segment.append(b, p, size)
    if (this.#run?.bytes === b && this.#run.end === p) this.#run.end += size
    else {
      this.#endRun()
      this.#run = { bytes: b, start: p, end: p + size }
    }
  }

  add(b: Buffer): void {
    this.segment.append(b, 0, batch.batchSize(b, 0))
    this.#endRun()
    this.#push(b)
  }

  /** @returns how many bytes. @throws EnvError */
  async write(): Promise<number> {
    this.#endRun()
    const [chunks, bytes, position] = [this.#chunks, this.#chunkBytes, this.#writtenBytes]
    if (bytes === 0) return 0
    this.#chunks = []
    this.#chunkBytes = 0
    this.#writtenBytes += bytes
    await new Promise<void>((resolve, reject) => this.#file.write(chunks, position, error => (error ? reject(error) : resolve())))
    this.#unflushedBytes += bytes
    if (this.#unflushedBytes >= FLUSH_BYTES) await this.#flush()
    return bytes
  }

  /** Everything is on disk; its name is not yet. */
  async finish(): Promise<Segment> {
    await this.write()
    await this.#flush()
    await this.#file.close()
    const { segment } = this
    segment.writtenBytes = segment.flushedBytes = segment.sizeBytes
    segment.exists = true
    return segment
  }

  /** Gives it up; what cannot be removed now goes when the log is opened the next time. */
  async discard(): Promise<void> {
    try {
      await this.#file.close()
      await this.#disk.remove(this.#path)
    } catch (error) {
      if (!(error instanceof EnvError)) throw error
    }
  }

  async #flush(): Promise<void> {
    this.#unflushedBytes = 0
    await flushFile(this.#file)
  }

  #endRun(): void {
    const run = this.#run
    this.#run = undefined
    if (run !== undefined) this.#push(run.bytes.subarray(run.start, run.end))
  }

  #push(bytes: Buffer): void {
    this.#chunks.push(bytes)
    this.#chunkBytes += bytes.length
  }
}
