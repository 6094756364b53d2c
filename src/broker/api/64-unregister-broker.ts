// UnregisterBroker: a broker that will not come back is taken off the books, and its copies with it; metadata/brokers.ts decides. KIP-631.
import { UnregisterBroker } from '../../protocol/api/64-unregister-broker.ts'
import { handler } from '../handler.ts'

export const unregisterBroker = handler(UnregisterBroker, {
  answer: (broker, { brokerId }) => broker.agreed(broker.controller.unregisterBroker(brokerId)),
  failed: (_request, { errorCode, errorMessage }) => ({ errorCode, errorMessage }),
})
