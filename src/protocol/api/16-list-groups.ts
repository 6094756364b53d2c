// ListGroups (16): the groups a broker coordinates, by state and type. KIP-518, KIP-848.
import { api, arr, i16, i32, str } from '../schema.ts'

export const ListGroups = api('ListGroups', 16, '0-5', {
  flex: 3,
  request: { statesFilter: arr(str).in('4+'), typesFilter: arr(str).in('5+') },
  response: {
    throttleTimeMs: i32.in('1+'),
    errorCode: i16.def(0),
    groups: arr({ groupId: str, protocolType: str, groupState: str.in('4+'), groupType: str.in('5+') }),
  },
})
