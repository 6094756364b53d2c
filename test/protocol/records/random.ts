// Random numbers for the tests of bytes, from a seed (xorshift32): a failure names it and comes back with it.
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 1 : seed | 0
  }

  uint32(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** 0…bound-1 */
  below(bound: number): number {
    return this.uint32() % bound
  }

  bytes(length: number): Buffer {
    const b = Buffer.alloc(length)
    for (let i = 0; i < length; i++) b[i] = this.uint32() >>> 24
    return b
  }
}
