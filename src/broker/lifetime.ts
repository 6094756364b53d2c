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

  /** What is opened while the end has begun is closed at once. */
  owns(part: string, close: () => Promise<unknown> | undefined): void {
    if (this.#closing === undefined) this.#closers.push({ part, close })
    else this.#closing = this.#closing.then(() => this.#closeOne({ part, close }))
  }

  /** Something is broken that the node cannot go on with. It stops at once; what comes after the first cause is not told again. */
  readonly fail = (error: Error): void => {
    if (this.#failure !== undefined) return
    this.#logger.log('error', 'stopped on failure', { cause: error.stack ?? error.message })
    this.giveUp(error)
  }

  /** The same where the cause is told by who hears of it: the node never opened. */
  giveUp(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.close().then(() => this.#announce(error))
  }

  /** Idempotent; never rejects: a part that cannot be closed is a failure, and the rest is closed all the same. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    for (const part of this.#closers.reverse()) await this.#closeOne(part)
  }

  async #closeOne({ part, close }: { part: string; close: () => Promise<unknown> | undefined }): Promise<void> {
    try {
      await close()
    } catch (error) {
      if (this.#failure !== undefined) this.#logger.log('debug', 'failed to close', { part, cause: String(error) })
      else this.fail(error instanceof Error ? error : new Error(`${part}: ${error}`))
    }
  }
}
