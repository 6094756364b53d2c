// DeleteRecords for the admin client: each leader is asked for its partitions. Facts: KIP-107. An offset of -1 is the high watermark.
import { DeleteRecords } from '../protocol/api/21-delete-records.ts'
import * as errors from '../protocol/errors.ts'
import type { Cluster } from './cluster.ts'
import type { TopicPartition } from './group/assignment.ts'
import { leaderOf } from './metadata.ts'
import { ANSWER_MARGIN_MS, type Deadline, refusal, retrying } from './operation.ts'
import { UNKNOWN_GRACE_MS } from './retry.ts'

export interface RecordsToDelete extends TopicPartition {
  /** The first that stays; `'all'`: none of those that are there now. */
  readonly beforeOffset: number | 'all'
}

export interface DeletedRecords extends TopicPartition {
  /** Where the partition begins now. */
  readonly logStartOffset: number
}

const HIGH_WATERMARK = -1

/** @throws the first refusal */
export function deleteRecords(cluster: Cluster, partitions: readonly RecordsToDelete[], deadline: Deadline): Promise<DeletedRecords[]> {
  return Promise.all(partitions.map(partition => deleteBefore(cluster, partition, deadline)))
}

async function deleteBefore(
  cluster: Cluster,
  { topic, partition, beforeOffset }: RecordsToDelete,
  deadline: Deadline,
): Promise<DeletedRecords> {
  cluster.want(topic)
  const offset = beforeOffset === 'all' ? HIGH_WATERMARK : beforeOffset
  const outcome = await retrying(cluster, deadline, async () => {
    const leader = await leaderNode(cluster, { topic, partition }, deadline)
    if (typeof leader !== 'number') return leader
    const connection = await cluster.connection(leader)
    const timeoutMs = Math.ceil(Math.min(deadline.leftMs, cluster.options.requestTimeoutMs))
    const request = { topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }], timeoutMs }
    const answer = await connection.request(DeleteRecords, request, { timeoutMs: timeoutMs + ANSWER_MARGIN_MS })
    const { errorCode, lowWatermark } = answer.topics[0]?.partitions[0] ?? { errorCode: errors.UNKNOWN_SERVER_ERROR, lowWatermark: -1 }
    if (errorCode !== errors.NONE) throw refusal(errorCode, `deleting records of ${topic}-${partition}`, null)
    return lowWatermark
  })
  if (typeof outcome !== 'number') throw outcome
  return { topic, partition, logStartOffset: outcome }
}

/** The error is one that waiting does not cure, whatever its code says. */
function leaderNode(cluster: Cluster, { topic, partition }: TopicPartition, deadline: Deadline): Promise<number | errors.KafkaError> {
  const { metadata } = cluster
  const look = (): number | errors.KafkaError | undefined => {
    const code = metadata.topicErrors.get(topic)?.errorCode ?? errors.NONE
    if (code !== errors.NONE && (!errors.isRetriable(code) || deadline.elapsedMs > UNKNOWN_GRACE_MS))
      return refusal(code, `topic '${topic}'`, null)
    const count = metadata.topics.get(topic)?.partitions.length
    if (count !== undefined && partition >= count) {
      const message = `topic '${topic}' has partitions 0 to ${count - 1}, not ${partition}`
      return new errors.KafkaError(errors.UNKNOWN_TOPIC_OR_PARTITION, message)
    }
    return leaderOf(metadata, topic, partition)?.leaderId
  }
  return cluster.until(look, { timeoutMs: deadline.leftMs, goal: `the leader of ${topic}-${partition}` })
}
