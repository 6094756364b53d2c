// Heartbeat (12): a member of a classic group says that it lives. KIP-345 (static members).
import { api, i16, i32, str } from '../schema.ts'

export const Heartbeat = api('Heartbeat', 12, '0-4', {
  flex: 4,
  request: { groupId: str, generationId: i32, memberId: str, groupInstanceId: str.null().in('3+') },
  response: { throttleTimeMs: i32.in('1+'), errorCode: i16.def(0) },
})
