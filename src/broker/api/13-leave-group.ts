// LeaveGroup: members leave a classic group; one up to v2, several from v3 on, each with an error of its own. KIP-345 (an admin removes static members by
// their instance ids), KIP-800 (reasons).
import { LeaveGroup } from '../../protocol/api/13-leave-group.ts'
import { INVALID_GROUP_ID } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'

export const leaveGroup = handler(LeaveGroup, {
  answer(broker, body, { version }) {
    if (body.groupId === '') return refused(INVALID_GROUP_ID)
    return broker.groups.ask<ResponseOf<typeof LeaveGroup>>(body.groupId, {
      decide: (shard, request, at) => shard.request({ type: 'leave', request, apiVersion: version, body }, at),
      refused,
    })
  },
  failed: (_body, { errorCode }) => refused(errorCode),
})

function refused(errorCode: number): ResponseOf<typeof LeaveGroup> {
  return { errorCode, members: [] }
}
