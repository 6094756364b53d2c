// AlterConfigs: replaces the whole set of a resource's configs; what is not named goes back to its default. KIP-133. IncrementalAlterConfigs is
// the safer one, older clients only know this. metadata/configs.ts decides.
import { AlterConfigs } from '../../protocol/api/33-alter-configs.ts'
import { handler } from '../handler.ts'

export const alterConfigs = handler(AlterConfigs, {
  answer: (broker, request) => broker.agreed(broker.controller.alterConfigs(request)),
  failed: ({ resources }, { errorCode, errorMessage }) => ({
    responses: resources.map(({ resourceType, resourceName }) => ({ errorCode, errorMessage, resourceType, resourceName })),
  }),
})
