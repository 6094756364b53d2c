// JoinGroup (11): a member joins a classic group and offers its protocols. KIP-394 (member id required), KIP-345 (static members),
// KIP-559, KIP-800, KIP-814.
import { api, arr, bool, bytes, i16, i32, str } from '../schema.ts'

export const JoinGroup = api('JoinGroup', 11, '0-9', {
  flex: 6,
  request: {
    groupId: str,
    sessionTimeoutMs: i32,
    rebalanceTimeoutMs: i32.in('1+', -1),
    memberId: str,
    groupInstanceId: str.null().in('5+'),
    protocolType: str,
    protocols: arr({ name: str, metadata: bytes }),
    reason: str.null().in('8+'),
  },
  response: {
    throttleTimeMs: i32.in('2+'),
    errorCode: i16.def(0),
    generationId: i32.def(-1),
    protocolType: str.null().in('7+'),
    protocolName: str.null('7+'),
    leader: str,
    skipAssignment: bool.in('9+'),
    memberId: str,
    members: arr({ memberId: str, groupInstanceId: str.null().in('5+'), metadata: bytes }),
  },
})
