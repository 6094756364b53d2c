// The frames of the internal listener: u32 length of what follows · u8 kind · u32 id · u8 method · payload. Pure: bytes in, frames out.
// A length is checked before memory is taken; what may be announced is little before the other side has proven itself (src/net/rpc-link.ts).
import { ProtocolError } from '../protocol/errors.ts'
import type { BufferPool, Lease } from '../util/buffer-pool.ts'

export const REQUEST = 1
export const RESPONSE = 2
export const ERROR = 3
export const NOTICE = 4
export const HELLO = 5
export const PROOF = 6
export const ACCEPTED = 7
export const REFUSAL = 8
export const PING = 9
export const PONG = 10

const LENGTH_BYTES = 4
const HEAD_BYTES = 10
/** What the length counts beside the payload. */
const COUNTED_HEAD_BYTES = HEAD_BYTES - LENGTH_BYTES
/** Smaller payloads share memory: they are read and forgotten. */
const OWN_MEMORY_BYTES = 2048
const NOTHING = Buffer.alloc(0)

export interface RpcFrame {
  readonly kind: number
  /** Of the request it is, or answers. 0 where nothing is answered. */
  readonly id: number
  readonly method: number
  /** The receiver's to keep, or, with a lease, for as long as it holds that. */
  readonly payload: Buffer
  readonly lease?: Lease | undefined
}

export function frameHead(frame: { readonly kind: number; readonly id: number; readonly method: number }, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head.writeUInt32BE(COUNTED_HEAD_BYTES + payloadBytes, 0)
  head[4] = frame.kind
  head.writeUInt32BE(frame.id, 5)
  head[9] = frame.method
  return head
}

export class RpcFrameReader {
  maxPayloadBytes: number
  readonly #pool: BufferPool | undefined
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #headFilled = 0
  /** Of the frame whose head is whole; undefined between frames. */
  #payload: Buffer | undefined
  #lease: Lease | undefined
  #filled = 0

  /** @param pool  where the memory of long answers comes from */
  constructor(maxPayloadBytes: number, pool?: BufferPool) {
    this.maxPayloadBytes = maxPayloadBytes
    this.#pool = pool
  }

  /** Nothing more will come. */
  drop(): void {
    this.#lease?.release()
    this.#lease = undefined
  }

  /**
   * Takes the next bytes of the stream and calls `onFrame` for each frame they complete, in order, until it returns false.
   * @throws ProtocolError for a length that cannot be, after the frames before it; the stream cannot be read on then
   */
  push(chunk: Buffer, onFrame: (frame: RpcFrame) => boolean): void {
    let p = 0
    while (p < chunk.length) {
      if (this.#payload === undefined) {
        const count = Math.min(HEAD_BYTES - this.#headFilled, chunk.length - p)
        chunk.copy(this.#head, this.#headFilled, p, p + count)
        this.#headFilled += count
        p += count
        if (this.#headFilled >= LENGTH_BYTES) this.#checkLength()
        if (this.#headFilled < HEAD_BYTES) return
        this.#payload = this.#memoryFor(this.#payloadBytes())
        this.#filled = 0
      }
      const payload = this.#payload
      const count = Math.min(payload.length - this.#filled, chunk.length - p)
      chunk.copy(payload, this.#filled, p, p + count)
      this.#filled += count
      p += count
      if (this.#filled < payload.length) return
      this.#payload = undefined
      this.#headFilled = 0
      const head = this.#head
      const lease = this.#lease
      this.#lease = undefined
      if (!onFrame({ kind: head[4]!, id: head.readUInt32BE(5), method: head[9]!, payload, lease })) return
    }
  }

  #payloadBytes(): number {
    return this.#head.readUInt32BE(0) - COUNTED_HEAD_BYTES
  }

  #memoryFor(bytes: number): Buffer {
    if (bytes === 0) return NOTHING
    if (bytes < OWN_MEMORY_BYTES) return Buffer.allocUnsafe(bytes)
    if (this.#head[4] === RESPONSE) this.#lease = this.#pool?.take(bytes)
    return this.#lease?.bytes.subarray(0, bytes) ?? Buffer.allocUnsafeSlow(bytes)
  }

  #checkLength(): void {
    const bytes = this.#payloadBytes()
    if (bytes >= 0 && bytes <= this.maxPayloadBytes) return
    throw new ProtocolError(`a frame with ${bytes} bytes of payload was announced, between 0 and ${this.maxPayloadBytes} are allowed`)
  }
}
