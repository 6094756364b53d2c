// What was heard of the other nodes, the newest of each. Hints arrive in any order, doubled and late: only what a process said after what is known of it
// counts, and nothing of a process that another one has followed.
import type { Digest, Hint } from './hints.ts'

export interface Neighbour {
  readonly nodeId: number
  readonly incarnationId: string
  /** The clock's milliseconds. */
  readonly heardAt: number
  /** Undefined: it only announced something so far. */
  readonly digest: Digest | undefined
}

interface Known extends Neighbour {
  readonly sequence: number
  /** The process before. */
  readonly formerId: string | undefined
}

/** More than a cluster has; a member that makes ids up fills no memory. */
const MAX_NEIGHBOURS = 1000
/** Who was not heard for so long makes place for others. */
const FORGOTTEN_MS = 60_000

export class Neighbours implements Iterable<Neighbour> {
  readonly #ownId: number
  readonly #known = new Map<number, Known>()

  constructor(ownId: number) {
    this.#ownId = ownId
  }

  get size(): number {
    return this.#known.size
  }

  get(nodeId: number): Neighbour | undefined {
    return this.#known.get(nodeId)
  }

  [Symbol.iterator](): Iterator<Neighbour> {
    return this.#known.values()
  }

  /** @returns whether it is news */
  hear(hint: Hint, now: number): boolean {
    const { nodeId, incarnationId, sequence } = hint
    if (nodeId === this.#ownId) return false
    const known = this.#known.get(nodeId)
    const isSame = known?.incarnationId === incarnationId
    if (isSame && sequence <= known.sequence) return false
    if (known?.formerId === incarnationId) return false
    if (known === undefined && !this.#hasPlace(now)) return false
    this.#known.set(nodeId, {
      nodeId,
      incarnationId,
      sequence,
      heardAt: now,
      formerId: isSame ? known.formerId : known?.incarnationId,
      digest: hint.type === 'digest' ? hint : isSame ? known.digest : undefined,
    })
    return true
  }

  #hasPlace(now: number): boolean {
    if (this.#known.size < MAX_NEIGHBOURS) return true
    for (const { nodeId, heardAt } of this.#known.values()) if (heardAt < now - FORGOTTEN_MS) this.#known.delete(nodeId)
    return this.#known.size < MAX_NEIGHBOURS
  }
}
