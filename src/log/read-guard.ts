// What happens around a read of a log's files: what goes wrong is the answer to that read, and the node goes on; a read that loses its file to compaction
// begins again with the file that took its place.

import { EnvError, type Logger } from '../env/env.ts'
import { CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR, KafkaError, ProtocolError } from '../protocol/errors.ts'
import { DamagedLogError } from './walk.ts'

export interface GuardedLog {
  readonly logger: Logger
  readonly name: { readonly topic: string; readonly partition: number }
  damaged(error: DamagedLogError): void
}

export class ReadGuard {
  readonly #log: GuardedLog
  #replacedCount = 0
  /** Segments are being replaced; who cannot read their files waits. */
  #replacing: Promise<void> | undefined

  constructor(log: GuardedLog) {
    this.#log = log
  }

  /** Files go from now on until the call of what is returned: then others are there. */
  replacing(): () => void {
    let replaced = () => {}
    this.#replacing = new Promise(resolve => (replaced = resolve))
    return () => {
      this.#replacing = undefined
      this.#replacedCount++
      replaced()
    }
  }

  /** @param read  may be called more than once. @throws KafkaError KAFKA_STORAGE_ERROR | CORRUPT_MESSAGE */
  async run<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.#replacedCount
      try {
        return await read()
      } catch (error) {
        const isGone = error instanceof EnvError && error.code === 'ENOENT'
        if (!isGone || (this.#replacing === undefined && this.#replacedCount === before)) throw this.#answerTo(error)
        await this.#replacing
      }
    }
  }

  #answerTo(error: unknown): unknown {
    if (!(error instanceof EnvError || error instanceof DamagedLogError || error instanceof ProtocolError)) return error
    const { logger, name } = this.#log
    logger.log('error', 'failed to read a log', { ...name, error })
    if (error instanceof DamagedLogError) this.#log.damaged(error)
    const code = error instanceof ProtocolError ? CORRUPT_MESSAGE : KAFKA_STORAGE_ERROR
    return new KafkaError(code, `The log of ${name.topic}-${name.partition} cannot be read: ${error.message}`, { cause: error })
  }
}
