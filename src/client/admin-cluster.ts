// What an admin client asks about the cluster itself: the metadata quorum, the brokers with those that are fenced, and the log directories.
// Facts: KIP-595, KIP-836 and KIP-853 (DescribeQuorum; every broker hands it to the leader of the metadata log), KIP-700 and KIP-1073
// (DescribeCluster, fenced brokers from version 2 on), KIP-113 and KIP-827 (DescribeLogDirs, of one broker at a time).
import type { Connection } from '../net/connection.ts'
import { DescribeLogDirs } from '../protocol/api/35-describe-log-dirs.ts'
import { DescribeQuorum } from '../protocol/api/55-describe-quorum.ts'
import { DescribeCluster } from '../protocol/api/60-describe-cluster.ts'
import { KafkaError, NONE, UNKNOWN_SERVER_ERROR, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import type { ResponseOut } from '../protocol/schema.ts'
import { type Uuid, ZERO_UUID } from '../util/uuid.ts'
import type { BrokerEndpoint } from './metadata.ts'
import { refusal } from './operation.ts'

export interface QuorumDescription {
  /** -1: none at the moment. */
  readonly leaderId: number
  readonly leaderEpoch: number
  /** The end of what a majority of the voters has. */
  readonly highWatermark: number
  readonly voters: readonly QuorumReplica[]
  /** Nodes that follow without a voice. */
  readonly observers: readonly QuorumReplica[]
}

export interface QuorumReplica {
  readonly nodeId: number
  /** null when the leader does not know it. */
  readonly directoryId: Uuid | null
  /** -1: not known. */
  readonly logEndOffset: number
  /** By the leader's clock, in milliseconds since 1970; -1: not known. The leader's own is its time now. */
  readonly lastFetchTimestamp: number
  readonly lastCaughtUpTimestamp: number
}

export interface BrokerDescription extends BrokerEndpoint {
  /** Registered, but not in service: its process is gone or silent, or it has just started. */
  readonly isFenced: boolean
}

export interface LogDirDescription {
  readonly path: string
  /** What is wrong with it; undefined when it serves. */
  readonly error: KafkaError | undefined
  /** -1: not told. */
  readonly totalBytes: number
  readonly usableBytes: number
  readonly partitions: readonly LogDescription[]
}

export interface LogDescription {
  readonly topic: string
  readonly partition: number
  readonly sizeBytes: number
  /** How far it lies behind the high watermark. */
  readonly offsetLag: number
  /** On its way into this directory from another of the same broker. */
  readonly isFuture: boolean
}

const METADATA_TOPIC = '__cluster_metadata'
const FIRST_VERSION_WITH_FENCED = 2

interface AskOptions {
  readonly timeoutMs: number
}

/** @throws KafkaError NOT_LEADER_OR_FOLLOWER while there is no leader; UNSUPPORTED_VERSION from brokers without a quorum */
export async function askForQuorum(connection: Connection, options: AskOptions): Promise<QuorumDescription> {
  if (connection.versionOf(DescribeQuorum) === undefined)
    throw new KafkaError(UNSUPPORTED_VERSION, 'the broker knows no metadata quorum: it is of the time before KRaft')
  const request = { topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }] }
  const answer = await connection.request(DescribeQuorum, request, options)
  const partition = answer.topics[0]?.partitions[0]
  const [errorCode, message] =
    answer.errorCode !== NONE ? [answer.errorCode, answer.errorMessage] : [partition?.errorCode, partition?.errorMessage]
  if (partition === undefined || errorCode !== NONE)
    throw refusal(errorCode ?? UNKNOWN_SERVER_ERROR, 'the metadata quorum', (message ?? '') === '' ? null : message!)
  const { leaderId, leaderEpoch, highWatermark } = partition
  return {
    leaderId,
    leaderEpoch,
    highWatermark,
    voters: partition.currentVoters.map(quorumReplica),
    observers: partition.observers.map(quorumReplica),
  }
}

type ReplicaState = ResponseOut<typeof DescribeQuorum>['topics'][number]['partitions'][number]['observers'][number]

function quorumReplica({ replicaId, replicaDirectoryId, logEndOffset, ...times }: ReplicaState): QuorumReplica {
  const known = (replicaDirectoryId ?? ZERO_UUID) !== ZERO_UUID
  return { nodeId: replicaId, directoryId: known ? replicaDirectoryId : null, logEndOffset, ...times }
}

/** undefined where the broker is too old to tell fenced brokers. */
export async function askForFencedBrokers(connection: Connection, options: AskOptions): Promise<BrokerDescription[] | undefined> {
  if ((connection.versionOf(DescribeCluster) ?? 0) < FIRST_VERSION_WITH_FENCED) return undefined
  const answer = await connection.request(
    DescribeCluster,
    { includeClusterAuthorizedOperations: false, includeFencedBrokers: true },
    options,
  )
  if (answer.errorCode !== NONE) throw refusal(answer.errorCode, 'the cluster', answer.errorMessage)
  return answer.brokers.flatMap(({ brokerId: nodeId, host, port, rack, isFenced }) =>
    isFenced ? [{ nodeId, host, port, rack, isFenced }] : [],
  )
}

/** All logs of the broker at the other end. */
export async function askForLogDirs(connection: Connection, options: AskOptions): Promise<LogDirDescription[]> {
  const answer = await connection.request(DescribeLogDirs, { topics: null }, options)
  if (answer.errorCode !== NONE) throw refusal(answer.errorCode, 'the log directories', null)
  return answer.results.map(({ errorCode, logDir, topics, totalBytes, usableBytes }) => ({
    path: logDir,
    error: errorCode === NONE ? undefined : refusal(errorCode, logDir, null),
    totalBytes,
    usableBytes,
    partitions: topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
        topic: name,
        partition: partitionIndex,
        sizeBytes: partitionSize,
        offsetLag,
        isFuture: isFutureKey,
      })),
    ),
  }))
}
