// What really lies in a partition: one hand-made Fetch v4 over a bare socket, on purpose without the project's protocol code, so that a
// mistake there cannot hide itself. It sees only batch headers: codec, producer id, counts.
import { connect } from 'node:net'
import { CODECS, type CodecName } from './records.ts'

export interface StoredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly codec: CodecName
  readonly recordCount: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly maxTimestamp: number
}

/** All batches of the partition from `offset` to the high watermark. */
export async function storedBatches(bootstrap: string, topic: string, partition = 0, offset = 0): Promise<StoredBatch[]> {
  const found: StoredBatch[] = []
  for (;;) {
    const { highWatermark, records } = await patientFetch(bootstrap, topic, partition, offset)
    const batches = parseBatches(records)
    if (batches.length === 0) {
      if (offset < highWatermark) throw new Error(`no batch at offset ${offset} below the high watermark ${highWatermark}`)
      return found
    }
    found.push(...batches.filter(batch => batch.lastOffset >= offset))
    offset = batches.at(-1)!.lastOffset + 1
  }
}

/** Exclusive end of what consumers may read. */
export async function highWatermark(bootstrap: string, topic: string, partition = 0): Promise<number> {
  return (await patientFetch(bootstrap, topic, partition, 0)).highWatermark
}

/** One Fetch, with the error code as it comes. */
export async function fetchOnce(bootstrap: string, topic: string, partition: number, offset: number): Promise<FetchAnswer> {
  return parseFetch(await ask(bootstrap, fetchRequest(topic, partition, offset)))
}

export interface FetchAnswer {
  readonly errorCode: number
  readonly highWatermark: number
  readonly records: Buffer
}

/** UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER: Apache Kafka answers these for a moment after a topic was made. */
const NOT_YET = [3, 5, 6]

async function patientFetch(bootstrap: string, topic: string, partition: number, offset: number): Promise<FetchAnswer> {
  const deadline = Date.now() + 5000
  for (;;) {
    const answer = await fetchOnce(bootstrap, topic, partition, offset)
    if (answer.errorCode === 0) return answer
    if (!NOT_YET.includes(answer.errorCode) || Date.now() > deadline) throw new Error(`Fetch v4 answered error code ${answer.errorCode}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

function fetchRequest(topic: string, partition: number, offset: number): Buffer {
  const name = Buffer.from(topic)
  const clientId = Buffer.from('compat-probe')
  const out = Buffer.alloc(4 + 8 + 2 + clientId.length + 17 + 4 + 2 + name.length + 4 + 16)
  let p = out.writeInt32BE(out.length - 4, 0)
  p = out.writeInt16BE(1, p) // Fetch
  p = out.writeInt16BE(4, p) // version
  p = out.writeInt32BE(1, p) // correlation id
  p = out.writeInt16BE(clientId.length, p)
  p += clientId.copy(out, p)
  p = out.writeInt32BE(-1, p) // replica id: a consumer
  p = out.writeInt32BE(100, p) // max wait, ms
  p = out.writeInt32BE(1, p) // min bytes
  p = out.writeInt32BE(64 << 20, p) // max bytes
  p = out.writeInt8(0, p) // isolation level
  p = out.writeInt32BE(1, p)
  p = out.writeInt16BE(name.length, p)
  p += name.copy(out, p)
  p = out.writeInt32BE(1, p)
  p = out.writeInt32BE(partition, p)
  p = out.writeBigInt64BE(BigInt(offset), p)
  out.writeInt32BE(64 << 20, p) // max bytes of the partition
  return out
}

export function ask(bootstrap: string, request: Buffer): Promise<Buffer> {
  const colon = bootstrap.lastIndexOf(':')
  return new Promise((resolve, reject) => {
    const socket = connect({ host: bootstrap.slice(0, colon), port: Number(bootstrap.slice(colon + 1)) })
    const chunks: Buffer[] = []
    let size = 0
    const deadline = setTimeout(() => socket.destroy(new Error('no answer after 20 s')), 20_000)
    socket.on('connect', () => socket.write(request))
    socket.on('data', chunk => {
      chunks.push(chunk)
      size += chunk.length
      if (size < 4) return
      const all = Buffer.concat(chunks)
      if (size >= 4 + all.readInt32BE(0)) {
        resolve(all)
        socket.destroy()
      }
    })
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(deadline)
      reject(new Error('the connection was closed before it answered'))
    })
  })
}

function parseFetch(answer: Buffer): FetchAnswer {
  let p = 4 + 4 + 4 + 4 // length, correlation id, throttle time, one topic
  p += 2 + answer.readInt16BE(p) + 4 // name, one partition
  const errorCode = answer.readInt16BE(p + 4)
  const mark = Number(answer.readBigInt64BE(p + 6))
  p += 22
  const aborted = answer.readInt32BE(p)
  p += 4 + Math.max(0, aborted) * 16
  const length = answer.readInt32BE(p)
  return { errorCode, highWatermark: mark, records: answer.subarray(p + 4, p + 4 + Math.max(0, length)) }
}

function parseBatches(records: Buffer): StoredBatch[] {
  const batches: StoredBatch[] = []
  for (let p = 0; p + 61 <= records.length; ) {
    const size = 12 + records.readInt32BE(p + 8)
    if (p + size > records.length) break // the answer may end within a batch
    const baseOffset = Number(records.readBigInt64BE(p))
    batches.push({
      baseOffset,
      lastOffset: baseOffset + records.readInt32BE(p + 23),
      codec: CODECS[records.readInt16BE(p + 21) & 7]!,
      recordCount: records.readInt32BE(p + 57),
      producerId: Number(records.readBigInt64BE(p + 43)),
      producerEpoch: records.readInt16BE(p + 51),
      baseSequence: records.readInt32BE(p + 53),
      maxTimestamp: Number(records.readBigInt64BE(p + 35)),
    })
    p += size
  }
  return batches
}
