// The first record of a new broker: topic made, record acknowledged (acks=all) and read back, by a client that tries in a tight loop.
import type { Kafka } from '../src/index.ts'

/** Closes the client at its end. */
export async function roundTrip(kafka: Kafka, topic: string, o: { replicationFactor?: number } = {}): Promise<void> {
  try {
    await kafka.admin().createTopics([{ name: topic, numPartitions: 1, ...o }])
    const producer = kafka.producer({ acks: -1, lingerMs: 0 })
    await producer.send({ topic, partition: 0, key: null, value: Buffer.from('first') })
    const consumer = kafka.consumer()
    await consumer.assign([{ topic, partition: 0, position: 'earliest' }])
    const deadline = performance.now() + 30_000
    while ((await consumer.poll({ maxWaitMs: 1000 })).length === 0) {
      if (performance.now() > deadline) throw new Error('the record was not delivered within 30 s')
    }
  } finally {
    await kafka.close()
  }
}
