// What an operator must read once and not in a loop: the same node is refused for the same reason at every try.
import type { Logger } from '../env/env.ts'

/** Forgotten all at once beyond this: names come from outside. */
const MAX_TOLD = 256

export class RefusalLog {
  readonly #logger: Logger
  readonly #event: string
  readonly #told = new Set<string>()

  constructor(logger: Logger, event: string) {
    this.#logger = logger
    this.#event = event
  }

  tell(peer: string, reason: string): void {
    const key = `${peer} ${reason}`
    if (this.#told.has(key)) return
    if (this.#told.size >= MAX_TOLD) this.#told.clear()
    this.#told.add(key)
    this.#logger.log('error', this.#event, { peer, reason })
  }

  /** It got through: the next refusal is news again. */
  forget(peer: string): void {
    for (const key of this.#told) if (key.startsWith(`${peer} `)) this.#told.delete(key)
  }
}
