// What brokers ask of the controller, wherever it is: the controller itself (controller.ts) answers it, and so does the way to one on another
// node (router.ts).
import type { CreateTopics } from '../protocol/api/19-create-topics.ts'
import type { DeleteTopics } from '../protocol/api/20-delete-topics.ts'
import type { AlterConfigs } from '../protocol/api/33-alter-configs.ts'
import type { CreatePartitions } from '../protocol/api/37-create-partitions.ts'
import type { ElectLeaders } from '../protocol/api/43-elect-leaders.ts'
import type { IncrementalAlterConfigs } from '../protocol/api/44-incremental-alter-configs.ts'
import type { DescribeQuorum } from '../protocol/api/55-describe-quorum.ts'
import type { UpdateFeatures } from '../protocol/api/57-update-features.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import type { BrokerIncarnation, BrokerRegistration, RuinedReplica } from './brokers.ts'
import type { ApiError } from './decision.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from './heartbeats.ts'
import type { AlterPartitionAnswer, AlterPartitionRequest } from './isr-changes.ts'
import type { ProducerIdBlock } from './producer-ids.ts'

export interface Answer<T> {
  readonly response: T
  /** Who has applied the metadata log up to here (MetadataPublisher.whenApplied) sees what was decided. */
  readonly offset: number
}

/**
 * Requests and responses are plain data. Expected failures are error codes in the response.
 * The controller rejects with KafkaError NOT_CONTROLLER when it is not here, or stopped being here before the decision was agreed on; it may have been
 * agreed on all the same. The router asks again until its deadline, and then rejects with REQUEST_TIMED_OUT: so every operation is safe to repeat,
 * though its second answer may tell of the first (TOPIC_ALREADY_EXISTS).
 */
export interface ControllerOperations {
  createTopics(request: RequestOf<typeof CreateTopics>): Promise<Answer<ResponseOf<typeof CreateTopics>>>
  deleteTopics(request: RequestOf<typeof DeleteTopics>): Promise<Answer<ResponseOf<typeof DeleteTopics>>>
  createPartitions(request: RequestOf<typeof CreatePartitions>): Promise<Answer<ResponseOf<typeof CreatePartitions>>>
  incrementalAlterConfigs(request: RequestOf<typeof IncrementalAlterConfigs>): Promise<Answer<ResponseOf<typeof IncrementalAlterConfigs>>>
  alterConfigs(request: RequestOf<typeof AlterConfigs>): Promise<Answer<ResponseOf<typeof AlterConfigs>>>
  electLeaders(request: RequestOf<typeof ElectLeaders>): Promise<Answer<ResponseOf<typeof ElectLeaders>>>
  updateFeatures(request: RequestOf<typeof UpdateFeatures>): Promise<Answer<ResponseOf<typeof UpdateFeatures>>>
  /** Decides nothing: who leads knows how far everybody is. */
  describeQuorum(request: RequestOf<typeof DescribeQuorum>): Promise<Answer<ResponseOf<typeof DescribeQuorum>>>
  /** The leader of partitions changes who is in sync with it. It learns of the change from the metadata log. */
  alterPartition(request: AlterPartitionRequest): Promise<Answer<AlterPartitionAnswer>>
  /** To be sent every broker.heartbeat.interval.ms, by every process that is registered. */
  heartbeat(request: HeartbeatRequest): Promise<Answer<HeartbeatAnswer>>
  /** A broker found one of its logs damaged while it ran. */
  ruinReplica(replica: RuinedReplica): Promise<Answer<ApiError>>
  registerBroker(registration: BrokerRegistration): Promise<Answer<ApiError & { readonly brokerEpoch: number }>>
  fenceBroker(request: BrokerIncarnation & { readonly fenced: boolean }): Promise<Answer<ApiError>>
  unregisterBroker(brokerId: number): Promise<Answer<ApiError>>
  allocateProducerIds(incarnation: BrokerIncarnation): Promise<Answer<ApiError & ProducerIdBlock>>
}
