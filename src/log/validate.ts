// What a leader checks and rewrites before it appends a batch: Kafka's ProduceRequest.validateRecords (readSingleBatch), the per-batch checks
// of UnifiedLog and LogValidator (validateBatch). Offsets and leader epoch are not assigned here: both lie outside the checksum.
//
// Rewritten: maxTimestamp, always, to the largest timestamp of the records (some clients send 0, -1 or the first one's), or on a LogAppendTime
// topic to now, with the attribute bit; the checksum when that changed something; the codec when the topic's compression.type differs; and the
// offset deltas, when they are not 0, 1, 2 …  Producer epoch and sequence of a batch without a producer id are not looked at.
//
// We differ from Kafka: renumbering covers uncompressed batches too (Kafka stores those with the offsets the client made up). A batch that
// claims LogAppendTime is refused on every topic (Kafka 4 takes it on a CreateTime topic when its maxTimestamp is in range). Records that do not
// unpack are INVALID_RECORD (Kafka: UNKNOWN_SERVER_ERROR), as are those that unpack to more than a cap (Kafka has none). At most
// MAX_RECORD_ERRORS records are named. A producer id needs an epoch.

import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES, BATCH_MAGIC, LOG_OVERHEAD } from '../protocol/batch.ts'
import { CODEC_GZIP, CODEC_LZ4, CODEC_NONE, CODEC_SNAPPY, CODEC_ZSTD, type Codec, doneWith, isCodec } from '../protocol/compression.ts'
import {
  CORRUPT_MESSAGE,
  INVALID_RECORD,
  INVALID_TIMESTAMP,
  KafkaError,
  MESSAGE_TOO_LARGE,
  ProtocolError,
  UNSUPPORTED_COMPRESSION_TYPE,
} from '../protocol/errors.ts'
import { type BatchBody, openBody, RecordWalk, rebuildBatch } from '../protocol/records.ts'
import type { LogConfig } from './config.ts'

export interface RecordError {
  /** Position of the record in the batch. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string | null
}

export interface Rejected {
  readonly ok: false
  readonly errorCode: number
  readonly errorMessage: string
  readonly recordErrors: readonly RecordError[]
}

export interface Validated {
  readonly ok: true
  /** The batch to append: the same buffer, patched, or a new one when it had to be rebuilt. */
  readonly batch: Buffer
  readonly recordCount: number
  /** As it now stands in the batch; -1 when no record has a timestamp. */
  readonly maxTimestamp: number
  /** Of the first record with maxTimestamp. */
  readonly offsetDeltaOfMaxTimestamp: number
  /** What the producer is told: now on a LogAppendTime topic, else -1. */
  readonly logAppendTimeMs: number
}

/** What may still be unpacked for one request: a few kilobytes can hold 64 MiB, and everybody waits while they unpack. Validating takes from it. */
export interface UnpackBudget {
  leftBytes: number
}

export type ValidateConfig = Pick<
  LogConfig,
  | 'messageTimestampType'
  | 'messageTimestampBeforeMaxMs'
  | 'messageTimestampAfterMaxMs'
  | 'compressionType'
  | 'compressionGzipLevel'
  | 'compressionZstdLevel'
  | 'maxMessageBytes'
  | 'cleanupPolicy'
>

const MAX_RECORD_ERRORS = 1000
/**
 * What a batch may unpack to: 4 MiB, 4 times max.message.bytes or 64 times its own size, the largest of them, within 32 times max.message.bytes (or
 * 32 MiB), all of which is in memory at once. Most producers limit a batch by its unpacked size (librdkafka and its kin to 1 MB) and never come near; Java's limits the packed one, and
 * logs pack 5 to 30 times. Who is over is told MESSAGE_TOO_LARGE, upon which Java's producer splits the batch and sends the halves.
 */
const UNPACKED_BYTES = 4 * 1024 * 1024
const UNPACKED_PER_MESSAGE_BYTE = 4
const UNPACKED_PER_PACKED_BYTE = 64
const MAX_UNPACKED_BYTES = 32 * 1024 * 1024
const MAX_UNPACKED_PER_MESSAGE_BYTE = 32
/** What each batch adds to what its request may unpack. */
const GRANTED_PER_PACKED_BYTE = 32
/** A batch that must be packed anew (another codec, offsets to renumber) may have so many times max.message.bytes: packing is slow. */
const REPACKED_PER_MESSAGE_BYTE = 16

/**
 * The one batch that the `records` field of a produce request must hold, as a view of it. A cut or short rest behind it is dropped, as in Kafka.
 * Only the framing is looked at; validateBatch does the rest.
 * @param produceVersion  zstd may be used from version 7 on
 */
export function readSingleBatch(records: Buffer | null, produceVersion: number): { ok: true; batch: Buffer } | Rejected {
  const size = nextBatchSize(records, 0)
  if (typeof size !== 'number') return size
  if (records === null || size === 0)
    return rejected(INVALID_RECORD, 'A produce request must hold one record batch per partition; this one holds none')
  const magic = batch.magic(records, 0)
  if (magic !== BATCH_MAGIC) return rejected(INVALID_RECORD, `Record batches must have magic ${BATCH_MAGIC}, this one has ${magic}`)
  if (size < BATCH_HEADER_BYTES)
    return rejected(CORRUPT_MESSAGE, `A record batch of ${size} bytes, its header alone has ${BATCH_HEADER_BYTES}`)
  if (batch.codecOf(records, 0) === CODEC_ZSTD && produceVersion < 7) {
    return rejected(
      UNSUPPORTED_COMPRESSION_TYPE,
      `zstd needs produce requests of version 7 or later, this one has version ${produceVersion}`,
    )
  }
  const second = nextBatchSize(records, size)
  if (typeof second !== 'number') return second
  if (second !== 0) return rejected(INVALID_RECORD, 'A produce request must hold one record batch per partition; this one holds more')
  return { ok: true, batch: records.subarray(0, size) }
}

/** Bytes up to and including the magic byte, by which formats are told apart; and of the smallest batch of any format, after LOG_OVERHEAD. */
const HEADER_UP_TO_MAGIC_BYTES = 17
const SMALLEST_BATCH_BYTES = 14

/** The size of the whole batch at `p`; 0 when there is none, or only a part of one. */
function nextBatchSize(records: Buffer | null, p: number): number | Rejected {
  const left = records === null ? 0 : records.length - p
  if (records === null || left < LOG_OVERHEAD) return 0
  const size = batch.batchSize(records, p)
  if (size - LOG_OVERHEAD < SMALLEST_BATCH_BYTES)
    return rejected(CORRUPT_MESSAGE, `A record batch declares a length of ${size - LOG_OVERHEAD} bytes`)
  if (left < HEADER_UP_TO_MAGIC_BYTES) return 0
  const magic = batch.magic(records, p)
  if (magic < 0 || magic > BATCH_MAGIC) return rejected(CORRUPT_MESSAGE, `A record batch has the unknown magic ${magic}`)
  return size > left ? 0 : size
}

/**
 * Checks a whole v2 batch and makes it what the log stores, but for its offsets and leader epoch.
 * @param b  exactly one batch; patched in place where that is enough
 * @param o  now: milliseconds since 1970. origin: what a coordinator writes may be a control batch, may have no sequence, and its header's counts
 *   are not checked, as in Kafka. unpacking: when it is used up, compressed batches are MESSAGE_TOO_LARGE
 * @returns Rejected with INVALID_RECORD | INVALID_TIMESTAMP | CORRUPT_MESSAGE | MESSAGE_TOO_LARGE | UNSUPPORTED_COMPRESSION_TYPE
 */
export function validateBatch(
  b: Buffer,
  config: ValidateConfig,
  o: { now: number; origin: 'client' | 'coordinator'; unpacking?: UnpackBudget | undefined },
): Validated | Rejected {
  const fault = headerFault(b, config, o.origin)
  if (fault !== undefined) return fault
  const body = unpack(b, config, o.unpacking)
  if ('ok' in body) return body
  const codec = batch.codecOf(b, 0)
  try {
    return checkRecords(b, body, config, o.now)
  } finally {
    doneWith(codec, body.bytes)
  }
}

function checkRecords(b: Buffer, body: BatchBody, config: ValidateConfig, now: number): Validated | Rejected {
  const walked = walk(b, body, config, now)
  if (walked.ok === false) return walked

  const source = batch.codecOf(b, 0) as Codec
  const target = targetCodec(config, source, b)
  const mustRebuild = target !== source || !walked.consecutive
  const bodyBytes = body.end - body.start
  if (mustRebuild && bodyBytes > config.maxMessageBytes * REPACKED_PER_MESSAGE_BYTE) return tooMuchToRepack(bodyBytes, config)
  const logAppendTime = config.messageTimestampType === 'LogAppendTime'
  const maxTimestamp = logAppendTime ? now : walked.maxTimestamp
  const changed = setTimestamp(b, maxTimestamp, logAppendTime)
  if (changed && !mustRebuild) batch.setCrc(b, 0)
  const final = mustRebuild ? rebuildBatch(b, 0, body, { codec: target, level: levelOf(config, target), renumber: !walked.consecutive }) : b
  if (final.length > config.maxMessageBytes) return tooLarge(final.length, config)
  return {
    ok: true,
    batch: final,
    recordCount: batch.recordCount(final, 0),
    maxTimestamp,
    offsetDeltaOfMaxTimestamp: logAppendTime ? 0 : walked.indexOfMaxTimestamp,
    logAppendTimeMs: logAppendTime ? now : -1,
  }
}

/** In the order in which Kafka would find them. */
function headerFault(b: Buffer, config: ValidateConfig, origin: 'client' | 'coordinator'): Rejected | undefined {
  if (b.length < BATCH_HEADER_BYTES || batch.batchSize(b, 0) !== b.length) {
    return rejected(CORRUPT_MESSAGE, `A record batch in ${b.length} bytes, its length field does not fit`)
  }
  const client = origin === 'client'
  const baseOffset = batch.baseOffset(b, 0)
  if (client && baseOffset !== 0) return rejected(INVALID_RECORD, `The base offset of a produced batch must be 0, it is ${baseOffset}`)
  if (b.length > config.maxMessageBytes) return tooLarge(b.length, config)
  if (!batch.crcIsValid(b, 0)) {
    return rejected(CORRUPT_MESSAGE, `The batch has checksum ${batch.crc(b, 0)}, its bytes have ${batch.computeCrc(b, 0)}`)
  }
  if (client) {
    const count = batch.recordCount(b, 0)
    const delta = batch.lastOffsetDelta(b, 0)
    if (delta < 0) return rejected(INVALID_RECORD, `The batch ends before it starts: its last offset delta is ${delta}`)
    if (count <= 0) return rejected(INVALID_RECORD, `The batch declares ${count} records`)
    if (count !== delta + 1) return rejected(INVALID_RECORD, `The batch declares ${count} records and the offsets 0 to ${delta}`)
    if (batch.isControl(b, 0)) return rejected(INVALID_RECORD, 'Clients must not write control records')
    const producerId = batch.producerId(b, 0)
    if (producerId >= 0) {
      const sequence = batch.baseSequence(b, 0)
      if (sequence < 0) return rejected(INVALID_RECORD, `The batch of producer ${producerId} has the sequence ${sequence}`)
      if (batch.producerEpoch(b, 0) < 0 || !Number.isSafeInteger(producerId)) {
        return rejected(INVALID_RECORD, `The batch of producer ${producerId} has the epoch ${batch.producerEpoch(b, 0)}`)
      }
    }
  }
  if (batch.hasLogAppendTime(b, 0)) return rejectedTimestampType(b)
  const codec = batch.codecOf(b, 0)
  if (!isCodec(codec)) return rejected(UNSUPPORTED_COMPRESSION_TYPE, `Compression codec ${codec} is not known`)
  return undefined
}

function rejectedTimestampType(b: Buffer): Rejected {
  const errors: RecordError[] = []
  const count = Math.min(batch.recordCount(b, 0), MAX_RECORD_ERRORS)
  for (let i = 0; i < count; i++)
    errors.push({ batchIndex: i, batchIndexErrorMessage: 'Only the broker sets the timestamp type LogAppendTime' })
  return { ok: false, errorCode: INVALID_TIMESTAMP, errorMessage: 'The batch has the timestamp type LogAppendTime', recordErrors: errors }
}

function unpack(b: Buffer, config: ValidateConfig, budget: UnpackBudget | undefined): BatchBody | Rejected {
  const least = Math.max(UNPACKED_BYTES, config.maxMessageBytes * UNPACKED_PER_MESSAGE_BYTE, b.length * UNPACKED_PER_PACKED_BYTE)
  const maxBytes = Math.min(least, Math.max(MAX_UNPACKED_BYTES, config.maxMessageBytes * MAX_UNPACKED_PER_MESSAGE_BYTE))
  if (budget === undefined || batch.codecOf(b, 0) === CODEC_NONE) return opened(b, maxBytes)
  budget.leftBytes += b.length * GRANTED_PER_PACKED_BYTE
  if (budget.leftBytes <= 0) return rejected(MESSAGE_TOO_LARGE, 'The batches of the request before this one unpack to too many bytes')
  const body = opened(b, maxBytes)
  // How far a damaged one came is not known.
  budget.leftBytes -= 'ok' in body ? maxBytes : body.end - body.start
  return body
}

function opened(b: Buffer, maxBytes: number): BatchBody | Rejected {
  try {
    return openBody(b, 0, { maxBytes })
  } catch (error) {
    return rejectedBy(error)
  }
}

interface Walked {
  readonly ok: true
  readonly maxTimestamp: number
  readonly indexOfMaxTimestamp: number
  /** Offset deltas are 0, 1, 2 … */
  readonly consecutive: boolean
}

/** The hot loop: one round per record, nothing allocated in it while the records are good. */
function walk(b: Buffer, body: BatchBody, config: ValidateConfig, now: number): Walked | Rejected {
  const count = batch.recordCount(b, 0)
  const base = batch.baseTimestamp(b, 0)
  if (!Number.isSafeInteger(base)) return rejected(INVALID_TIMESTAMP, `The batch's base timestamp ${base} is beyond 2^53`)
  const window = acceptedTimestamps(config, now)
  const { oldest, newest } = window
  const keyNeeded = config.cleanupPolicy.includes('compact')
  const errors: RecordError[] = []
  let badTimestamps = false
  let maxTimestamp = -1
  let indexOfMaxTimestamp = 0
  let consecutive = true
  try {
    const record = new RecordWalk(body.bytes, body.start, body.end, count)
    while (record.next()) {
      const timestamp = base + record.timestampDelta
      if (timestamp > maxTimestamp) {
        maxTimestamp = timestamp
        indexOfMaxTimestamp = record.index
      }
      if (record.offsetDelta !== record.index) consecutive = false
      if (keyNeeded && record.keySize < 0) {
        note(errors, record.index, 'A record of a compacted topic needs a key')
      } else if ((timestamp < oldest || timestamp > newest) && timestamp !== -1) {
        badTimestamps = true
        note(errors, record.index, `The timestamp ${timestamp} is not within [${oldest}, ${newest}]`)
      }
    }
  } catch (error) {
    return rejectedBy(error)
  }
  if (errors.length > 0) return rejectedRecords(errors, badTimestamps)
  return { ok: true, maxTimestamp, indexOfMaxTimestamp, consecutive }
}

function acceptedTimestamps(config: ValidateConfig, now: number): { oldest: number; newest: number } {
  if (config.messageTimestampType === 'LogAppendTime') return { oldest: Number.MIN_SAFE_INTEGER, newest: Number.MAX_SAFE_INTEGER }
  return {
    oldest: Math.max(now - config.messageTimestampBeforeMaxMs, Number.MIN_SAFE_INTEGER),
    newest: Math.min(now + config.messageTimestampAfterMaxMs, Number.MAX_SAFE_INTEGER),
  }
}

function note(errors: RecordError[], batchIndex: number, batchIndexErrorMessage: string): void {
  if (errors.length < MAX_RECORD_ERRORS) errors.push({ batchIndex, batchIndexErrorMessage })
}

function rejectedRecords(errors: readonly RecordError[], badTimestamps: boolean): Rejected {
  const first = errors[0]!
  const errorMessage = `${errors.length} records were refused, the first is record ${first.batchIndex}: ${first.batchIndexErrorMessage}`
  return { ok: false, errorCode: badTimestamps ? INVALID_TIMESTAMP : INVALID_RECORD, errorMessage, recordErrors: errors }
}

/** The codec in which the topic stores the batch. Control batches are stored as they come. */
function targetCodec(config: ValidateConfig, source: Codec, b: Buffer): Codec {
  if (config.compressionType === 'producer' || (source === CODEC_NONE && batch.isControl(b, 0))) return source
  return CODECS[config.compressionType]
}

const CODECS = { uncompressed: CODEC_NONE, gzip: CODEC_GZIP, snappy: CODEC_SNAPPY, lz4: CODEC_LZ4, zstd: CODEC_ZSTD } as const

function levelOf(config: ValidateConfig, codec: Codec): number | undefined {
  if (codec === CODEC_GZIP) return config.compressionGzipLevel
  return codec === CODEC_ZSTD ? config.compressionZstdLevel : undefined
}

/** @returns whether the batch changed, so that its checksum is no longer right */
function setTimestamp(b: Buffer, maxTimestamp: number, logAppendTime: boolean): boolean {
  if (batch.hasLogAppendTime(b, 0) === logAppendTime && batch.maxTimestamp(b, 0) === maxTimestamp) return false
  if (logAppendTime) batch.setAttributes(b, 0, batch.attributes(b, 0) | batch.LOG_APPEND_TIME_BIT)
  batch.setMaxTimestamp(b, 0, maxTimestamp)
  return true
}

function tooLarge(size: number, config: ValidateConfig): Rejected {
  return rejected(MESSAGE_TOO_LARGE, `The record batch has ${size} bytes, the topic takes at most ${config.maxMessageBytes}`)
}

/** Clients that are told MESSAGE_TOO_LARGE split the batch and send its halves. */
function tooMuchToRepack(bodyBytes: number, config: ValidateConfig): Rejected {
  const limit = config.maxMessageBytes * REPACKED_PER_MESSAGE_BYTE
  return rejected(MESSAGE_TOO_LARGE, `The batch must be packed anew and unpacks to ${bodyBytes} bytes, at most ${limit} are packed`)
}

/** Damage inside the batch, or a codec this platform lacks, as the answer; any other error is ours and goes on. */
function rejectedBy(error: unknown): Rejected {
  if (error instanceof ProtocolError && error.isOverLimit)
    return rejected(MESSAGE_TOO_LARGE, `The batch unpacks to too much: ${error.message}`)
  if (error instanceof ProtocolError) return rejected(INVALID_RECORD, `The records are damaged: ${error.message}`)
  if (error instanceof KafkaError) return rejected(error.code, error.message)
  throw error
}

function rejected(errorCode: number, errorMessage: string): Rejected {
  return { ok: false, errorCode, errorMessage, recordErrors: [] }
}
