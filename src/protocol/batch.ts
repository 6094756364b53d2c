// The header of a record batch, format v2 (KIP-98; Kafka's DefaultRecordBatch), read and patched where it lies.
//
//   0 baseOffset i64 · 8 length i32 (of what follows it) · 12 partitionLeaderEpoch i32 · 16 magic i8 · 17 crc u32 (CRC-32C of 21…end)
//   21 attributes i16 · 23 lastOffsetDelta i32 · 27 baseTimestamp i64 · 35 maxTimestamp i64 · 43 producerId i64 · 51 producerEpoch i16
//   53 baseSequence i32 · 57 recordCount i32 · 61 records
//   attributes: bits 0–2 codec, 3 timestamps are the log's append time, 4 transactional, 5 control, 6 baseTimestamp is a delete horizon
//
// baseOffset and partitionLeaderEpoch lie outside the checksum, so a leader assigns both for free; after any other change call setCrc.
// Every function takes (buffer, position of the batch) and expects at least BATCH_HEADER_BYTES there; computeCrc, crcIsValid and setCrc the
// whole batch. An int64 that does not fit a safe integer comes out as an unsafe one, so Number.isSafeInteger finds it.

import { crc32c } from '../util/crc32c.ts'

export const BATCH_HEADER_BYTES = 61
/** baseOffset and length: the part of the header that `length` does not count. */
export const LOG_OVERHEAD = 12
export const BATCH_MAGIC = 2

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

const CRC_COVERS_FROM = 21
const MAX_SEQUENCE = 0x7fffffff

/** Bytes of the whole batch, by its length field (which may lie: compare with the bytes at hand). */
export const batchSize = (b: Uint8Array, p: number): number => int32(b, p + 8) + LOG_OVERHEAD
export const baseOffset = (b: Uint8Array, p: number): number => int64(b, p)
export const leaderEpoch = (b: Uint8Array, p: number): number => int32(b, p + 12)
export const magic = (b: Uint8Array, p: number): number => (b[p + 16]! << 24) >> 24
export const crc = (b: Uint8Array, p: number): number => int32(b, p + 17) >>> 0
export const attributes = (b: Uint8Array, p: number): number => int16(b, p + 21)
export const lastOffsetDelta = (b: Uint8Array, p: number): number => int32(b, p + 23)
export const lastOffset = (b: Uint8Array, p: number): number => baseOffset(b, p) + lastOffsetDelta(b, p)
/** The timestamp the records' deltas count from (the first record's, as a rule). */
export const baseTimestamp = (b: Uint8Array, p: number): number => int64(b, p + 27)
export const maxTimestamp = (b: Uint8Array, p: number): number => int64(b, p + 35)
export const producerId = (b: Uint8Array, p: number): number => int64(b, p + 43)
export const producerEpoch = (b: Uint8Array, p: number): number => int16(b, p + 51)
export const baseSequence = (b: Uint8Array, p: number): number => int32(b, p + 53)
export const recordCount = (b: Uint8Array, p: number): number => int32(b, p + 57)

/** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5–7 are not assigned. */
export const codecOf = (b: Uint8Array, p: number): number => b[p + 22]! & CODEC_MASK
export const hasLogAppendTime = (b: Uint8Array, p: number): boolean => (b[p + 22]! & LOG_APPEND_TIME_BIT) !== 0
export const isTransactional = (b: Uint8Array, p: number): boolean => (b[p + 22]! & TRANSACTIONAL_BIT) !== 0
export const isControl = (b: Uint8Array, p: number): boolean => (b[p + 22]! & CONTROL_BIT) !== 0

/** The sequence of the last record; sequences wrap from 2^31-1 to 0. -1 when the batch has no sequence. */
export function lastSequence(b: Uint8Array, p: number): number {
  const first = baseSequence(b, p)
  return first < 0 ? -1 : incrementSequence(first, lastOffsetDelta(b, p))
}

/** `sequence` + `increment`, wrapping from 2^31-1 to 0. Both are non-negative int32. */
export function incrementSequence(sequence: number, increment: number): number {
  const sum = sequence + increment
  return sum > MAX_SEQUENCE ? sum - MAX_SEQUENCE - 1 : sum
}

/** `sequence` - `decrement`, wrapping from 0 to 2^31-1. Both are non-negative int32. */
export function decrementSequence(sequence: number, decrement: number): number {
  const difference = sequence - decrement
  return difference < 0 ? difference + MAX_SEQUENCE + 1 : difference
}

export const setBaseOffset = (b: Uint8Array, p: number, offset: number): void => setInt64(b, p, offset)
export const setLength = (b: Uint8Array, p: number, length: number): void => setInt32(b, p + 8, length)
export const setLeaderEpoch = (b: Uint8Array, p: number, epoch: number): void => setInt32(b, p + 12, epoch)
export const setMagic = (b: Uint8Array, p: number): void => void (b[p + 16] = BATCH_MAGIC)
export const setAttributes = (b: Uint8Array, p: number, value: number): void => setInt16(b, p + 21, value)
export const setLastOffsetDelta = (b: Uint8Array, p: number, delta: number): void => setInt32(b, p + 23, delta)
export const setBaseTimestamp = (b: Uint8Array, p: number, timestamp: number): void => setInt64(b, p + 27, timestamp)
export const setMaxTimestamp = (b: Uint8Array, p: number, timestamp: number): void => setInt64(b, p + 35, timestamp)
export const setProducerId = (b: Uint8Array, p: number, id: number): void => setInt64(b, p + 43, id)
export const setProducerEpoch = (b: Uint8Array, p: number, epoch: number): void => setInt16(b, p + 51, epoch)
export const setBaseSequence = (b: Uint8Array, p: number, sequence: number): void => setInt32(b, p + 53, sequence)
export const setRecordCount = (b: Uint8Array, p: number, count: number): void => setInt32(b, p + 57, count)

export function computeCrc(b: Uint8Array, p: number): number {
  return crc32c(b, p + CRC_COVERS_FROM, p + batchSize(b, p))
}

export function crcIsValid(b: Uint8Array, p: number): boolean {
  return computeCrc(b, p) === crc(b, p)
}

/** Writes the checksum of what the batch holds now. */
export function setCrc(b: Uint8Array, p: number): void {
  setInt32(b, p + 17, computeCrc(b, p))
}

const TWO_TO_32 = 0x1_0000_0000

function int16(b: Uint8Array, p: number): number {
  return (((b[p]! << 8) | b[p + 1]!) << 16) >> 16
}

function int32(b: Uint8Array, p: number): number {
  return (b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!
}

function int64(b: Uint8Array, p: number): number {
  return int32(b, p) * TWO_TO_32 + (int32(b, p + 4) >>> 0)
}

function setInt16(b: Uint8Array, p: number, value: number): void {
  b[p] = value >> 8
  b[p + 1] = value
}

function setInt32(b: Uint8Array, p: number, value: number): void {
  b[p] = value >> 24
  b[p + 1] = value >> 16
  b[p + 2] = value >> 8
  b[p + 3] = value
}

function setInt64(b: Uint8Array, p: number, value: number): void {
  setInt32(b, p, Math.floor(value / TWO_TO_32))
  setInt32(b, p + 4, value | 0)
}
