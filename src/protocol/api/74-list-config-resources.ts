// ListConfigResources (74): the resources that have configurations. KIP-714 (client metrics only, version 0), KIP-1142 (all types).
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const ListConfigResources = api('ListConfigResources', 74, '0-1', {
  flex: 0,
  request: { resourceTypes: arr(i8).in('1+') },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    configResources: arr({ resourceName: str, resourceType: i8.in('1+', 16) }),
  },
})
