// How clients are shown a partition (Metadata, DescribeTopicPartitions): like the metadata log has it, except that nobody is sent to a leader that
// cannot be reached, or to this broker while it does not serve the partition yet.
import type { PartitionImage, TopicImage } from '../metadata/image.ts'
import { LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND, NONE } from '../protocol/errors.ts'
import type { Broker } from './broker.ts'

export interface PartitionView {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaNodes: readonly number[]
  readonly isrNodes: readonly number[]
  readonly offlineReplicas: readonly number[]
}

/** @param listenerName  the listener the client came on: it must reach the leader by the same one */
export function viewOf(broker: Broker, topic: TopicImage, state: PartitionImage, listenerName: string): PartitionView {
  const errorCode = leaderError(broker, topic, state, listenerName)
  return {
    errorCode,
    partitionIndex: state.partition,
    leaderId: errorCode === NONE ? state.leader : -1,
    leaderEpoch: state.leaderEpoch,
    replicaNodes: state.replicas,
    isrNodes: state.isr,
    offlineReplicas: state.replicas.every(id => isAlive(broker, id)) ? NOBODY : state.replicas.filter(id => !isAlive(broker, id)),
  }
}

const NOBODY: readonly number[] = []

function leaderError(broker: Broker, topic: TopicImage, { leader, partition }: PartitionImage, listenerName: string): number {
  if (leader === -1 || !isAlive(broker, leader)) return LEADER_NOT_AVAILABLE
  if (leader === broker.nodeId && !broker.replicas.serves(topic.topicId, partition)) return LEADER_NOT_AVAILABLE
  return broker.endpointOf(leader, listenerName) === undefined ? LISTENER_NOT_FOUND : NONE
}

function isAlive(broker: Broker, brokerId: number): boolean {
  return broker.image.brokers.get(brokerId)?.fenced === false
}
