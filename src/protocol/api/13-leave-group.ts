// LeaveGroup (13): members leave a classic group: one up to version 2, several from 3 on. KIP-345, KIP-800.
import { api, arr, i16, i32, str } from '../schema.ts'

export const LeaveGroup = api('LeaveGroup', 13, '0-5', {
  flex: 4,
  request: {
    groupId: str,
    memberId: str.in('-2'),
    members: arr({ memberId: str, groupInstanceId: str.null(), reason: str.null().in('5+') }).in('3+'),
  },
  response: {
    throttleTimeMs: i32.in('1+'),
    errorCode: i16.def(0),
    members: arr({ memberId: str, groupInstanceId: str.null(), errorCode: i16.def(0) }).in('3+'),
  },
})
