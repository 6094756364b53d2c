// Cold start: from starting the process to the first record acknowledged and read back, by a client that tries in a tight loop.
// Ours starts on an empty directory; Apache Kafka starts on data that were formatted, and started once, before: that part is not counted.
import { connect } from 'node:net'
import { Kafka } from '../src/index.ts'
import { coldKafka, residentMegabytes, startOttla } from './peers.ts'
import type { Results } from './results.ts'

const WHAT = 'cold start → first record acked and read'

export async function benchStart(results: Results, rounds: number, tool: string | undefined): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now()
    const ottla = await startOttla('Ottla')
    await roundTrip(ottla.bootstrap)
    results.add(WHAT, 'Ottla', 'ms', performance.now() - begun)
    results.add('RSS then', 'Ottla', 'MB', residentMegabytes(ottla.pid))
    await ottla.stop()

    if (tool === undefined) continue
    const kafka = await coldKafka(tool, 19_450)
    const began = performance.now()
    kafka.start()
    await listening(19_450)
    await roundTrip(kafka.peer.bootstrap)
    results.add(WHAT, 'Apache Kafka', 'ms', performance.now() - began)
    await kafka.peer.stop()
  }
}

/** Resolves at the first connection that is accepted; tries every 5 ms. */
async function listening(port: number): Promise<void> {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error(`nothing listens on port ${port} after 60 s`)
}

async function roundTrip(bootstrap: string): Promise<void> {
  const topic = 'cold-start'
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
