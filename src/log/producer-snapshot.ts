// Producer state as bytes, for the kv: a restart need not read the whole log to know its producers again. Numbers are big-endian; offsets, ids
// and timestamps are doubles, which hold them exactly.
//
//   version u8 · crc-32c u32 (of the rest)
//   producerCount u32 · { producerId f64 · epoch i16 · coordinatorEpoch i32 · lastTimestamp f64 · transactionFirstOffset f64 · batchCount u8 ·
//                         { firstSequence i32 · lastSequence i32 · baseOffset f64 · lastOffset f64 · timestamp f64 }… }…
//   unreplicatedCount u32 · { producerId f64 · firstOffset f64 · lastOffset f64 }…

import { crc32c } from '../util/crc32c.ts'
import { type Producer, ProducerState, REMEMBERED_BATCHES, type RememberedBatch } from './producer-state.ts'

const VERSION = 1
const HEADER_BYTES = 5
const PRODUCER_BYTES = 31
const BATCH_BYTES = 32
const TRANSACTION_BYTES = 24

export function encodeProducers(state: ProducerState): Buffer {
  let size = HEADER_BYTES + 8 + state.unreplicatedTransactions.length * TRANSACTION_BYTES
  for (const producer of state.producers.values()) size += PRODUCER_BYTES + producer.batches.length * BATCH_BYTES
  const b = Buffer.allocUnsafe(size)
  b[0] = VERSION
  let p = b.writeUInt32BE(state.producers.size, HEADER_BYTES)
  for (const producer of state.producers.values()) p = writeProducer(b, p, producer)
  p = b.writeUInt32BE(state.unreplicatedTransactions.length, p)
  for (const { producerId, firstOffset, lastOffset } of state.unreplicatedTransactions) {
    p = b.writeDoubleBE(producerId, p)
    p = b.writeDoubleBE(firstOffset, p)
    p = b.writeDoubleBE(lastOffset, p)
  }
  b.writeUInt32BE(crc32c(b, HEADER_BYTES, size), 1)
  return b
}

/** undefined when the bytes are damaged or of another version: the state is then rebuilt from the log. */
export function decodeProducers(b: Buffer): ProducerState | undefined {
  if (b.length < HEADER_BYTES + 8 || b[0] !== VERSION || b.readUInt32BE(1) !== crc32c(b, HEADER_BYTES, b.length)) return undefined
  // What follows was written by encodeProducers: the checksum holds.
  const state = new ProducerState()
  let p = HEADER_BYTES
  const producerCount = b.readUInt32BE(p)
  p += 4
  for (let i = 0; i < producerCount; i++) {
    const producer = readProducer(b, p)
    state.producers.set(producer.producerId, producer)
    p += PRODUCER_BYTES + producer.batches.length * BATCH_BYTES
  }
  const unreplicatedCount = b.readUInt32BE(p)
  p += 4
  state.unreplicatedTransactions = Array.from({ length: unreplicatedCount }, (_, i) => {
    const at = p + i * TRANSACTION_BYTES
    return { producerId: b.readDoubleBE(at), firstOffset: b.readDoubleBE(at + 8), lastOffset: b.readDoubleBE(at + 16) }
  })
  for (const { producerId, transactionFirstOffset: firstOffset } of openOnes(state)) {
    state.openTransactions.set(firstOffset, { producerId, firstOffset })
  }
  return state
}

function openOnes(state: ProducerState): Producer[] {
  const open = [...state.producers.values()].filter(producer => producer.transactionFirstOffset >= 0)
  return open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset)
}

function writeProducer(b: Buffer, p: number, producer: Producer): number {
  p = b.writeDoubleBE(producer.producerId, p)
  p = b.writeInt16BE(producer.epoch, p)
  p = b.writeInt32BE(producer.coordinatorEpoch, p)
  p = b.writeDoubleBE(producer.lastTimestamp, p)
  p = b.writeDoubleBE(producer.transactionFirstOffset, p)
  p = b.writeUInt8(producer.batches.length, p)
  for (const batch of producer.batches) {
    p = b.writeInt32BE(batch.firstSequence, p)
    p = b.writeInt32BE(batch.lastSequence, p)
    p = b.writeDoubleBE(batch.baseOffset, p)
    p = b.writeDoubleBE(batch.lastOffset, p)
    p = b.writeDoubleBE(batch.timestamp, p)
  }
  return p
}

function readProducer(b: Buffer, p: number): Producer {
  const batchCount = Math.min(b.readUInt8(p + 30), REMEMBERED_BATCHES)
  return {
    producerId: b.readDoubleBE(p),
    epoch: b.readInt16BE(p + 8),
    coordinatorEpoch: b.readInt32BE(p + 10),
    lastTimestamp: b.readDoubleBE(p + 14),
    transactionFirstOffset: b.readDoubleBE(p + 22),
    batches: Array.from({ length: batchCount }, (_, i) => readBatch(b, p + PRODUCER_BYTES + i * BATCH_BYTES)),
  }
}

function readBatch(b: Buffer, p: number): RememberedBatch {
  return {
    firstSequence: b.readInt32BE(p),
    lastSequence: b.readInt32BE(p + 4),
    baseOffset: b.readDoubleBE(p + 8),
    lastOffset: b.readDoubleBE(p + 16),
    timestamp: b.readDoubleBE(p + 24),
  }
}
