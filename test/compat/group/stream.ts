// A topic that records keep coming into while its groups change.
import { Kafka } from '../../../src/client/kafka.ts'
import { realEnv } from '../../../src/env/real/env.ts'
import { silentLogger } from '../../../src/env/real/logger.ts'

export class RecordStream {
  readonly #kafka: Kafka
  readonly #topic: string
  readonly #partitions: number
  readonly #producer: ReturnType<Kafka['producer']>
  #flowing = false
  #loop: Promise<void> = Promise.resolve()
  #ends: number[]
  #failure: Error | undefined

  constructor(bootstrap: string, topic: string, partitions: number) {
    this.#kafka = new Kafka(realEnv({ logger: silentLogger }), { bootstrapServers: bootstrap, clientId: 'compat-stream' })
    this.#producer = this.#kafka.producer()
    this.#topic = topic
    this.#partitions = partitions
    this.#ends = Array.from({ length: partitions }, () => 0)
  }

  /** By partition: the exclusive end of what was acknowledged. */
  get ends(): ReadonlyMap<number, number> {
    return new Map(this.#ends.map((end, partition) => [partition, end]))
  }

  async createTopic(): Promise<void> {
    await this.#kafka.admin().createTopics([{ name: this.#topic, numPartitions: this.#partitions }])
  }

  /** `count` records to each partition, acknowledged when this settles. */
  async send(count: number): Promise<void> {
    const sent: Promise<void>[] = []
    for (let i = 0; i < count; i++) for (let partition = 0; partition < this.#partitions; partition++) sent.push(this.#one(partition))
    await Promise.all(sent)
  }

  /** Sends to each partition every `everyMs` until `stop`. */
  flow(everyMs: number): void {
    this.#flowing = true
    this.#loop = (async () => {
      while (this.#flowing) {
        void this.send(1).catch((error: Error) => {
          this.#failure ??= error
        })
        await new Promise(resolve => setTimeout(resolve, everyMs))
      }
    })()
  }

  async stop(): Promise<void> {
    this.#flowing = false
    await this.#loop
    await this.#producer.flush()
    if (this.#failure !== undefined) throw this.#failure
  }

  async close(): Promise<void> {
    this.#flowing = false
    await this.#kafka.close()
  }

  async #one(partition: number): Promise<void> {
    const { offset } = await this.#producer.send({ topic: this.#topic, partition, value: Buffer.from('…') })
    this.#ends[partition] = Math.max(this.#ends[partition]!, offset + 1)
  }
}
