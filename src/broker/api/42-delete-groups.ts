// DeleteGroups: empty groups and what they committed. KIP-229. Each group succeeds or fails alone; one that is named twice is answered once.
import { DeleteGroups } from '../../protocol/api/42-delete-groups.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'

type Results = ResponseOf<typeof DeleteGroups>['results']

export const deleteGroups = handler(DeleteGroups, {
  async answer(broker, { groupsNames }) {
    const deleted = [...new Set(groupsNames)].map(groupId =>
      broker.groups.ask<Results>(groupId, {
        decide: (shard, request) => shard.deleteGroup({ request, groupId }),
        refused: errorCode => [{ groupId, errorCode }],
      }),
    )
    return { results: (await Promise.all(deleted)).flat() }
  },
  failed: ({ groupsNames }, { errorCode }) => ({ results: groupsNames.map(groupId => ({ groupId, errorCode })) }),
})
