// ListGroups: the groups of this broker, by states (KIP-518) and types (KIP-848), of which there is one here: classic. Filters ignore case; what they do not
// know matches nothing.
import { ListGroups } from '../../protocol/api/16-list-groups.ts'
import { NONE } from '../../protocol/errors.ts'
import { handler } from '../handler.ts'

const TYPE = 'classic'

export const listGroups = handler(ListGroups, {
  answer(broker, { statesFilter, typesFilter }) {
    const groups = broker.groups.list()
    if (typeof groups === 'number') return { errorCode: groups, groups: [] }
    const states = new Set(statesFilter.map(state => state.toLowerCase().trim()))
    const ofType = typesFilter.length === 0 || typesFilter.some(type => type.toLowerCase() === TYPE)
    return {
      errorCode: NONE,
      groups: groups
        .filter(({ groupState }) => ofType && (states.size === 0 || states.has(groupState.toLowerCase())))
        .map(group => ({ ...group, groupType: TYPE })),
    }
  },
  failed: (_request, { errorCode }) => ({ errorCode, groups: [] }),
})
