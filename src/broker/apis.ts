// The handlers there are, one per advertised API. Adding one: its schema in protocol/api, its handler in broker/api, a line here, a line in
// advertised.ts.
import { produce } from './api/00-produce.ts'
import { fetch } from './api/01-fetch.ts'
import { listOffsets } from './api/02-list-offsets.ts'
import { metadata } from './api/03-metadata.ts'
import { offsetCommit } from './api/08-offset-commit.ts'
import { offsetFetch } from './api/09-offset-fetch.ts'
import { findCoordinator } from './api/10-find-coordinator.ts'
import { joinGroup } from './api/11-join-group.ts'
import { heartbeat } from './api/12-heartbeat.ts'
import { leaveGroup } from './api/13-leave-group.ts'
import { syncGroup } from './api/14-sync-group.ts'
import { describeGroups } from './api/15-describe-groups.ts'
import { listGroups } from './api/16-list-groups.ts'
import { apiVersions } from './api/18-api-versions.ts'
import { createTopics } from './api/19-create-topics.ts'
import { deleteTopics } from './api/20-delete-topics.ts'
import { deleteRecords } from './api/21-delete-records.ts'
import { initProducerId } from './api/22-init-producer-id.ts'
import { offsetForLeaderEpoch } from './api/23-offset-for-leader-epoch.ts'
import { describeConfigs } from './api/32-describe-configs.ts'
import { alterConfigs } from './api/33-alter-configs.ts'
import { describeLogDirs } from './api/35-describe-log-dirs.ts'
import { createPartitions } from './api/37-create-partitions.ts'
import { deleteGroups } from './api/42-delete-groups.ts'
import { electLeaders } from './api/43-elect-leaders.ts'
import { incrementalAlterConfigs } from './api/44-incremental-alter-configs.ts'
import { listPartitionReassignments } from './api/46-list-partition-reassignments.ts'
import { offsetDelete } from './api/47-offset-delete.ts'
import { describeQuorum } from './api/55-describe-quorum.ts'
import { updateFeatures } from './api/57-update-features.ts'
import { describeCluster } from './api/60-describe-cluster.ts'
import { describeProducers } from './api/61-describe-producers.ts'
import { unregisterBroker } from './api/64-unregister-broker.ts'
import { describeTopicPartitions } from './api/75-describe-topic-partitions.ts'
import type { Handler } from './handler.ts'

export { ADVERTISED } from './advertised.ts'

const ALL: readonly Handler[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  createPartitions,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  listPartitionReassignments,
  offsetDelete,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  unregisterBroker,
  describeTopicPartitions,
]

export const HANDLERS: ReadonlyMap<number, Handler> = new Map(ALL.map(handler => [handler.api.key, handler]))
