// DescribeGroups: state and members of classic groups. KIP-430, KIP-345, KIP-1043: a group that is not there is "Dead", which is an error from v6 on.
import { DescribeGroups } from '../../protocol/api/15-describe-groups.ts'
import { GROUP_ID_NOT_FOUND, NONE } from '../../protocol/errors.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { GROUP_OPERATIONS, NOT_ASKED } from '../authorized-operations.ts'
import { handler } from '../handler.ts'

type DescribedGroup = ResponseOf<typeof DescribeGroups>['groups'][number]

const FIRST_VERSION_WITH_NOT_FOUND = 6

export const describeGroups = handler(DescribeGroups, {
  answer: (broker, request, { version }) => ({
    groups: request.groups.map(groupId => {
      const described = broker.groups.read<DescribedGroup>(groupId, {
        read: shard => (shard.describe(groupId) === undefined ? missing(groupId, version) : { groupId, ...shard.describe(groupId)! }),
        refused: errorCode => refused(groupId, errorCode),
      })
      const isAsked = request.includeAuthorizedOperations && (described.errorCode ?? NONE) === NONE
      return { ...described, authorizedOperations: isAsked ? GROUP_OPERATIONS : NOT_ASKED }
    }),
  }),
  failed: (request, { errorCode }) => ({ groups: request.groups.map(groupId => refused(groupId, errorCode)) }),
})

function missing(groupId: string, version: number): DescribedGroup {
  const dead = { ...refused(groupId, NONE), groupState: 'Dead' }
  if (version < FIRST_VERSION_WITH_NOT_FOUND) return dead
  return { ...dead, errorCode: GROUP_ID_NOT_FOUND, errorMessage: `Group ${groupId} not found.` }
}

function refused(groupId: string, errorCode: number): DescribedGroup {
  return { groupId, errorCode, groupState: '', protocolType: '', protocolData: '', members: [] }
}
