// What a compiled message offers. Decoding and encoding are compiled apart, each on first use: a broker decodes requests and encodes responses only.
import { compileDecoder, type Decoder } from './compile-decode.ts'
import { compileEncoder, type Encoder } from './compile-encode.ts'
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
}

export class CompiledCodec<O, I> implements Codec<O, I> {
  readonly name: string
  readonly #fields: Fields
  readonly #version: number
  readonly #flexible: boolean
  #decoder: Decoder | undefined
  #encoder: Encoder | undefined

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
}
