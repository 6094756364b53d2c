// The client with real sockets and real time.
import type { Admin } from '../client/admin.ts'
import type { Consumer } from '../client/consumer.ts'
import {
  type AdminSettings,
  type ConsumerSettings,
  Kafka as KafkaClient,
  type KafkaSettings,
  type ProducerSettings,
} from '../client/kafka.ts'
import type { Producer } from '../client/producer.ts'
import type { Env, Logger } from '../env/env.ts'
import { realEnv } from '../env/real/env.ts'
import { holdProcess } from '../env/real/hold.ts'
import { realLogger } from '../env/real/logger.ts'

export interface KafkaOptions extends KafkaSettings {
  /** Default: warnings and errors to stderr. */
  readonly logger?: Logger
  /** Other doors to the world than the real ones: for simulations. */
  readonly env?: Env
}

/** A Kafka cluster, Ottla or Apache Kafka: producers, consumers and admins are made here. */
export class Kafka implements AsyncDisposable {
  readonly #client: KafkaClient

  /** Opens nothing yet: connections are made when they are needed. */
  constructor({ env, logger, ...settings }: KafkaOptions) {
    if (env !== undefined) this.#client = new KafkaClient(env, settings)
    else this.#client = new KafkaClient(realEnv({ logger: logger ?? realLogger({ level: 'warn' }) }), settings, holdProcess)
  }

  producer(settings?: ProducerSettings): Producer {
    return this.#client.producer(settings)
  }

  consumer(settings?: ConsumerSettings): Consumer {
    return this.#client.consumer(settings)
  }

  admin(settings?: AdminSettings): Admin {
    return this.#client.admin(settings)
  }

  /** Closes all that was made here; producers flush first. */
  close(): Promise<void> {
    return this.#client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
