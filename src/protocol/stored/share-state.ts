// What the share coordinator (KIP-932) keeps in __share_group_state: a snapshot per share partition and the updates since.
import { arr, i8, i16, i32, i64, str, uuid } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

export const ShareSnapshot = coordinatorRecord('ShareSnapshot', 0, '0', {
  key: { groupId: str, topicId: uuid, partition: i32 },
  flex: 0,
  value: {
    snapshotEpoch: i32,
    stateEpoch: i32,
    leaderEpoch: i32,
    startOffset: i64,
    deliveryCompleteCount: i32.tag(0, '0+', -1),
    createTimestamp: i64,
    writeTimestamp: i64,
    stateBatches: arr({ firstOffset: i64, lastOffset: i64, deliveryState: i8, deliveryCount: i16 }),
  },
})

export const ShareUpdate = coordinatorRecord('ShareUpdate', 1, '0', {
  key: { groupId: str, topicId: uuid, partition: i32 },
  flex: 0,
  value: {
    snapshotEpoch: i32,
    leaderEpoch: i32,
    startOffset: i64,
    deliveryCompleteCount: i32.tag(0, '0+', -1),
    stateBatches: arr({ firstOffset: i64, lastOffset: i64, deliveryState: i8, deliveryCount: i16 }),
  },
})
