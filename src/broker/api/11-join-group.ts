// JoinGroup: a member joins a classic group, or comes back for a rebalance. KIP-62, KIP-394 (a member id first), KIP-345 (static members), KIP-814.
// It is answered when the group is complete, which may take as long as the slowest member's rebalance timeout; as in Kafka nothing else of that connection
// is served meanwhile (clients keep a connection for their coordinator).
import { JoinGroup } from '../../protocol/api/11-join-group.ts'
import { INVALID_GROUP_ID } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import { uuidFromBytes, uuidToBytes } from '../../util/uuid.ts'
import { newMemberId } from '../group/classic/classic-group.ts'
import { clientHostOf } from '../group/client-host.ts'
import { handler } from '../handler.ts'

type Answer = ResponseOf<typeof JoinGroup>

export const joinGroup = handler(JoinGroup, {
  answer(broker, body, { version, clientId, connection }) {
    const { groupId } = body
    if (groupId === '') return refused(body, version, INVALID_GROUP_ID)
    const memberId = newMemberId(clientId, body.groupInstanceId, freshUuid(broker.env.random.bytes(16)))
    return broker.groups.ask<Answer>(groupId, {
      decide: (shard, request, at) =>
        shard.request(
          {
            type: 'join',
            request,
            apiVersion: version,
            clientId,
            clientHost: clientHostOf(connection.clientHost),
            newMemberId: memberId,
            body,
          },
          at,
        ),
      refused: errorCode => refused(body, version, errorCode),
      parked: request => connection.onClose(() => broker.groups.gone(groupId, request)),
    })
  },
  failed: (body, { errorCode }, { version }) => refused(body, version, errorCode),
})

/** As Java prints one. */
function freshUuid(bytes: Uint8Array): string {
  return uuidToBytes(uuidFromBytes(bytes))
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function refused(body: RequestOf<typeof JoinGroup>, version: number, errorCode: number): Answer {
  return { errorCode, protocolName: version >= 7 ? null : '', leader: '', memberId: body.memberId, members: [] }
}
