// The first record of a new broker: topic made, record acknowledged (acks=all) and read back, by a client that tries in a tight loop.
import { Kafka } from '../src/index.ts'

export async function roundTrip(bootstrap: string, topic: string): Promise<void> {
  const kafka = new Kafka({ bootstrapServers: bootstrap })
  try {
    await kafka.admin().createTopics([{ name: topic, numPartitions: 1 }])
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
