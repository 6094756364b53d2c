// What a group coordinator writes to __consumer_offsets, in Kafka's own formats: an OffsetCommit record per committed partition and a GroupMetadata
// record per finished rebalance; a null value deletes. Facts: GroupCoordinatorRecordHelpers, GroupCoordinatorRecordSerde; KIP-915.
// A group lives in the partition abs(Java's hash of its id) modulo the number of partitions: monitors and Kafka's own tools count on it.
import * as batch from '../../protocol/batch.ts'
import { CODEC_NONE } from '../../protocol/compression.ts'
import { encodeBatch, openBody, RecordWalk } from '../../protocol/records.ts'
import { GroupMetadata, LegacyOffsetCommit, OffsetCommit } from '../../protocol/stored/classic-group.ts'
import type { Uuid } from '../../util/uuid.ts'
import type { GroupMetadataValue } from './classic/types.ts'

export const OFFSETS_TOPIC = '__consumer_offsets'

export interface CommittedOffset {
  readonly offset: number
  /** -1: the client did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Wall clock. */
  readonly commitTimestampMs: number
  /** -1: by offsets.retention.minutes. Set by clients of OffsetCommit 2–4 that ask for a retention of their own. */
  readonly expireTimestampMs: number
  /** The zero UUID where an older version wrote it. */
  readonly topicId: Uuid
}

export type GroupRecord =
  | {
      readonly type: 'offset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      /** Null: forgotten. */
      readonly value: CommittedOffset | null
    }
  | { readonly type: 'group'; readonly groupId: string; readonly value: GroupMetadataValue | null }

const GROUP_METADATA_VERSION = 3
const OFFSET_COMMIT_VERSION = 4
/** The only layout that has room for an expiry of its own. */
const OFFSET_COMMIT_VERSION_WITH_EXPIRY = 1

/** One batch; its offsets and epoch are given by the log. */
export function encodeGroupRecords(records: readonly GroupRecord[], wallTimeMs: number): Buffer {
  return encodeBatch({
    codec: CODEC_NONE,
    records: records.map(record => ({ key: encodeKey(record), value: encodeValue(record), timestamp: wallTimeMs })),
  })
}

function encodeKey(record: GroupRecord): Buffer {
  if (record.type === 'group') return GroupMetadata.encodeKey({ group: record.groupId })
  return OffsetCommit.encodeKey({ group: record.groupId, topic: record.topic, partition: record.partition })
}

function encodeValue(record: GroupRecord): Buffer | null {
  if (record.value === null) return null
  if (record.type === 'group') return GroupMetadata.encodeValue(GROUP_METADATA_VERSION, record.value)
  const { offset, leaderEpoch, metadata, commitTimestampMs, expireTimestampMs, topicId } = record.value
  const version = expireTimestampMs === -1 ? OFFSET_COMMIT_VERSION : OFFSET_COMMIT_VERSION_WITH_EXPIRY
  return OffsetCommit.encodeValue(version, {
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp: commitTimestampMs,
    expireTimestamp: expireTimestampMs,
    topicId,
  })
}

/** About what a record takes in a batch: to cut long lists into batches before they are encoded. */
export function roughBytes(record: GroupRecord): number {
  return 128 + 3 * record.groupId.length + (record.type === 'offset' ? record.topic.length + 3 * (record.value?.metadata.length ?? 0) : 0)
}

/** What replays records. Of an offset record that was replaced later only the last one counts, so its strings are read once per key. */
export interface GroupReplay {
  offset(groupId: string, topic: string, partition: number, value: CommittedOffset | null): void
  group(groupId: string, value: GroupMetadataValue | null): void
}

interface OffsetKey {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** Reads the batches of a log for one replay. Records of other kinds (consumer groups, share groups) are passed over. */
export class GroupLogReader {
  readonly #replay: GroupReplay
  /** By the bytes of the key. A log of a million commits has few keys. */
  #keys = new Map<string, OffsetKey>()

  constructor(replay: GroupReplay) {
    this.#replay = replay
  }

  /** @param b  whole batches  @throws ProtocolError damaged records */
  read(b: Buffer): void {
    for (let p = 0; p < b.length; p += batch.batchSize(b, p)) {
      // Nothing here is transactional yet: control batches mark transactions, and commits that belong to one wait for its marker.
      if (batch.isControl(b, p) || batch.isTransactional(b, p)) continue
      const body = openBody(b, p, { maxBytes: MAX_UNPACKED_BYTES })
      const walk = new RecordWalk(body.bytes, body.start, body.end, batch.recordCount(b, p))
      while (walk.next()) this.#one(body.bytes, walk)
    }
  }

  #one(b: Buffer, { keyStart, keySize, valueStart, valueSize }: RecordWalk): void {
    if (keySize < 2) return
    const keyEnd = keyStart + keySize
    const type = b.readInt16BE(keyStart)
    if (type === OffsetCommit.type || type === LegacyOffsetCommit.type) {
      const { group, topic, partition } = this.#keyOf(b, keyStart, keyEnd)
      this.#replay.offset(group, topic, partition, valueSize < 0 ? null : readOffset(b, valueStart, valueStart + valueSize))
    } else if (type === GroupMetadata.type) {
      const { group } = GroupMetadata.key.at(0).decode(b, keyStart + 2, keyEnd)
      this.#replay.group(group, valueSize < 0 ? null : readGroup(b, valueStart, valueStart + valueSize))
    }
  }

  #keyOf(b: Buffer, start: number, end: number): OffsetKey {
    const raw = b.toString('latin1', start + 2, end)
    let key = this.#keys.get(raw)
    if (key === undefined) {
      if (this.#keys.size >= MAX_REMEMBERED_KEYS) this.#keys = new Map()
      this.#keys.set(raw, (key = OffsetCommit.key.at(0).decode(b, start + 2, end)))
    }
    return key
  }
}

const MAX_REMEMBERED_KEYS = 100_000
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024

function readOffset(b: Buffer, start: number, end: number): CommittedOffset {
  const value = OffsetCommit.value.at(b.readInt16BE(start)).decode(b, start + 2, end)
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp,
    topicId: value.topicId,
  }
}

/** The member's bytes are copied: they outlive the chunk of the log they were read from. */
function readGroup(b: Buffer, start: number, end: number): GroupMetadataValue {
  return GroupMetadata.decodeValue(Buffer.from(b.subarray(start, end))).value
}

export function partitionOfGroup(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(31, hash) + groupId.charCodeAt(i)) | 0
  // Kafka's Utils.abs: the smallest integer counts as 0.
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitionCount
}
