// Cuts a byte stream into Kafka frames: an int32 length, then that many bytes. Pure: bytes in, frames out.
//
// Memory. A frame becomes one buffer, because what is cut out of it (record batches) is kept for a while, and the chunks are the socket's to read
// into again: of exactly its size, or from a pool when there is one. A claimed length is only a claim: the buffer grows with what has arrived (at most
// twice that, or 16 KiB), so a peer that announces 100 MiB and sends nothing costs 16 KiB. It is believed as far as memory lies idle in the pool.
// Where somebody decides who may hold how much, a frame whose first 16 KiB came is asked for as a whole. Granted, it is one piece of memory from then on:
// never copied, and no page of it is the process's before something came to stand in it. Until then what came is kept and the caller stops reading.
import { ProtocolError } from '../protocol/errors.ts'
import type { BufferPool, Lease } from '../util/buffer-pool.ts'

/** @param lease  of the frame's memory, when it comes from a pool; the receiver holds it */
export type FrameReceiver = (frame: Buffer, lease: Lease | undefined) => void

const FIRST_BYTES = 16 * 1024
const GROWTH = 2
const EMPTY = Buffer.alloc(0)

export class FrameReader {
  readonly #maxFrameBytes: number
  readonly #pool: BufferPool | undefined
  readonly #mayHold: ((frameBytes: number) => boolean) | undefined
  /** The four length bytes seen so far; `#lengthBytes` of them are valid. */
  #length = 0
  #lengthBytes = 0
  /** -1 between frames. */
  #frameBytes = -1
  #frame: Buffer = EMPTY
  #lease: Lease | undefined
  #filled = 0
  /** All of this frame may be held. */
  #isGranted = false

  /** @param mayHold  asked for frames that are not small; when it says no, `grant` comes later and `push` should not before */
  constructor(maxFrameBytes: number, pool?: BufferPool, mayHold?: (frameBytes: number) => boolean) {
    this.#maxFrameBytes = maxFrameBytes
    this.#pool = pool
    this.#mayHold = mayHold
  }

  /** Bytes held for a frame that is not whole yet: all of it while that is granted, else what there is of it. */
  get heldBytes(): number {
    if (this.#isGranted) return this.#frameBytes
    return this.#isAskedFor ? this.#filled : this.#frame.length
  }

  get #isAskedFor(): boolean {
    return this.#mayHold !== undefined && this.#frameBytes > FIRST_BYTES
  }

  /** What has come of it. */
  get filledBytes(): number {
    return this.#filled
  }

  /** Gives up the frame that is not whole: nothing more will come. */
  drop(): void {
    this.#lease?.release()
    this.#lease = undefined
    this.#frame = EMPTY
    this.#filled = 0
    this.#isGranted = false
  }

  /** The frame that has begun may be held as a whole. */
  grant(): void {
    this.#isGranted = true
    if (this.#frame.length < this.#frameBytes) this.#moveTo(this.#frameBytes)
  }

  /** What was granted is asked for again when more comes. What was not written to takes no memory. */
  revoke(): void {
    this.#isGranted = false
  }

  /**
   * Takes the next bytes of the stream and calls `onFrame` for each frame they complete, in order.
   * @throws ProtocolError for a length below 0 or above the limit, after the frames before it; the stream cannot be read on then
   */
  push(chunk: Buffer, onFrame: FrameReceiver): void {
    let p = 0
    while (p < chunk.length) {
      if (this.#frameBytes < 0) {
        p = this.#readLength(chunk, p)
        if (this.#frameBytes < 0) return
        if (this.#frameBytes > 0 && p === chunk.length) return
      }
      if (this.#filled === 0 && chunk.length - p >= this.#frameBytes) {
        this.#allocate(this.#frameBytes)
        chunk.copy(this.#frame, 0, p, p + this.#frameBytes)
        p += this.#frameBytes
        this.#handOver(onFrame)
      } else {
        p += this.#fill(chunk, p)
        if (this.#filled === this.#frameBytes) this.#handOver(onFrame)
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
    if (!this.#isGranted && this.#isAskedFor && needed >= FIRST_BYTES) this.#isGranted = this.#mayHold!(this.#frameBytes)
    if (needed > this.#frame.length) this.#grow(needed)
    chunk.copy(this.#frame, this.#filled, p, p + count)
    this.#filled = needed
    return count
  }

  #grow(needed: number): void {
    const frameBytes = this.#frameBytes
    if (this.#isGranted) this.#moveTo(frameBytes)
    else if (this.#isAskedFor) this.#moveTo(Math.max(needed, Math.min(FIRST_BYTES, GROWTH * needed)))
    else this.#moveTo(Math.min(frameBytes, Math.max(FIRST_BYTES, GROWTH * needed)), this.#pool?.takeIdle(frameBytes))
  }

  #moveTo(bytes: number, idle?: Lease): void {
    const before = this.#frame
    const lease = this.#lease
    if (idle === undefined) this.#allocate(bytes)
    else this.#use(idle)
    before.copy(this.#frame, 0, 0, this.#filled)
    lease?.release()
  }

  #allocate(bytes: number): void {
    this.#lease = this.#pool?.take(bytes)
    if (this.#lease !== undefined) this.#frame = this.#lease.bytes
    else this.#frame = bytes < FIRST_BYTES / 8 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes)
  }

  #use(lease: Lease): void {
    this.#lease = lease
    this.#frame = lease.bytes
  }

  #handOver(onFrame: FrameReceiver): void {
    const frame = this.#frame.length === this.#frameBytes ? this.#frame : this.#frame.subarray(0, this.#frameBytes)
    const lease = this.#lease
    this.#frame = EMPTY
    this.#lease = undefined
    this.#filled = 0
    this.#frameBytes = -1
    this.#isGranted = false
    onFrame(frame, lease)
  }
}
