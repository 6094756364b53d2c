// node dist/bench/protocol.js: encoding and decoding of Produce and Fetch, the hot messages; the median of several rounds, in µs a message.
import { Fetch, Produce } from '../src/protocol/apis.ts'
import type { Codec } from '../src/protocol/schema.ts'
import { Writer } from '../src/protocol/writer.ts'

const ROUNDS = 7
const REPEATS = 40_000

const batch = Buffer.alloc(1024, 7)
const big = Buffer.alloc(8192, 7)
const topicId = 'q83vEjRWeJASNFZ4kKvN7w'
const ten = Array.from({ length: 10 }, (_, i) => i)

const produce = (records: Buffer) => ({
  acks: -1,
  timeoutMs: 30_000,
  topicData: [{ name: 'orders-and-payments', partitionData: [{ index: 3, records }] }],
})
const fetched = (records: Buffer) => ({
  responses: [
    {
      topic: 'orders-and-payments',
      topicId,
      partitions: ten.map(partitionIndex => ({ partitionIndex, highWatermark: 123_456_789, lastStableOffset: 123_456_789, records })),
    },
  ],
})
const fetch = {
  maxWaitMs: 500,
  minBytes: 1,
  topics: [
    {
      topic: 'orders-and-payments',
      topicId,
      partitions: ten.map(partition => ({ partition, fetchOffset: 123_456_789, partitionMaxBytes: 1 << 20 })),
    },
  ],
}

console.log('µs a message           decode  encode')
measure('Produce v9 request, 1 partition x 1 KiB', Produce.req(9), produce(batch))
measure('Produce v9 request, 1 partition x 8 KiB', Produce.req(9), produce(big))
measure('Produce v13 request, 1 partition x 1 KiB', Produce.req(13), {
  ...produce(batch),
  topicData: [{ topicId, partitionData: [{ index: 3, records: batch }] }],
})
measure('Fetch v12 response, 10 partitions x 1 KiB', Fetch.res(12), fetched(batch))
measure('Fetch v12 response, 10 partitions x 8 KiB', Fetch.res(12), fetched(big))
measure('Fetch v13 response, 10 partitions x 1 KiB', Fetch.res(13), fetched(batch))
measure('Fetch v11 request, 10 partitions', Fetch.req(11), fetch)
measure('Fetch v17 request, 10 partitions', Fetch.req(17), fetch)

function measure<I>(name: string, codec: Codec<unknown, I>, value: I): void {
  const bytes = Buffer.concat(encodeOnce(codec, value))
  const decode = median(() => codec.decode(bytes, 0, bytes.length))
  const encode = median(() => encodeOnce(codec, value))
  console.log(`${name.padEnd(44)} ${decode.toFixed(2)}  ${encode.toFixed(2)}`)
}

function encodeOnce<I>(codec: Codec<unknown, I>, value: I): Uint8Array[] {
  const w = new Writer()
  codec.encode(value, w)
  return w.done()
}

function median(run: () => unknown): number {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < REPEATS; i++) run()
    times.push(Number(process.hrtime.bigint() - start) / 1000 / REPEATS)
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!
}
