// Heartbeat: a member of a classic group lives, and hears whether the group rebalances. While the group is still read from the log everybody is told
// that all is well, as in Kafka: whoever is not in it will hear so at the next.
import { Heartbeat } from '../../protocol/api/12-heartbeat.ts'
import { COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID, NONE } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'

export const heartbeat = handler(Heartbeat, {
  answer(broker, body) {
    if (body.groupId === '') return { errorCode: INVALID_GROUP_ID }
    return broker.groups.ask<ResponseOf<typeof Heartbeat>>(body.groupId, {
      decide: (shard, request, at) => shard.request({ type: 'heartbeat', request, body }, at),
      refused: errorCode => ({ errorCode: errorCode === COORDINATOR_LOAD_IN_PROGRESS ? NONE : errorCode }),
    })
  },
  failed: (_body, { errorCode }) => ({ errorCode }),
})
