// ListTransactions (66): the transactions a coordinator knows, by state, producer, duration and id pattern. KIP-664, KIP-994, KIP-1152.
import { api, arr, i16, i32, i64, str } from '../schema.ts'

export const ListTransactions = api('ListTransactions', 66, '0-2', {
  flex: 0,
  request: {
    stateFilters: arr(str),
    producerIdFilters: arr(i64),
    durationFilter: i64.in('1+', -1),
    transactionalIdPattern: str.null().in('2+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    unknownStateFilters: arr(str),
    transactionStates: arr({ transactionalId: str, producerId: i64, transactionState: str }),
  },
})
