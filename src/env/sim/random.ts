// Seeded randomness. Every purpose draws from its own stream, so that one more draw in one place does not shift all the others.

import type { Random } from '../env.ts'

/** xoshiro128** (Blackman, Vigna), seeded by splitmix32 from a number and a label. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number, label: string) {
    let state = hashText(label, seed >>> 0) ^ Math.floor(seed / 2 ** 32)
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** 32 uniform bits. */
  next(): number {
    const scrambled = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotl(this.#d, 11)
    return scrambled
  }

  integer(bound: number): number {
    return Math.floor((this.next() * bound) / 2 ** 32)
  }

  fraction(): number {
    return ((this.next() >>> 5) * 2 ** 26 + (this.next() >>> 6)) / 2 ** 53
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.next() >>> 24
    return bytes
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low)
  }

  /** Uniform integer in [low, high], both included. */
  integerBetween(low: number, high: number): number {
    return low + this.integer(high - low + 1)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}

/** FNV-1a over the code units. */
export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start | 0
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
