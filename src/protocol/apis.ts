// Every API of Kafka 4.4 in all the versions whose layout is known, unstable and internal ones included. A broker advertises less (its own table).
// Keys 4 to 7 (LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown) went with ZooKeeper in Kafka 4.0.
import { Produce } from './api/00-produce.ts'
import { Fetch } from './api/01-fetch.ts'
import { ListOffsets } from './api/02-list-offsets.ts'
import { Metadata } from './api/03-metadata.ts'
import { OffsetCommit } from './api/08-offset-commit.ts'
import { OffsetFetch } from './api/09-offset-fetch.ts'
import { FindCoordinator } from './api/10-find-coordinator.ts'
import { JoinGroup } from './api/11-join-group.ts'
import { Heartbeat } from './api/12-heartbeat.ts'
import { LeaveGroup } from './api/13-leave-group.ts'
import { SyncGroup } from './api/14-sync-group.ts'
import { DescribeGroups } from './api/15-describe-groups.ts'
import { ListGroups } from './api/16-list-groups.ts'
import { SaslHandshake } from './api/17-sasl-handshake.ts'
import { ApiVersions } from './api/18-api-versions.ts'
import { CreateTopics } from './api/19-create-topics.ts'
import { DeleteTopics } from './api/20-delete-topics.ts'
import { DeleteRecords } from './api/21-delete-records.ts'
import { InitProducerId } from './api/22-init-producer-id.ts'
import { OffsetForLeaderEpoch } from './api/23-offset-for-leader-epoch.ts'
import { AddPartitionsToTxn } from './api/24-add-partitions-to-txn.ts'
import { AddOffsetsToTxn } from './api/25-add-offsets-to-txn.ts'
import { EndTxn } from './api/26-end-txn.ts'
import { WriteTxnMarkers } from './api/27-write-txn-markers.ts'
import { TxnOffsetCommit } from './api/28-txn-offset-commit.ts'
import { DescribeAcls } from './api/29-describe-acls.ts'
import { CreateAcls } from './api/30-create-acls.ts'
import { DeleteAcls } from './api/31-delete-acls.ts'
import { DescribeConfigs } from './api/32-describe-configs.ts'
import { AlterConfigs } from './api/33-alter-configs.ts'
import { AlterReplicaLogDirs } from './api/34-alter-replica-log-dirs.ts'
import { DescribeLogDirs } from './api/35-describe-log-dirs.ts'
import { SaslAuthenticate } from './api/36-sasl-authenticate.ts'
import { CreatePartitions } from './api/37-create-partitions.ts'
import { CreateDelegationToken } from './api/38-create-delegation-token.ts'
import { RenewDelegationToken } from './api/39-renew-delegation-token.ts'
import { ExpireDelegationToken } from './api/40-expire-delegation-token.ts'
import { DescribeDelegationToken } from './api/41-describe-delegation-token.ts'
import { DeleteGroups } from './api/42-delete-groups.ts'
import { ElectLeaders } from './api/43-elect-leaders.ts'
import { IncrementalAlterConfigs } from './api/44-incremental-alter-configs.ts'
import { AlterPartitionReassignments } from './api/45-alter-partition-reassignments.ts'
import { ListPartitionReassignments } from './api/46-list-partition-reassignments.ts'
import { OffsetDelete } from './api/47-offset-delete.ts'
import { DescribeClientQuotas } from './api/48-describe-client-quotas.ts'
import { AlterClientQuotas } from './api/49-alter-client-quotas.ts'
import { DescribeUserScramCredentials } from './api/50-describe-user-scram-credentials.ts'
import { AlterUserScramCredentials } from './api/51-alter-user-scram-credentials.ts'
import { Vote } from './api/52-vote.ts'
import { BeginQuorumEpoch } from './api/53-begin-quorum-epoch.ts'
import { EndQuorumEpoch } from './api/54-end-quorum-epoch.ts'
import { DescribeQuorum } from './api/55-describe-quorum.ts'
import { AlterPartition } from './api/56-alter-partition.ts'
import { UpdateFeatures } from './api/57-update-features.ts'
import { Envelope } from './api/58-envelope.ts'
import { FetchSnapshot } from './api/59-fetch-snapshot.ts'
import { DescribeCluster } from './api/60-describe-cluster.ts'
import { DescribeProducers } from './api/61-describe-producers.ts'
import { BrokerRegistration } from './api/62-broker-registration.ts'
import { BrokerHeartbeat } from './api/63-broker-heartbeat.ts'
import { UnregisterBroker } from './api/64-unregister-broker.ts'
import { DescribeTransactions } from './api/65-describe-transactions.ts'
import { ListTransactions } from './api/66-list-transactions.ts'
import { AllocateProducerIds } from './api/67-allocate-producer-ids.ts'
import { ConsumerGroupHeartbeat } from './api/68-consumer-group-heartbeat.ts'
import { ConsumerGroupDescribe } from './api/69-consumer-group-describe.ts'
import { ControllerRegistration } from './api/70-controller-registration.ts'
import { GetTelemetrySubscriptions } from './api/71-get-telemetry-subscriptions.ts'
import { PushTelemetry } from './api/72-push-telemetry.ts'
import { AssignReplicasToDirs } from './api/73-assign-replicas-to-dirs.ts'
import { ListConfigResources } from './api/74-list-config-resources.ts'
import { DescribeTopicPartitions } from './api/75-describe-topic-partitions.ts'
import { ShareGroupHeartbeat } from './api/76-share-group-heartbeat.ts'
import { ShareGroupDescribe } from './api/77-share-group-describe.ts'
import { ShareFetch } from './api/78-share-fetch.ts'
import { ShareAcknowledge } from './api/79-share-acknowledge.ts'
import { AddRaftVoter } from './api/80-add-raft-voter.ts'
import { RemoveRaftVoter } from './api/81-remove-raft-voter.ts'
import { UpdateRaftVoter } from './api/82-update-raft-voter.ts'
import { InitializeShareGroupState } from './api/83-initialize-share-group-state.ts'
import { ReadShareGroupState } from './api/84-read-share-group-state.ts'
import { WriteShareGroupState } from './api/85-write-share-group-state.ts'
import { DeleteShareGroupState } from './api/86-delete-share-group-state.ts'
import { ReadShareGroupStateSummary } from './api/87-read-share-group-state-summary.ts'
import { StreamsGroupHeartbeat } from './api/88-streams-group-heartbeat.ts'
import { StreamsGroupDescribe } from './api/89-streams-group-describe.ts'
import { DescribeShareGroupOffsets } from './api/90-describe-share-group-offsets.ts'
import { AlterShareGroupOffsets } from './api/91-alter-share-group-offsets.ts'
import { DeleteShareGroupOffsets } from './api/92-delete-share-group-offsets.ts'
import { StreamsGroupTopologyDescriptionUpdate } from './api/93-streams-group-topology-description-update.ts'
import { UnregisterController } from './api/94-unregister-controller.ts'
import type { Api } from './schema.ts'

export {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  AddRaftVoter,
  AllocateProducerIds,
  AlterClientQuotas,
  AlterConfigs,
  AlterPartition,
  AlterPartitionReassignments,
  AlterReplicaLogDirs,
  AlterShareGroupOffsets,
  AlterUserScramCredentials,
  ApiVersions,
  AssignReplicasToDirs,
  BeginQuorumEpoch,
  BrokerHeartbeat,
  BrokerRegistration,
  ConsumerGroupDescribe,
  ConsumerGroupHeartbeat,
  ControllerRegistration,
  CreateAcls,
  CreateDelegationToken,
  CreatePartitions,
  CreateTopics,
  DeleteAcls,
  DeleteGroups,
  DeleteRecords,
  DeleteShareGroupOffsets,
  DeleteShareGroupState,
  DeleteTopics,
  DescribeAcls,
  DescribeClientQuotas,
  DescribeCluster,
  DescribeConfigs,
  DescribeDelegationToken,
  DescribeGroups,
  DescribeLogDirs,
  DescribeProducers,
  DescribeQuorum,
  DescribeShareGroupOffsets,
  DescribeTopicPartitions,
  DescribeTransactions,
  DescribeUserScramCredentials,
  ElectLeaders,
  EndQuorumEpoch,
  EndTxn,
  Envelope,
  ExpireDelegationToken,
  Fetch,
  FetchSnapshot,
  FindCoordinator,
  GetTelemetrySubscriptions,
  Heartbeat,
  IncrementalAlterConfigs,
  InitializeShareGroupState,
  InitProducerId,
  JoinGroup,
  LeaveGroup,
  ListConfigResources,
  ListGroups,
  ListOffsets,
  ListPartitionReassignments,
  ListTransactions,
  Metadata,
  OffsetCommit,
  OffsetDelete,
  OffsetFetch,
  OffsetForLeaderEpoch,
  Produce,
  PushTelemetry,
  ReadShareGroupState,
  ReadShareGroupStateSummary,
  RemoveRaftVoter,
  RenewDelegationToken,
  SaslAuthenticate,
  SaslHandshake,
  ShareAcknowledge,
  ShareFetch,
  ShareGroupDescribe,
  ShareGroupHeartbeat,
  StreamsGroupDescribe,
  StreamsGroupHeartbeat,
  StreamsGroupTopologyDescriptionUpdate,
  SyncGroup,
  TxnOffsetCommit,
  UnregisterBroker,
  UnregisterController,
  UpdateFeatures,
  UpdateRaftVoter,
  Vote,
  WriteShareGroupState,
  WriteTxnMarkers,
}

/** In ascending order of their keys. */
export const APIS: readonly Api[] = [
  Produce,
  Fetch,
  ListOffsets,
  Metadata,
  OffsetCommit,
  OffsetFetch,
  FindCoordinator,
  JoinGroup,
  Heartbeat,
  LeaveGroup,
  SyncGroup,
  DescribeGroups,
  ListGroups,
  SaslHandshake,
  ApiVersions,
  CreateTopics,
  DeleteTopics,
  DeleteRecords,
  InitProducerId,
  OffsetForLeaderEpoch,
  AddPartitionsToTxn,
  AddOffsetsToTxn,
  EndTxn,
  WriteTxnMarkers,
  TxnOffsetCommit,
  DescribeAcls,
  CreateAcls,
  DeleteAcls,
  DescribeConfigs,
  AlterConfigs,
  AlterReplicaLogDirs,
  DescribeLogDirs,
  SaslAuthenticate,
  CreatePartitions,
  CreateDelegationToken,
  RenewDelegationToken,
  ExpireDelegationToken,
  DescribeDelegationToken,
  DeleteGroups,
  ElectLeaders,
  IncrementalAlterConfigs,
  AlterPartitionReassignments,
  ListPartitionReassignments,
  OffsetDelete,
  DescribeClientQuotas,
  AlterClientQuotas,
  DescribeUserScramCredentials,
  AlterUserScramCredentials,
  Vote,
  BeginQuorumEpoch,
  EndQuorumEpoch,
  DescribeQuorum,
  AlterPartition,
  UpdateFeatures,
  Envelope,
  FetchSnapshot,
  DescribeCluster,
  DescribeProducers,
  BrokerRegistration,
  BrokerHeartbeat,
  UnregisterBroker,
  DescribeTransactions,
  ListTransactions,
  AllocateProducerIds,
  ConsumerGroupHeartbeat,
  ConsumerGroupDescribe,
  ControllerRegistration,
  GetTelemetrySubscriptions,
  PushTelemetry,
  AssignReplicasToDirs,
  ListConfigResources,
  DescribeTopicPartitions,
  ShareGroupHeartbeat,
  ShareGroupDescribe,
  ShareFetch,
  ShareAcknowledge,
  AddRaftVoter,
  RemoveRaftVoter,
  UpdateRaftVoter,
  InitializeShareGroupState,
  ReadShareGroupState,
  WriteShareGroupState,
  DeleteShareGroupState,
  ReadShareGroupStateSummary,
  StreamsGroupHeartbeat,
  StreamsGroupDescribe,
  DescribeShareGroupOffsets,
  AlterShareGroupOffsets,
  DeleteShareGroupOffsets,
  StreamsGroupTopologyDescriptionUpdate,
  UnregisterController,
]

const BY_KEY: (Api | undefined)[] = []
for (const api of APIS) BY_KEY[api.key] = api

export function apiByKey(key: number): Api | undefined {
  return BY_KEY[key]
}
