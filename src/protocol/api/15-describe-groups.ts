// DescribeGroups (15): state and members of classic groups. KIP-430, KIP-345, KIP-1043.
import { api, arr, bool, bytes, i16, i32, str } from '../schema.ts'

export const DescribeGroups = api('DescribeGroups', 15, '0-6', {
  flex: 5,
  request: { groups: arr(str), includeAuthorizedOperations: bool.in('3+') },
  response: {
    throttleTimeMs: i32.in('1+'),
    groups: arr({
      errorCode: i16.def(0),
      errorMessage: str.null().in('6+'),
      groupId: str,
      groupState: str,
      protocolType: str,
      protocolData: str,
      members: arr({
        memberId: str,
        groupInstanceId: str.null().in('4+'),
        clientId: str,
        clientHost: str,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: i32.in('3+', -2147483648),
    }),
  },
})
