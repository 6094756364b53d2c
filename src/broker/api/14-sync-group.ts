// SyncGroup: the leader of a classic group hands out what everybody is to do, the others wait for it. KIP-345, KIP-559 (v5 names the protocol, and must).
import { SyncGroup } from '../../protocol/api/14-sync-group.ts'
import { INCONSISTENT_GROUP_PROTOCOL, INVALID_GROUP_ID } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'

const FIRST_VERSION_WITH_PROTOCOL = 5
const NO_BYTES = Buffer.alloc(0)

export const syncGroup = handler(SyncGroup, {
  answer(broker, body, { version, connection }) {
    const { groupId } = body
    const names = body.protocolType !== null && body.protocolName !== null
    if (version >= FIRST_VERSION_WITH_PROTOCOL && !names) return refused(INCONSISTENT_GROUP_PROTOCOL)
    if (groupId === '') return refused(INVALID_GROUP_ID)
    return broker.groups.ask<ResponseOf<typeof SyncGroup>>(groupId, {
      decide: (shard, request, at) => shard.request({ type: 'sync', request, body }, at),
      refused,
      parked: request => connection.onClose(() => broker.groups.gone(groupId, request)),
    })
  },
  failed: (_body, { errorCode }) => refused(errorCode),
})

function refused(errorCode: number): ResponseOf<typeof SyncGroup> {
  return { errorCode, assignment: NO_BYTES }
}
