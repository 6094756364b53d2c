// SyncGroup (14): the leader of a classic group hands out assignments, the others wait for theirs. KIP-345, KIP-559.
import { api, arr, bytes, i16, i32, str } from '../schema.ts'

export const SyncGroup = api('SyncGroup', 14, '0-5', {
  flex: 4,
  request: {
    groupId: str,
    generationId: i32,
    memberId: str,
    groupInstanceId: str.null().in('3+'),
    protocolType: str.null().in('5+'),
    protocolName: str.null().in('5+'),
    assignments: arr({ memberId: str, assignment: bytes }),
  },
  response: {
    throttleTimeMs: i32.in('1+'),
    errorCode: i16.def(0),
    protocolType: str.null().in('5+'),
    protocolName: str.null().in('5+'),
    assignment: bytes,
  },
})
