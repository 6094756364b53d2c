// ListOffsets: where a partition begins and ends, and which record was the first at or after a time. KIP-79, KIP-734, KIP-405, KIP-1023.
// Timestamps below zero are questions: -1 latest (the high watermark), -2 earliest, -3 (v7) the record with the largest timestamp, -4 (v8) earliest
// on local disk, -5 (v9) latest tiered, -6 (v11) earliest not tiered yet. -1, -2, -4 … answer timestamp -1. Nothing found: offset -1, no error.
// Just after an election, while the high watermark may lie below what an earlier leader acknowledged: OFFSET_NOT_AVAILABLE (v<5: LEADER_NOT_AVAILABLE).

import type { PartitionLog } from '../../log/partition-log.ts'
import { ListOffsets } from '../../protocol/api/02-list-offsets.ts'
import {
  FENCED_LEADER_EPOCH,
  INVALID_REQUEST,
  KafkaError,
  LEADER_NOT_AVAILABLE,
  NONE,
  OFFSET_NOT_AVAILABLE,
  UNKNOWN_LEADER_EPOCH,
  UNKNOWN_TOPIC_OR_PARTITION,
  UNSUPPORTED_VERSION,
} from '../../protocol/errors.ts'
import type { RequestOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { CloseConnection, handler, type RequestContext } from '../handler.ts'
import { checkIsolationLevel } from '../isolation-level.ts'
import type { LocalReplica } from '../local-replica.ts'
import { knowsLatest } from '../replica.ts'
import type { Slices } from '../slices.ts'

type Question = RequestOf<typeof ListOffsets>['topics'][number]['partitions'][number]

interface Found {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
const FIRST_VERSION_OF: Readonly<Record<number, number>> = {
  [LATEST]: 1,
  [EARLIEST]: 1,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
}
const NOT_FOUND: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 }

export const listOffsets = handler(ListOffsets, {
  async answer(broker, request, context) {
    if (request.replicaId >= 0) return new CloseConnection('a replica lists offsets on a client listener')
    checkIsolationLevel(request.isolationLevel)
    const { slices } = context
    const twice = await askedTwice(request.topics, slices)
    const told = new Set<string>()
    const topics = []
    for (const { name, partitions } of request.topics) {
      const answers = []
      for (const question of partitions) {
        if (slices.isOver()) await slices.next()
        const key = `${name}/${question.partitionIndex}`
        if (told.has(key)) continue
        if (twice.has(key)) told.add(key)
        const looked = twice.has(key) ? INVALID_REQUEST : lookUp(broker, name, question, context)
        const found = looked instanceof Promise ? await looked : looked
        answers.push({
          partitionIndex: question.partitionIndex,
          ...(typeof found === 'number' ? { errorCode: found, offset: -1, timestamp: -1, leaderEpoch: -1 } : { errorCode: NONE, ...found }),
        })
      }
      if (answers.length > 0) topics.push({ name, partitions: answers })
    }
    return { topics }
  },
  failed: (request, { errorCode }) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
})

/** @returns the error code when there is no answer */
function lookUp(broker: Broker, name: string, question: Question, { version }: RequestContext): Found | number | Promise<Found | number> {
  if (question.timestamp < 0 && version < (FIRST_VERSION_OF[question.timestamp] ?? Number.POSITIVE_INFINITY)) return UNSUPPORTED_VERSION
  const topic = broker.image.topics.get(name)
  if (topic === undefined) return UNKNOWN_TOPIC_OR_PARTITION
  const replica = broker.replicas.leaderOf(topic, question.partitionIndex)
  if (typeof replica === 'number') return replica
  const { leaderEpoch } = replica.leader!
  if (question.currentLeaderEpoch !== -1 && question.currentLeaderEpoch !== leaderEpoch) {
    return question.currentLeaderEpoch < leaderEpoch ? FENCED_LEADER_EPOCH : UNKNOWN_LEADER_EPOCH
  }
  return answerTo(replica, question.timestamp, version)
}

function answerTo(replica: LocalReplica, timestamp: number, version: number): Found | number | Promise<Found | number> {
  const { log } = replica
  const { leaderEpoch, highWatermark } = replica.leader!
  const unavailable = version < 5 ? LEADER_NOT_AVAILABLE : OFFSET_NOT_AVAILABLE
  switch (timestamp) {
    case LATEST:
      return knowsLatest(replica.leader!) ? { offset: highWatermark, timestamp: -1, leaderEpoch } : unavailable
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { offset: log.logStartOffset, timestamp: -1, leaderEpoch: log.leaderEpochAt(log.logStartOffset) }
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOT_FOUND
    default:
      return search(log, timestamp, highWatermark).then(
        found => found ?? (replica.leader !== undefined && !knowsLatest(replica.leader) ? unavailable : NOT_FOUND),
      )
  }
}

/** @returns the error code when the log cannot be read */
async function search(log: PartitionLog, timestamp: number, endOffset: number): Promise<Found | undefined | number> {
  try {
    return await (timestamp === MAX_TIMESTAMP ? log.offsetOfMaxTimestamp(endOffset) : log.offsetForTimestamp(timestamp, endOffset))
  } catch (error) {
    if (error instanceof KafkaError) return error.code
    throw error
  }
}

async function askedTwice(topics: RequestOf<typeof ListOffsets>['topics'], slices: Slices): Promise<Set<string>> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      if (slices.isOver()) await slices.next()
      const key = `${name}/${partitionIndex}`
      if (seen.has(key)) twice.add(key)
      seen.add(key)
    }
  }
  return twice
}
