// The types of records in the coordinators' topics, to find the layout by the type in a key.
import { GroupMetadata, LegacyOffsetCommit, OffsetCommit } from './classic-group.ts'
import {
  ConsumerGroupCurrentMemberAssignment,
  ConsumerGroupMemberMetadata,
  ConsumerGroupMetadata,
  ConsumerGroupPartitionMetadata,
  ConsumerGroupRegularExpression,
  ConsumerGroupTargetAssignmentMember,
  ConsumerGroupTargetAssignmentMetadata,
} from './consumer-group.ts'
import type { CoordinatorRecord } from './coordinator-record.ts'
import {
  ShareGroupCurrentMemberAssignment,
  ShareGroupMemberMetadata,
  ShareGroupMetadata,
  ShareGroupStatePartitionMetadata,
  ShareGroupTargetAssignmentMember,
  ShareGroupTargetAssignmentMetadata,
} from './share-group.ts'
import { ShareSnapshot, ShareUpdate } from './share-state.ts'
import {
  StreamsGroupCurrentMemberAssignment,
  StreamsGroupMemberMetadata,
  StreamsGroupMetadata,
  StreamsGroupTargetAssignmentMember,
  StreamsGroupTargetAssignmentMetadata,
  StreamsGroupTopology,
} from './streams-group.ts'
import { TransactionLog } from './transaction-log.ts'

/** In __consumer_offsets, by ascending type. */
export const GROUP_RECORDS: readonly CoordinatorRecord[] = [
  LegacyOffsetCommit,
  OffsetCommit,
  GroupMetadata,
  ConsumerGroupMetadata,
  ConsumerGroupPartitionMetadata,
  ConsumerGroupMemberMetadata,
  ConsumerGroupTargetAssignmentMetadata,
  ConsumerGroupTargetAssignmentMember,
  ConsumerGroupCurrentMemberAssignment,
  ShareGroupMemberMetadata,
  ShareGroupMetadata,
  ShareGroupTargetAssignmentMetadata,
  ShareGroupTargetAssignmentMember,
  ShareGroupCurrentMemberAssignment,
  ShareGroupStatePartitionMetadata,
  ConsumerGroupRegularExpression,
  StreamsGroupMetadata,
  StreamsGroupMemberMetadata,
  StreamsGroupTargetAssignmentMetadata,
  StreamsGroupTargetAssignmentMember,
  StreamsGroupCurrentMemberAssignment,
  StreamsGroupTopology,
]
/** In __transaction_state. */
export const TRANSACTION_RECORDS: readonly CoordinatorRecord[] = [TransactionLog]
/** In __share_group_state. */
export const SHARE_STATE_RECORDS: readonly CoordinatorRecord[] = [ShareSnapshot, ShareUpdate]
