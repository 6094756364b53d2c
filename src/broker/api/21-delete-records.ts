// DeleteRecords: moves the log start offset forward. KIP-107, kafka.server.ReplicaManager.deleteRecordsOnLocalLog.
// Offset -1 means the high watermark; one above it, or below -1, is OFFSET_OUT_OF_RANGE; one at or below the log start changes nothing and answers
// the log start. Records of a topic without the delete policy, and of internal topics, are not deleted by clients.
// The answer waits until the new start is on disk, on all live replicas, or the timeout is over. Segments wholly below it go at once after that: Kafka lets them wait for its next retention run,
// and then for file.delete.delay.ms, but who deletes records wants the space.
import { DeleteRecords } from '../../protocol/api/21-delete-records.ts'
import {
  INVALID_TOPIC_EXCEPTION,
  KafkaError,
  NONE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  POLICY_VIOLATION,
  REQUEST_TIMED_OUT,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../protocol/errors.ts'
import type { Broker } from '../broker.ts'
import { ROOM_TO_DELETE_BYTES } from '../disk-room.ts'
import { handler } from '../handler.ts'
import { isInternalTopic } from '../internal-topics.ts'
import type { LocalReplica } from '../local-replica.ts'

const HIGH_WATERMARK = -1
const NO_LOW_WATERMARK = -1

export const deleteRecords = handler(DeleteRecords, {
  async answer(broker, { topics, timeoutMs }) {
    await broker.diskRoom.require(ROOM_TO_DELETE_BYTES)
    const answered = [...merged(topics)].map(async ([name, offsets]) => ({
      name,
      partitions: await Promise.all(
        [...offsets].map(async ([partitionIndex, offset]) => ({
          partitionIndex,
          ...(await deleteBefore(broker, name, { partition: partitionIndex, offset, timeoutMs })),
        })),
      ),
    }))
    return { topics: await Promise.all(answered) }
  },
  failed: ({ topics }, { errorCode }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode, lowWatermark: NO_LOW_WATERMARK })),
    })),
  }),
})

/** What stands in a request twice is answered once, for the last offset, as in Kafka. */
function merged(
  topics: readonly { name: string; partitions: readonly { partitionIndex: number; offset: number }[] }[],
): Map<string, Map<number, number>> {
  const wanted = new Map<string, Map<number, number>>()
  for (const { name, partitions } of topics) {
    if (partitions.length === 0) continue
    let offsets = wanted.get(name)
    if (offsets === undefined) wanted.set(name, (offsets = new Map()))
    for (const { partitionIndex, offset } of partitions) offsets.set(partitionIndex, offset)
  }
  return wanted
}

interface Deleted {
  readonly errorCode: number
  readonly lowWatermark: number
}

async function deleteBefore(broker: Broker, name: string, o: { partition: number; offset: number; timeoutMs: number }): Promise<Deleted> {
  const topic = broker.image.topics.get(name)
  if (topic?.partitions[o.partition] === undefined) return refused(UNKNOWN_TOPIC_OR_PARTITION)
  if (isInternalTopic(name)) return refused(INVALID_TOPIC_EXCEPTION)
  const replica = broker.replicas.leaderOf(topic, o.partition)
  if (typeof replica === 'number') return refused(replica)
  if (!replica.log.config.cleanupPolicy.includes('delete')) return refused(POLICY_VIOLATION)
  const { highWatermark } = replica.leader!
  const offset = o.offset === HIGH_WATERMARK ? highWatermark : o.offset
  if (offset < 0 || offset > highWatermark) return refused(OFFSET_OUT_OF_RANGE)
  return moveStart(broker, replica, { offset, timeoutMs: o.timeoutMs })
}

async function moveStart(
  broker: Broker,
  replica: LocalReplica,
  { offset, timeoutMs }: { offset: number; timeoutMs: number },
): Promise<Deleted> {
  try {
    await replica.log.setLogStartOffset(offset)
  } catch (error) {
    if (error instanceof KafkaError) return refused(error.code)
    throw error
  }
  broker.replicas.dropExpired(replica)
  replica.logStartMoved()
  const errorCode = replica.leader === undefined ? NOT_LEADER_OR_FOLLOWER : await goneEverywhere(broker, replica, { offset, timeoutMs })
  return errorCode === NONE ? { errorCode, lowWatermark: replica.lowWatermark } : refused(errorCode)
}

/** Followers tell their log start when they fetch. */
function goneEverywhere(
  broker: Broker,
  replica: LocalReplica,
  { offset, timeoutMs }: { offset: number; timeoutMs: number },
): Promise<number> | number {
  if (replica.lowWatermark >= offset) return NONE
  return new Promise(resolve => {
    const timer = broker.env.clock.setTimer(Math.max(0, timeoutMs), () => resolve(REQUEST_TIMED_OUT))
    const settle = (_: number, errorCode: number) => {
      timer.cancel()
      resolve(errorCode)
    }
    replica.lowWatermarkWaits.add(offset, { settle }, 0)
  })
}

function refused(errorCode: number): Deleted {
  return { errorCode, lowWatermark: NO_LOW_WATERMARK }
}
