// ElectLeaders (43): the operator has the preferred replicas lead again, or an unclean leader elected. The response is the body of that API.
// Facts: KIP-183, KIP-460, org.apache.kafka.controller.ReplicationControlManager.electLeaders: asked for all partitions, those that need no election
// are left out of the answer, their topics are not.
import type { ElectLeaders } from '../protocol/api/43-elect-leaders.ts'
import {
  ELECTION_NOT_NEEDED,
  ELIGIBLE_LEADERS_NOT_AVAILABLE,
  INVALID_REQUEST,
  NONE,
  PREFERRED_LEADER_NOT_AVAILABLE,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import { type ApiError, apiError, type Decision, type DecisionContext, minInsyncReplicas, SUCCESS } from './decision.ts'
import { type MetadataImage, type PartitionImage, partitionOf } from './image.ts'
import { changePartition, isAvailable, presence } from './partitions.ts'
import type { MetadataRecord, PartitionState } from './records.ts'

const PREFERRED = 0
const UNCLEAN = 1

export function decideElectLeaders(
  image: MetadataImage,
  request: RequestOf<typeof ElectLeaders>,
  context: DecisionContext,
): Decision<ResponseOf<typeof ElectLeaders>> {
  const { electionType, topicPartitions } = request
  const records: MetadataRecord[] = []
  if (electionType !== PREFERRED && electionType !== UNCLEAN) return { records, response: unknownType(request) }
  const elected = new Set<string>()
  const asked =
    topicPartitions ?? [...image.topics.values()].map(({ name, partitions }) => ({ topic: name, partitions: [...partitions.keys()] }))
  const replicaElectionResults = asked.map(({ topic, partitions }) => {
    const answers = partitions.map(partitionId => {
      const before = partitionOf(image, topic, partitionId)
      if (before === undefined)
        return { partitionId, ...apiError(UNKNOWN_TOPIC_OR_PARTITION, `No such partition as ${topic}-${partitionId}`) }
      const after = electionType === PREFERRED ? electPreferred(image, before) : electUnclean(image, context, { topic, before })
      if ('errorCode' in after) return { partitionId, ...after }
      // Asked for twice it is elected once, and told twice.
      if (!elected.has(`${topic}/${partitionId}`))
        records.push({ type: 'partitionChanged', topicId: image.topics.get(topic)!.topicId, state: after })
      elected.add(`${topic}/${partitionId}`)
      return { partitionId, ...SUCCESS }
    })
    const partitionResult = topicPartitions === null ? answers.filter(({ errorCode }) => errorCode !== ELECTION_NOT_NEEDED) : answers
    return { topic, partitionResult }
  })
  return { records, response: { throttleTimeMs: 0, errorCode: NONE, replicaElectionResults } }
}

/** May the preferred replica lead, which does not? */
export function isUnbalanced({ leader, replicas, isr }: PartitionImage, isAvailable: (brokerId: number) => boolean): boolean {
  const preferred = replicas[0]!
  return leader !== -1 && leader !== preferred && isr.includes(preferred) && isAvailable(preferred)
}

/**
 * Leadership goes back to preferred replicas that are in sync again: of so many partitions at once.
 * Facts: ReplicationControlManager.maybeBalancePartitionLeaders; KIP-491's percentage is not looked at, as in KRaft.
 * @returns whether there are more
 */
export function decideBalance(image: MetadataImage, maxElections: number): Decision<boolean> {
  const available = isAvailable(image)
  const records: MetadataRecord[] = []
  for (const { topicId, partitions } of image.topics.values()) {
    for (const before of partitions) {
      if (!isUnbalanced(before, available)) continue
      if (records.length === maxElections) return { records, response: true }
      records.push({ type: 'partitionChanged', topicId, state: ledByPreferred(before) })
    }
  }
  return { records, response: false }
}

function ledByPreferred(before: PartitionImage): PartitionState {
  return { ...before, leader: before.replicas[0]!, leaderEpoch: before.leaderEpoch + 1, partitionEpoch: before.partitionEpoch + 1 }
}

function unknownType({ electionType, topicPartitions }: RequestOf<typeof ElectLeaders>): ResponseOf<typeof ElectLeaders> {
  const error = apiError(INVALID_REQUEST, `There is no election type ${electionType}: 0 is preferred, 1 unclean`)
  const asked = topicPartitions ?? []
  return {
    throttleTimeMs: 0,
    errorCode: topicPartitions?.length === 0 ? NONE : INVALID_REQUEST,
    replicaElectionResults: asked.map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({ partitionId, ...error })),
    })),
  }
}

function electPreferred(image: MetadataImage, before: PartitionImage): PartitionState | ApiError {
  const preferred = before.replicas[0]!
  if (before.leader === preferred) return apiError(ELECTION_NOT_NEEDED)
  if (!before.isr.includes(preferred) || !isAvailable(image)(preferred)) return apiError(PREFERRED_LEADER_NOT_AVAILABLE)
  return ledByPreferred(before)
}

function electUnclean(
  image: MetadataImage,
  context: DecisionContext,
  { topic, before }: { readonly topic: string; readonly before: PartitionImage },
): PartitionState | ApiError {
  if (before.leader !== -1) return apiError(ELECTION_NOT_NEEDED)
  const after = changePartition(before, {
    ...presence(image),
    minInsyncReplicas: minInsyncReplicas(image, context, topic),
    uncleanElectionEnabled: false,
    uncleanRequested: true,
  })
  return after === undefined || after.leader === -1 ? apiError(ELIGIBLE_LEADERS_NOT_AVAILABLE) : after
}
