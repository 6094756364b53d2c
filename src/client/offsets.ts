// Offsets by name or by time, asked of each partition's leader.
// Facts: KIP-79. -1 latest, -2 earliest, -3 the record with the largest timestamp (version 7, KIP-734); a timestamp finds the first record
// that is not older. Nothing found is offset -1. With read_committed the latest offset is the last stable one (version 2).
import { sleep } from '../env/env.ts'
import { ListOffsets } from '../protocol/api/02-list-offsets.ts'
import { isRetriable, KafkaError, NONE, UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import type { Cluster } from './cluster.ts'
import { leaderOf, type PartitionMetadata } from './metadata.ts'
import { asFailure, type Deadline, mayWorkLater, refusal } from './operation.ts'
import { asksForMetadata, backoffMs, UNKNOWN_GRACE_MS } from './retry.ts'

export type IsolationLevel = 'read_uncommitted' | 'read_committed'

/** `latest`: the offset the next record will get. A timestamp: the first record at or after it, in milliseconds since 1970. */
export type OffsetSpec = 'earliest' | 'latest' | 'maxTimestamp' | { readonly timestamp: number }

export interface OffsetQuery {
  readonly topic: string
  readonly partition: number
  readonly spec: OffsetSpec
}

export interface FoundOffset {
  readonly topic: string
  readonly partition: number
  /** -1: there is no such record. */
  readonly offset: number
  /** Of the record found by time, else -1. */
  readonly timestamp: number
  /** -1 when the broker does not say. */
  readonly leaderEpoch: number
}

interface LookupOptions {
  readonly isolationLevel: IsolationLevel
  readonly deadline: Deadline
}

interface Open {
  readonly index: number
  readonly query: OffsetQuery
  failure: Error | undefined
}

/** One result or error per query, in their order. Rejects when the client is closed. */
export function lookUpOffsets(cluster: Cluster, queries: readonly OffsetQuery[], options: LookupOptions): Promise<(FoundOffset | Error)[]> {
  return cluster.occupancy.during(() => lookUp(cluster, queries, options))
}

async function lookUp(cluster: Cluster, queries: readonly OffsetQuery[], options: LookupOptions): Promise<(FoundOffset | Error)[]> {
  const { deadline } = options
  const results: (FoundOffset | Error)[] = []
  let open = queries.map((query, index): Open => ({ index, query, failure: undefined }))
  for (const { topic } of queries) cluster.want(topic)
  for (let attempts = 1; ; attempts++) {
    const { groups, unled } = byLeader(cluster, open)
    await Promise.all([...groups].map(([nodeId, group]) => askLeader(cluster, nodeId, group, options, results)))
    for (const { index, query } of unled) {
      const hopeless = whyHopeless(cluster, query, deadline)
      if (hopeless !== undefined) results[index] = hopeless
    }
    open = open.filter(({ index }) => results[index] === undefined)
    if (open.length === 0) return results
    const failed = open.some(({ failure }) => failure !== undefined)
    if (!failed && unled.length === 0) continue
    const waitMs = backoffMs(cluster.options.backoff, attempts, cluster.env.random.fraction())
    if (waitMs >= deadline.leftMs) break
    if (unled.length > 0) cluster.stale()
    if (failed) await sleep(cluster.env.clock, waitMs)
    else await cluster.changed(waitMs)
  }
  for (const { index, query, failure } of open) {
    results[index] =
      failure ?? cluster.unreachable(`the leader of ${query.topic}-${query.partition} was not found in ${deadline.timeoutMs} ms`)
  }
  return results
}

type Led = { readonly entry: Open; readonly leader: PartitionMetadata }

/** Each partition once: a request must not name it twice. The second query for it has its turn in the next round. */
function byLeader(cluster: Cluster, open: readonly Open[]): { groups: Map<number, Led[]>; unled: Open[] } {
  const groups = new Map<number, Led[]>()
  const seen = new Set<string>()
  const unled: Open[] = []
  for (const entry of open) {
    const { topic, partition } = entry.query
    const leader = leaderOf(cluster.metadata, topic, partition)
    if (leader === undefined) {
      unled.push(entry)
    } else if (!seen.has(`${topic}-${partition}`)) {
      seen.add(`${topic}-${partition}`)
      const group = groups.get(leader.leaderId)
      if (group === undefined) groups.set(leader.leaderId, [{ entry, leader }])
      else group.push({ entry, leader })
    }
  }
  return { groups, unled }
}

async function askLeader(
  cluster: Cluster,
  nodeId: number,
  group: readonly Led[],
  options: LookupOptions,
  results: (FoundOffset | Error)[],
): Promise<void> {
  const byName = new Map<string, Open>()
  const topics = new Map<string, { partitionIndex: number; currentLeaderEpoch: number; timestamp: number }[]>()
  for (const { entry, leader } of group) {
    const { topic, partition, spec } = entry.query
    byName.set(`${topic}-${partition}`, entry)
    const partitions = topics.get(topic) ?? []
    topics.set(topic, partitions)
    partitions.push({ partitionIndex: partition, currentLeaderEpoch: leader.leaderEpoch, timestamp: timestampOf(spec) })
  }
  try {
    const connection = await cluster.connection(nodeId)
    if (group.some(({ entry }) => entry.query.spec === 'maxTimestamp') && (connection.versionOf(ListOffsets) ?? 0) < 7) {
      throw new KafkaError(UNSUPPORTED_VERSION, `${connection.host}:${connection.port} is too old to look up the largest timestamp`)
    }
    const timeoutMs = Math.ceil(Math.min(cluster.options.requestTimeoutMs, options.deadline.leftMs))
    const answer = await connection.request(
      ListOffsets,
      {
        replicaId: -1,
        isolationLevel: options.isolationLevel === 'read_committed' ? 1 : 0,
        topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        timeoutMs,
      },
      { timeoutMs },
    )
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode, offset, timestamp, leaderEpoch } of partitions) {
        const entry = byName.get(`${name}-${partitionIndex}`)
        if (entry === undefined) continue
        if (errorCode === NONE) {
          results[entry.index] = { topic: name, partition: partitionIndex, offset, timestamp, leaderEpoch }
          continue
        }
        if (asksForMetadata(errorCode)) cluster.stale()
        entry.failure = refusal(errorCode, `offset of ${name}-${partitionIndex}`, null)
        if (!isRetriable(errorCode)) results[entry.index] = entry.failure
      }
    }
  } catch (error) {
    const failure = asFailure(error)
    for (const { entry } of group) {
      entry.failure = failure
      if (!mayWorkLater(failure)) results[entry.index] = failure
    }
    cluster.stale()
  }
}

function timestampOf(spec: OffsetSpec): number {
  if (spec === 'latest') return -1
  if (spec === 'earliest') return -2
  return spec === 'maxTimestamp' ? -3 : spec.timestamp
}

/** Waiting longer will not find the leader. */
function whyHopeless(cluster: Cluster, { topic, partition }: OffsetQuery, deadline: Deadline): KafkaError | undefined {
  const code = cluster.metadata.topicErrors.get(topic)?.errorCode ?? NONE
  if (code !== NONE && !isRetriable(code)) return refusal(code, `topic '${topic}'`, null)
  if (deadline.elapsedMs < UNKNOWN_GRACE_MS) return undefined
  if (code === UNKNOWN_TOPIC_OR_PARTITION) return new KafkaError(code, `topic '${topic}' does not exist`)
  const count = cluster.metadata.topics.get(topic)?.partitions.length
  if (count === undefined || partition < count) return undefined
  return new KafkaError(UNKNOWN_TOPIC_OR_PARTITION, `topic '${topic}' has partitions 0 to ${count - 1}, not ${partition}`)
}
