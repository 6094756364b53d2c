// What a compiled message offers. Decoding and encoding are compiled apart, each on first use: a broker decodes requests and encodes responses only.
import { compileDecoder, compileSteppedDecoder, type Decoder, type SteppedDecoder } from './compile-decode.ts'
import { compileEncoder, compileSteppedEncoder, type Encoder, type SteppedEncoder } from './compile-encode.ts'
import { MAX_DECODED_BYTES } from './reading.ts'
import type { Fields } from './schema.ts'
import type { Writer } from './writer.ts'

export interface Codec<O, I> {
  /** Reads b[p … end), all of it. Strings are copied, bytes and records are views of `b`. @throws ProtocolError */
  decode(b: Buffer, p: number, end: number): O
  /**
   * As decode, but bytes after the message are ignored: for blobs that a newer version may have made longer.
   * @param maxBytes  what the decoded message may occupy, as estimated from the number and type of its array elements
   * @throws ProtocolError
   */
  decodePrefix(b: Buffer, p: number, end: number, maxBytes?: number): O
  /** @throws KafkaError UNSUPPORTED_VERSION (null where this version has none) | INVALID_REQUEST (a string above 32767 bytes) */
  encode(value: I, w: Writer): void
  /** As decodePrefix, for messages that are too long for one go: some elements a step. `b` must stay as it is until the last. @throws ProtocolError */
  decodeInSteps(b: Buffer, p: number, end: number, maxBytes: number): Generator<undefined, O>
  /** As encode. */
  encodeInSteps(value: I, w: Writer): Generator<undefined, void>
}

export { STEP_ELEMENTS } from './compile-decode.ts'

export class CompiledCodec<O, I> implements Codec<O, I> {
  readonly name: string
  readonly #fields: Fields
  readonly #version: number
  readonly #flexible: boolean
  #decoder: Decoder | undefined
  #encoder: Encoder | undefined
  #steppedDecoder: SteppedDecoder | undefined
  #steppedEncoder: SteppedEncoder | undefined

  constructor(name: string, fields: Fields, version: number, flexible: boolean) {
    this.name = name
    this.#fields = fields
    this.#version = version
    this.#flexible = flexible
  }

  decode(b: Buffer, p: number, end: number): O {
    this.#decoder ??= compileDecoder(this.name, this.#fields, this.#version, this.#flexible)
    return this.#decoder(b, p, end, true, MAX_DECODED_BYTES) as O
  }

  decodePrefix(b: Buffer, p: number, end: number, maxBytes: number = MAX_DECODED_BYTES): O {
    this.#decoder ??= compileDecoder(this.name, this.#fields, this.#version, this.#flexible)
    return this.#decoder(b, p, end, false, maxBytes) as O
  }

  encode(value: I, w: Writer): void {
    this.#encoder ??= compileEncoder(this.name, this.#fields, this.#version, this.#flexible)
    this.#encoder(value, w)
  }

  decodeInSteps(b: Buffer, p: number, end: number, maxBytes: number): Generator<undefined, O> {
    this.#steppedDecoder ??= compileSteppedDecoder(this.name, this.#fields, this.#version, this.#flexible)
    return this.#steppedDecoder(b, p, end, false, maxBytes) as Generator<undefined, O>
  }

  encodeInSteps(value: I, w: Writer): Generator<undefined, void> {
    this.#steppedEncoder ??= compileSteppedEncoder(this.name, this.#fields, this.#version, this.#flexible)
    return this.#steppedEncoder(value, w)
  }
}
