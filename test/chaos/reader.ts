// Reads along while the cluster is in trouble, and everything once more at the end: what was read once stays as it was, and what was acked is there.
import { Kafka } from '../../src/index.ts'
import { sequenceOf, type WriterName } from './writers.ts'

const POLL_MS = 100
const END_MS = 120_000

/** By partition, the sequences in the order of their offsets. */
export type Contents = number[][]

export interface ReaderPlace {
  readonly writer: WriterName
  readonly topic: string
  readonly bootstrap: string
  readonly partitions: number
}

/** @param o.until  goes on past the present end until this is true */
export async function read(place: ReaderPlace, o: { until: () => boolean; fail: (reason: string) => void }): Promise<Contents> {
  const contents: Contents = Array.from({ length: place.partitions }, () => [])
  const kafka = new Kafka({ bootstrapServers: place.bootstrap, clientId: 'chaos-reader' })
  const consumer = kafka.consumer()
  const all = contents.map((_, partition) => ({ topic: place.topic, partition }))
  consumer.assign(all.map(each => ({ ...each, position: { offset: 0 } })))
  const poll = async () => {
    for (const { partition, offset, value } of await consumer.poll({ maxWaitMs: POLL_MS })) {
      const found = contents[partition]!
      if (offset !== found.length) o.fail(`offsets: ${place.topic}-${partition} gives offset ${offset} where ${found.length} was due`)
      found[offset] = sequenceOf(place.writer, value!)
    }
  }
  while (!o.until()) await poll()
  const ends = await consumer.endOffsets(all)
  const deadline = performance.now() + END_MS
  while (ends.some(({ partition, offset }) => contents[partition]!.length < offset)) {
    if (performance.now() > deadline) {
      o.fail(`${place.topic} cannot be read to its end`)
      break
    }
    await poll()
  }
  await kafka.close()
  return contents
}
