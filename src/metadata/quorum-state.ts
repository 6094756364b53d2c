// DescribeQuorum (55): who leads the metadata log, who votes, and how far they are. The response is the body of that API. KIP-595, KIP-836, KIP-853.
// Only the leader can tell. Its own fetch and catching up are always now, as in org.apache.kafka.raft.RaftUtil.
// Where we differ from Kafka: the endpoint of a voter is its internal listener, which takes no client; who is no broker, or alone, is shown without.
import type { DescribeQuorum } from '../protocol/api/55-describe-quorum.ts'
import { errorMessage, NONE, UNKNOWN_TOPIC_OR_PARTITION } from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import type { QuorumDescription, QuorumReplica } from '../raft/quorum.ts'
import { ZERO_UUID } from '../util/uuid.ts'
import type { MetadataImage } from './image.ts'

const TOPIC = '__cluster_metadata'

export function describeQuorum(
  image: MetadataImage,
  { topics }: RequestOf<typeof DescribeQuorum>,
  { quorum, wallTimeMs }: { readonly quorum: QuorumDescription; readonly wallTimeMs: number },
): ResponseOf<typeof DescribeQuorum> {
  const [first] = topics
  const isTheLog =
    topics.length === 1 && first!.topicName === TOPIC && first!.partitions.length === 1 && first!.partitions[0]!.partitionIndex === 0
  if (!isTheLog) return unknown(topics)
  const { leaderId, epoch, highWatermark, voters, observers } = quorum
  const state = ({ nodeId, directoryId, logEndOffset, lastFetchMs, lastCaughtUpMs }: QuorumReplica) => ({
    replicaId: nodeId,
    replicaDirectoryId: directoryId === '' ? ZERO_UUID : directoryId,
    logEndOffset,
    lastFetchTimestamp: nodeId === leaderId ? wallTimeMs : lastFetchMs,
    lastCaughtUpTimestamp: nodeId === leaderId ? wallTimeMs : lastCaughtUpMs,
  })
  const partition = {
    partitionIndex: 0,
    errorCode: NONE,
    leaderId,
    leaderEpoch: epoch,
    highWatermark,
    currentVoters: voters.map(state),
    observers: observers.map(state),
  }
  return {
    errorCode: NONE,
    topics: [{ topicName: TOPIC, partitions: [partition] }],
    nodes: voters.map(({ nodeId }) => {
      const listener = image.brokers.get(nodeId)?.internalListener
      return { nodeId, listeners: listener === undefined || listener === null ? [] : [{ name: 'INTERNAL', ...listener }] }
    }),
  }
}

function unknown(topics: RequestOf<typeof DescribeQuorum>['topics']): ResponseOf<typeof DescribeQuorum> {
  const error = { errorCode: UNKNOWN_TOPIC_OR_PARTITION, errorMessage: errorMessage(UNKNOWN_TOPIC_OR_PARTITION) }
  const nobody = { leaderId: 0, leaderEpoch: 0, highWatermark: 0, currentVoters: [], observers: [] }
  return {
    errorCode: NONE,
    topics: topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, ...error, ...nobody })),
    })),
    nodes: [],
  }
}
