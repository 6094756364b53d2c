// AlterPartition: the leader of a partition changes who is in sync with it.
// Facts: KIP-497, KIP-841, KIP-903 (a member is a broker *and* its epoch), KIP-966; org.apache.kafka.controller.ReplicationControlManager
// (validateAlterPartitionData), whose order of checks this is. Who leaves an ISR that falls below min.insync.replicas joins the ELR.
// Where we differ from Kafka: the answer holds no state, since a leader takes its ISR from the metadata log alone (DESIGN rule 1); a member without a
// broker epoch is ineligible; who shuts down stays a member where it is one, so that others can still join, and a leader that does hands over to them.
import {
  FENCED_LEADER_EPOCH,
  INELIGIBLE_REPLICA,
  INVALID_REQUEST,
  INVALID_UPDATE_VERSION,
  NONE,
  NOT_CONTROLLER,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import { type BrokerIncarnation, currentBroker } from './brokers.ts'
import { type Decision, type DecisionContext, duplicatesOf, minInsyncReplicas, uncleanElectionEnabled } from './decision.ts'
import type { MetadataImage, PartitionImage } from './image.ts'
import { changePartition, presence } from './partitions.ts'
import type { MetadataRecord } from './records.ts'

export interface AlterPartitionRequest extends BrokerIncarnation {
  readonly topics: readonly {
    readonly topicId: Uuid
    readonly partitions: readonly IsrChange[]
  }[]
}

export interface IsrChange {
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** With the leader; in any order. */
  readonly newIsr: readonly BrokerIncarnation[]
}

export interface AlterPartitionAnswer {
  /** BROKER_ID_NOT_REGISTERED | STALE_BROKER_EPOCH: then nothing was looked at. */
  readonly errorCode: number
  readonly topics: readonly {
    readonly topicId: Uuid
    readonly partitions: readonly {
      readonly partition: number
      /**
       * UNKNOWN_TOPIC_ID | UNKNOWN_TOPIC_OR_PARTITION | NOT_CONTROLLER (the leader knows more than this controller) | FENCED_LEADER_EPOCH |
       * INVALID_REQUEST (not the leader, or not an ISR of this partition) | INVALID_UPDATE_VERSION | INELIGIBLE_REPLICA
       */
      readonly errorCode: number
    }[]
  }[]
}

/** Each partition succeeds or fails alone. */
export function decideAlterPartition(
  image: MetadataImage,
  request: AlterPartitionRequest,
  context: DecisionContext,
): Decision<AlterPartitionAnswer> {
  const broker = currentBroker(image, request)
  if ('errorCode' in broker) return { records: [], response: { errorCode: broker.errorCode, topics: [] } }
  const records: MetadataRecord[] = []
  const changed = new Set<PartitionImage>()
  const topics = request.topics.map(({ topicId, partitions }) => {
    const topic = image.topicsById.get(topicId)
    const answers = partitions.map(change => {
      const { partition } = change
      if (topic === undefined) return { partition, errorCode: UNKNOWN_TOPIC_ID }
      const before = topic.partitions[partition]
      if (before === undefined) return { partition, errorCode: UNKNOWN_TOPIC_OR_PARTITION }
      const errorCode = changed.has(before) ? INVALID_UPDATE_VERSION : refusal(image, before, { ...change, brokerId: request.brokerId })
      if (errorCode !== NONE) return { partition, errorCode }
      const members = change.newIsr.map(({ brokerId }) => brokerId)
      const state = changePartition(before, {
        ...presence(image),
        minInsyncReplicas: minInsyncReplicas(image, context, topic.name),
        uncleanElectionEnabled: uncleanElectionEnabled(image, context, topic.name),
        newIsr: before.replicas.filter(id => members.includes(id)),
      })
      if (state !== undefined) {
        changed.add(before)
        records.push({ type: 'partitionChanged', topicId, state })
      }
      return { partition, errorCode }
    })
    return { topicId, partitions: answers }
  })
  return { records, response: { errorCode: NONE, topics } }
}

function refusal(image: MetadataImage, before: PartitionImage, change: IsrChange & { readonly brokerId: number }): number {
  const { brokerId, leaderEpoch, partitionEpoch, newIsr } = change
  if (leaderEpoch > before.leaderEpoch || partitionEpoch > before.partitionEpoch) return NOT_CONTROLLER
  if (leaderEpoch < before.leaderEpoch) return FENCED_LEADER_EPOCH
  if (brokerId !== before.leader) return INVALID_REQUEST
  if (partitionEpoch < before.partitionEpoch) return INVALID_UPDATE_VERSION
  const ids = newIsr.map(member => member.brokerId)
  const isIsr = ids.includes(before.leader) && ids.every(id => before.replicas.includes(id)) && duplicatesOf(ids).size === 0
  if (!isIsr) return INVALID_REQUEST
  return newIsr.every(member => isEligible(image, before, member)) ? NONE : INELIGIBLE_REPLICA
}

function isEligible(image: MetadataImage, { isr }: PartitionImage, { brokerId, brokerEpoch }: BrokerIncarnation): boolean {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined || broker.fenced || broker.brokerEpoch !== brokerEpoch) return false
  return !broker.shuttingDown || isr.includes(brokerId)
}
