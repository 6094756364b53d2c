// A topic after compaction: offsets are missing, batches are rewritten, and some have no records left because their producer's last sequence stands in them.
// Whoever reads it from the start must come to its end with the newest record of each key.
import { Kafka } from '../../src/index.ts'
import { type Client, eventually, expectEqual, expectTrue, type World } from './client.ts'
import { storedBatches } from './probe.ts'

const KEYS = 20
const PRODUCERS = 6
/** The broker rests 15 s between two looks at its logs. */
const PATIENCE_MS = 60_000

export class CompactedTopic {
  readonly #world: World
  #filled: Promise<{ topic: string; count: number }> | undefined

  constructor(world: World) {
    this.#world = world
  }

  async read(reader: Client): Promise<void> {
    this.#filled ??= this.#fill()
    const { topic, count } = await this.#filled
    const read = await reader.read!(topic, 0, count)
    expectEqual(read.length, count, 'records read')
    const newest = new Map(read.map(({ key, value }) => [text(key), text(value)]))
    const expected = Array.from({ length: KEYS }, (_, i) => [`key ${i}`, `${PRODUCERS - 1}: ${i}`] as const)
    for (const [key, value] of expected) expectEqual(newest.get(key), value, `the newest value of ${key}`)
  }

  /** Each producer writes every key, so that all that is left of the ones before the last is their last batch, without records. */
  async #fill(): Promise<{ topic: string; count: number }> {
    const { bootstrap } = this.#world
    const topic = this.#world.topicName('compacted')
    await this.#world.createTopic(topic, 1, {
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': '0.01',
      'segment.bytes': String(1024 * 1024),
      'segment.ms': '1000',
    })
    const kafka = new Kafka({ bootstrapServers: bootstrap })
    for (let i = 0; i < PRODUCERS; i++) {
      const producer = kafka.producer({ idempotent: true, lingerMs: 0, compression: i % 2 === 0 ? 'none' : 'zstd' })
      for (let k = 0; k < KEYS; k++) {
        await producer.send({ topic, partition: 0, key: Buffer.from(`key ${k}`), value: Buffer.from(`${i}: ${k}`) })
      }
      await producer.close()
    }
    // A batch that is so much younger closes the segment.
    const late = kafka.producer({ idempotent: false })
    await late.send({ topic, partition: 0, key: Buffer.from('late'), value: Buffer.from('late'), timestamp: Date.now() + 60_000 })
    await kafka.close()
    let count = 0
    await eventually(
      'a compacted log',
      async () => {
        const batches = await storedBatches(bootstrap, topic)
        count = batches.reduce((sum, { recordCount }) => sum + recordCount, 0)
        return count === KEYS + 1 && batches.some(({ recordCount }) => recordCount === 0)
      },
      PATIENCE_MS,
    )
    expectTrue(count === KEYS + 1, `${count} records are left of ${KEYS} keys`)
    return { topic, count }
  }
}

/** Values are text in base64, or bytes, as the client has them. */
function text(value: string | Uint8Array | null): string {
  return value === null ? '' : typeof value === 'string' ? Buffer.from(value, 'base64').toString() : Buffer.from(value).toString()
}
