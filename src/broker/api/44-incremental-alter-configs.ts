// IncrementalAlterConfigs: SET 0, DELETE 1, APPEND 2, SUBTRACT 3 on single keys. KIP-339. metadata/configs.ts decides.
import { IncrementalAlterConfigs } from '../../protocol/api/44-incremental-alter-configs.ts'
import { handler } from '../handler.ts'

export const incrementalAlterConfigs = handler(IncrementalAlterConfigs, {
  answer: (broker, request) => broker.agreed(broker.controller.incrementalAlterConfigs(request)),
  failed: ({ resources }, { errorCode, errorMessage }) => ({
    responses: resources.map(({ resourceType, resourceName }) => ({ errorCode, errorMessage, resourceType, resourceName })),
  }),
})
