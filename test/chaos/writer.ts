// A producer process that must live through everything: our client, idempotent, acks=all, at a steady pace. Each record says where to it goes and which
// it is; each ack becomes a line on stdout: partition, sequence, offset, wall time.
// Arguments: bootstrap, topic, number of partitions, milliseconds between two records of a partition. SIGTERM: send nothing more, wait, end with 0.
import { Kafka } from '../../src/index.ts'
import { AckLines, MOST_IN_FLIGHT } from './ack-lines.ts'

const [bootstrap, topic, partitions, paceMs] = process.argv.slice(2) as [string, string, string, string]
const kafka = new Kafka({ bootstrapServers: bootstrap, clientId: 'chaos-writer' })
const producer = kafka.producer({ acks: -1, idempotent: true, deliveryTimeoutMs: 180_000 })
const lines = new AckLines()
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
})

async function write(partition: number): Promise<void> {
  const underWay = new Set<Promise<void>>()
  for (let sequence = 0; !stopping; sequence++) {
    const sent = producer
      .send({ topic, partition, key: null, value: Buffer.from(`${partition} ${sequence} ${'x'.repeat(sequence % 200)}`) })
      .then(({ offset }) => lines.add(partition, sequence, offset))
      .finally(() => underWay.delete(sent))
    underWay.add(sent)
    await new Promise(resolve => setTimeout(resolve, Number(paceMs)))
    while (underWay.size >= MOST_IN_FLIGHT) await Promise.race(underWay)
  }
  await Promise.all(underWay)
}

try {
  await Promise.all(Array.from({ length: Number(partitions) }, (_, partition) => write(partition)))
  await producer.close()
  await kafka.close()
  lines.end()
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exit(1)
}
