// Going through a segment in slices: the event loop has a turn of its own after each, however much there is to read. Unlike recovery this runs beside
// clients, so it reads into memory of its own, again and again the same.

import { type Clock, EnvError, sleep } from '../../env/env.ts'
import * as batch from '../../protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../../protocol/batch.ts'
import { ProtocolError } from '../../protocol/errors.ts'
import type { Segment } from '../segment.ts'
import { DamagedLogError, headerFault } from '../walk.ts'
import { worked } from './clean-batch.ts'

const CHUNK_BYTES = 128 * 1024
/** So much is looked at, unpacked, in one turn: about a millisecond. A batch that unpacks to more is a turn of its own. */
const SLICE_BYTES = 256 * 1024
/** Memory for larger batches is not kept. */
const KEPT_BYTES = 2 * 1024 * 1024
/** No batch is larger: what claims to be is damage. */
const MAX_BATCH_BYTES = 512 * 1024 * 1024
const MAX_PAUSE_MS = 100

/** The cleaning cannot go on: the log is closed, or was cut or shortened under it. Nothing is wrong with the log. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** A segment cannot be read although nobody took it away. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

export class Scanner {
  readonly #clock: Clock
  readonly #maxBytesPerSecond: number
  readonly #isOver: () => boolean
  #memory = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #bytes = 0
  readonly #startedAt: number

  /** @param o  isOver: the cleaning is to be given up */
  constructor(clock: Clock, o: { maxBytesPerSecond: number; isOver: () => boolean }) {
    this.#clock = clock
    this.#maxBytesPerSecond = o.maxBytesPerSecond
    this.#isOver = o.isOver
    this.#startedAt = clock.now()
  }

  /**
   * Visits the batches of a sealed segment, until the visitor answers false.
   * @param sliced  after each slice; the bytes visited are there until it has settled
   * @throws DamagedLogError | Interrupted | UnreadableError
   */
  async run(
    segment: Segment,
    visit: (b: Buffer, p: number, o: { size: number; isLast: boolean }) => boolean,
    sliced?: () => Promise<void>,
  ): Promise<void> {
    const { cutCount, sizeBytes: to } = segment
    let position = 0
    let wanted = CHUNK_BYTES
    while (position < to) {
      const chunk = await this.#read(segment, position, Math.min(wanted, to - position))
      if (segment.cutCount !== cutCount) throw new Interrupted(`${segment.path} was cut`)
      if (chunk.length < Math.min(wanted, to - position)) throw damage(segment, position, `the file ends at ${position + chunk.length}`)
      wanted = CHUNK_BYTES
      let p = 0
      while (p + BATCH_HEADER_BYTES <= chunk.length) {
        const size = checkedSize(segment, chunk, p, { position: position + p, to })
        if (p + size > chunk.length) {
          if (p === 0) wanted = size
          break
        }
        if (!batch.crcIsValid(chunk, p)) throw damage(segment, position + p, 'a batch has a wrong checksum')
        if (!visitOne(segment, visit, chunk, p, { size, isLast: position + p + size === to })) return sliced?.()
        p += size
        if (worked.bytes >= SLICE_BYTES) await this.#giveWay(sliced)
      }
      if (p === 0 && wanted === CHUNK_BYTES) throw damage(segment, position, `${chunk.length} bytes at the end`)
      position += p
      await sliced?.()
      await this.paced(p)
      if (this.#memory.length > KEPT_BYTES) this.#memory = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    }
  }

  /** Waits until so many more bytes may have been read or written. */
  async paced(bytes: number): Promise<void> {
    this.#bytes += bytes
    if (this.#isOver()) throw new Interrupted('the log is closed')
    if (this.#maxBytesPerSecond >= Number.MAX_SAFE_INTEGER) return
    const due = this.#startedAt + (this.#bytes / this.#maxBytesPerSecond) * 1000
    for (let left = due - this.#clock.now(); left > 0; left = due - this.#clock.now()) {
      await sleep(this.#clock, Math.min(left, MAX_PAUSE_MS))
      if (this.#isOver()) throw new Interrupted('the log is closed')
    }
  }

  async #giveWay(sliced: (() => Promise<void>) | undefined): Promise<void> {
    worked.bytes = 0
    await sliced?.()
    await sleep(this.#clock, 0)
    await this.paced(0)
  }

  async #read(segment: Segment, position: number, length: number): Promise<Buffer> {
    worked.bytes = 0
    if (this.#memory.length < length) this.#memory = Buffer.allocUnsafeSlow(length)
    try {
      return await segment.use(file => file.read(position, length, this.#memory))
    } catch (error) {
      if (!(error instanceof EnvError)) throw error
      if (error.code === 'ENOENT' || this.#isOver()) throw new Interrupted(error.message, { cause: error })
      throw new UnreadableError(error.message, { cause: error })
    }
  }
}

function checkedSize(segment: Segment, b: Buffer, p: number, { position, to }: { position: number; to: number }): number {
  const fault = headerFault(b, p)
  if (fault !== undefined) throw damage(segment, position, fault)
  const size = batch.batchSize(b, p)
  if (size > to - position || size > MAX_BATCH_BYTES)
    throw damage(segment, position, `a batch of ${size} bytes where ${to - position} are left`)
  return size
}

type Visit = Parameters<Scanner['run']>[1]

function visitOne(segment: Segment, visit: Visit, b: Buffer, p: number, o: { size: number; isLast: boolean }): boolean {
  try {
    return visit(b, p, o)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw damage(segment, batch.baseOffset(b, p), error.message)
  }
}

function damage(segment: Segment, at: number, what: string): DamagedLogError {
  return new DamagedLogError(`${segment.path} at ${at}: ${what}`)
}
