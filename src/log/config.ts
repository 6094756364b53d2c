// What one partition's log must know of its topic's configuration. Names and meanings are Kafka's; the table with bounds and docs is src/config.

export interface LogConfig {
  /** A segment is closed before a batch would make it larger. */
  readonly segmentBytes: number
  /** A segment is closed when a batch is this much younger than its first, by record time. */
  readonly segmentMs: number
  /** Up to this much is taken off segmentMs at random, so that partitions do not roll together. */
  readonly segmentJitterMs: number
  /** 1: only flushed records are ackable. N: written ones are, and a flush starts after N unflushed records. */
  readonly flushMessages: number
  /** With flushMessages above 1: a record is flushed at the latest this long after it was written. */
  readonly flushMs: number
  /** -1: no limit, like retentionBytes. */
  readonly retentionMs: number
  readonly retentionBytes: number
  /** Of one whole batch as it stands in the log. */
  readonly maxMessageBytes: number
  readonly indexIntervalBytes: number
  /** How long the files of a deleted partition stay. */
  readonly fileDeleteDelayMs: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampAfterMaxMs: number
  readonly compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly compressionGzipLevel: number
  readonly compressionLz4Level: number
  readonly compressionZstdLevel: number
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
  /** A compacted log is cleaned when more than this share of it is dirty, or when a dirty record is older than maxCompactionLagMs. */
  readonly minCleanableDirtyRatio: number
  /** Segments with a younger record are not cleaned. */
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  /** How long a tombstone stays after the first cleaning that meets it. */
  readonly deleteRetentionMs: number
  readonly producerIdExpirationMs: number
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER

/** Kafka's defaults, but for flushMessages (Kafka: never): an acknowledged record is on disk. */
export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 ** 3,
  segmentMs: 7 * 24 * 3600 * 1000,
  segmentJitterMs: 0,
  flushMessages: 1,
  flushMs: NO_LIMIT,
  retentionMs: 7 * 24 * 3600 * 1000,
  retentionBytes: -1,
  maxMessageBytes: 1_048_588,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 60_000,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: NO_LIMIT,
  messageTimestampAfterMaxMs: 3600 * 1000,
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  cleanupPolicy: ['delete'],
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: NO_LIMIT,
  deleteRetentionMs: 24 * 3600 * 1000,
  producerIdExpirationMs: 24 * 3600 * 1000,
}
