// Cuts a byte stream into Kafka frames: an int32 length, then that many bytes. Pure: bytes in, frames out.
//
// Memory. A frame becomes one buffer of exactly its size, because what is cut out of it (record batches) is kept for long, and the chunks are the
// socket's to read into again. A claimed length is only a claim: the buffer grows with what has
// arrived (at most four times that, or 16 KiB), so a peer that announces 100 MiB and sends nothing costs 16 KiB.
import { ProtocolError } from '../protocol/errors.ts'

const FIRST_BYTES = 16 * 1024
const GROWTH = 4
const EMPTY = Buffer.alloc(0)

export class FrameReader {
  readonly #maxFrameBytes: number
  /** The four length bytes seen so far; `#lengthBytes` of them are valid. */
  #length = 0
  #lengthBytes = 0
  /** -1 between frames. */
  #frameBytes = -1
  #frame = EMPTY
  #filled = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Bytes held for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#frame.length
  }

  /**
   * Takes the next bytes of the stream and calls `onFrame` for each frame they complete, in order.
   * @throws ProtocolError for a length below 0 or above the limit, after the frames before it; the stream cannot be read on then
   */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    let p = 0
    while (p < chunk.length) {
      if (this.#frameBytes < 0) {
        p = this.#readLength(chunk, p)
        if (this.#frameBytes < 0) return
        if (this.#frameBytes > 0 && p === chunk.length) return
      }
      if (this.#filled === 0 && chunk.length - p >= this.#frameBytes) {
        const frame = cut(chunk, p, this.#frameBytes)
        p += this.#frameBytes
        this.#frameBytes = -1
        onFrame(frame)
      } else {
        p += this.#fill(chunk, p)
        if (this.#filled === this.#frameBytes) {
          const frame = this.#frame
          this.#frame = EMPTY
          this.#filled = 0
          this.#frameBytes = -1
          onFrame(frame)
        }
      }
    }
  }

  #readLength(chunk: Buffer, p: number): number {
    if (this.#lengthBytes === 0 && chunk.length - p >= 4) {
      this.#accept(chunk.readInt32BE(p))
      return p + 4
    }
    while (this.#lengthBytes < 4 && p < chunk.length) {
      this.#length = (this.#length << 8) | chunk[p++]!
      this.#lengthBytes++
    }
    if (this.#lengthBytes === 4) {
      const length = this.#length
      this.#length = 0
      this.#lengthBytes = 0
      this.#accept(length)
    }
    return p
  }

  #accept(length: number): void {
    if (length < 0 || length > this.#maxFrameBytes) {
      throw new ProtocolError(`a frame of ${length} bytes was announced, between 0 and ${this.#maxFrameBytes} are allowed`)
    }
    this.#frameBytes = length
  }

  #fill(chunk: Buffer, p: number): number {
    const count = Math.min(chunk.length - p, this.#frameBytes - this.#filled)
    const needed = this.#filled + count
    if (needed > this.#frame.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#frameBytes, Math.max(FIRST_BYTES, GROWTH * needed)))
      this.#frame.copy(grown, 0, 0, this.#filled)
      this.#frame = grown
    }
    chunk.copy(this.#frame, this.#filled, p, p + count)
    this.#filled = needed
    return count
  }
}

function cut(chunk: Buffer, p: number, length: number): Buffer {
  const frame = length < FIRST_BYTES / 8 ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length)
  chunk.copy(frame, 0, p, p + length)
  return frame
}
