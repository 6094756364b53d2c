// Topics that are made because a client asked for them (auto.create.topics.enable). The client is answered meanwhile and asks again; here it is
// only seen to that one wish is not sent to the controller twice, and that nobody can pile up wishes without end.
// Facts: kafka.server.AutoTopicCreationManager.
import type { Logger } from '../env/env.ts'

const MAX_UNDER_WAY = 500

export class TopicCreation {
  readonly #underWay = new Set<string>()
  readonly #create: (name: string) => Promise<{ readonly errorCode: number; readonly errorMessage: string | null }>
  readonly #logger: Logger

  /** @param create  with the broker's defaults; settles when the topic is there or refused */
  constructor(o: {
    create: (name: string) => Promise<{ readonly errorCode: number; readonly errorMessage: string | null }>
    logger: Logger
  }) {
    this.#create = o.create
    this.#logger = o.logger
  }

  begin(name: string): void {
    if (this.#underWay.has(name) || this.#underWay.size >= MAX_UNDER_WAY) return
    this.#underWay.add(name)
    this.#create(name)
      .then(
        ({ errorCode, errorMessage }) =>
          errorCode !== 0 && this.#logger.log('info', 'refused automatic topic creation', { topic: name, errorCode, errorMessage }),
        error => this.#logger.log('warn', 'failed automatic topic creation', { topic: name, error: String(error) }),
      )
      .finally(() => this.#underWay.delete(name))
  }
}
