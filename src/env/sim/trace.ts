// What happened, as one number: two runs of a seed are equal exactly when their traces are.

import { crc32c } from '../../util/crc32c.ts'
import { hashText } from './random.ts'

export class Trace {
  #low = 0x811c9dc5
  #high = 0x2545f491
  readonly #float = new Float64Array(1)
  readonly #words = new Uint32Array(this.#float.buffer)
  readonly #texts = new Map<string, number>()
  /** Takes what happens as text, when somebody reads along. */
  sink: ((line: string) => void) | undefined

  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }

  /** Integers up to 2^53 and fractions alike. */
  number(value: number): void {
    this.#float[0] = value
    this.#mix(this.#words[0]!)
    this.#mix(this.#words[1]!)
  }

  /** For texts of a closed set; others go through `text`. */
  word(text: string): void {
    let hash = this.#texts.get(text)
    if (hash === undefined) this.#texts.set(text, (hash = hashText(text)))
    this.#mix(hash)
  }

  text(text: string): void {
    this.#mix(hashText(text))
  }

  bytes(bytes: Buffer): void {
    this.#mix(bytes.length)
    this.#mix(crc32c(bytes, 0, bytes.length))
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193)
    this.#low ^= this.#low >>> 15
    this.#high = Math.imul(this.#high ^ word ^ (this.#low >>> 3), 0x85ebca6b)
    this.#high ^= this.#high >>> 13
  }
}
