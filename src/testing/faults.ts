// The words for faults between nodes, the same in the embedded cluster, the simulator and the command line: a *partition* lets nothing pass between two
// sides, connections stay as they are, and *heal* lets through what waits. What an embedded cluster's nodes look at before anything leaves or comes in.

/** A node by its id, or whoever else connects: producers, consumers, admins. */
export type Place = number | 'clients'

export interface OneWay {
  readonly from: readonly Place[]
  readonly to: readonly Place[]
}

export class Links {
  /** "from→to" */
  readonly #cuts = new Set<string>()
  readonly #listeners = new Set<() => void>()

  /** From now on nothing passes from any of these to any of those. */
  cut({ from, to }: OneWay): void {
    for (const a of from) for (const b of to) if (a !== b) this.#cuts.add(`${a}→${b}`)
    this.#tell()
  }

  /** What waits arrives, in order. */
  heal(): void {
    this.#cuts.clear()
    this.#tell()
  }

  isCut(from: Place, to: Place): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from}→${to}`)
  }

  /** For people. */
  get cuts(): readonly string[] {
    return [...this.#cuts]
  }

  /** @returns ends the listening */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
