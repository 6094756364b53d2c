// A producer process that must survive its broker: our client, idempotent, acks=all. Each record says who wrote it, where to and which it is;
// each ack becomes a line of the ack file before the next record of its slot is sent.
// Arguments: bootstrap, topic, number of partitions, ack file. SIGTERM: send nothing more, wait for what is under way, end with 0.
import { openSync, writeSync } from 'node:fs'
import { Kafka } from '../../src/index.ts'

const [bootstrap, topic, partitions, ackFile] = process.argv.slice(2) as [string, string, string, string]
const IN_FLIGHT_PER_PARTITION = 50

const acks = openSync(ackFile, 'a')
setInterval(() => {}, 2 ** 30) // the client's timers keep no process alive
const kafka = new Kafka({ bootstrapServers: bootstrap, clientId: 'crash-writer' })
const producer = kafka.producer({ acks: -1, idempotent: true, lingerMs: 1, deliveryTimeoutMs: 120_000 })
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
})

async function write(partition: number): Promise<void> {
  const underWay = new Set<Promise<void>>()
  for (let sequence = 0; !stopping; sequence++) {
    const sent = producer
      .send({ topic, partition, key: null, value: Buffer.from(`ours ${partition} ${sequence} ${'x'.repeat(sequence % 200)}`) })
      .then(({ offset }) => void writeSync(acks, `${partition} ${sequence} ${offset}\n`))
      .finally(() => underWay.delete(sent))
    underWay.add(sent)
    if (underWay.size >= IN_FLIGHT_PER_PARTITION) await Promise.race(underWay)
  }
  await Promise.all(underWay)
}

try {
  await Promise.all(Array.from({ length: Number(partitions) }, (_, partition) => write(partition)))
  await producer.close()
  await kafka.close()
  process.exit(0)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exit(1)
}
