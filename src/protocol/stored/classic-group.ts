// What classic groups keep in __consumer_offsets: committed offsets and the state of the group. KIP-211, KIP-345, KIP-915.
// LegacyOffsetCommit has the same key and value as OffsetCommit of old; it is read only.
import { arr, bytes, i32, i64, str, uuid } from '../schema.ts'
import { coordinatorRecord } from './coordinator-record.ts'

export const LegacyOffsetCommit = coordinatorRecord('LegacyOffsetCommit', 0, '0', {
  key: { group: str, topic: str, partition: i32 },
  value: { offset: i64, metadata: str, commitTimestamp: i64 },
})

export const OffsetCommit = coordinatorRecord('OffsetCommit', 1, '0-4', {
  key: { group: str, topic: str, partition: i32 },
  flex: 4,
  value: {
    offset: i64,
    leaderEpoch: i32.in('3+', -1),
    metadata: str,
    commitTimestamp: i64,
    expireTimestamp: i64.in('1', -1),
    topicId: uuid.tag(0, '4+'),
  },
})

export const GroupMetadata = coordinatorRecord('GroupMetadata', 2, '0-4', {
  key: { group: str },
  flex: 4,
  value: {
    protocolType: str,
    generation: i32,
    protocol: str.null(),
    leader: str.null(),
    currentStateTimestamp: i64.in('2+', -1),
    members: arr({
      memberId: str,
      groupInstanceId: str.null().in('3+'),
      clientId: str,
      clientHost: str,
      rebalanceTimeout: i32.in('1+', -1),
      sessionTimeout: i32,
      subscription: bytes,
      assignment: bytes,
    }),
  },
})
