// What a node owns and how it ends: parts are closed in the reverse of the order they were opened in, once, and there is one way to fail.
import type { Logger } from '../env/env.ts'

export class Lifetime {
  /** Settles (never rejects) with the cause when the node had to stop, after it has stopped. */
  readonly failed: Promise<Error>
  readonly #logger: Logger
  readonly #closers: { readonly part: string; readonly close: () => Promise<unknown> | undefined }[] = []
  #failure: Error | undefined
  #closing: Promise<void> | undefined
  #announce!: (error: Error) => void

  constructor(logger: Logger) {
    this.#logger = logger
    this.failed = new Promise(resolve => {
      this.#announce = resolve
    })
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  get closing(): boolean {
    return this.#closing !== undefined
  }

  owns(part: string, close: () => Promise<unknown> | undefined): void {
    this.#closers.push({ part, close })
  }

  /** Something is broken that the node cannot go on with. It stops at once; what comes after the first cause is not told again. */
  readonly fail = (error: Error): void => {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#logger.log('error', 'stopped on failure', { cause: error.stack ?? error.message })
    this.close().then(() => this.#announce(error))
  }

  /** Idempotent; never rejects: a part that cannot be closed is a failure, and the rest is closed all the same. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    for (const { part, close } of this.#closers.reverse()) {
      try {
        await close()
      } catch (error) {
        if (this.#failure !== undefined) this.#logger.log('debug', 'failed to close', { part, cause: String(error) })
        else this.fail(error instanceof Error ? error : new Error(`${part}: ${error}`))
      }
    }
  }
}
