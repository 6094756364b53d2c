// UpdateFeatures: the levels that the cluster's features run at. KIP-584, KIP-778. metadata/features.ts decides.
import { UpdateFeatures } from '../../protocol/api/57-update-features.ts'
import { handler } from '../handler.ts'

export const updateFeatures = handler(UpdateFeatures, {
  answer: (broker, request) => broker.agreed(broker.controller.updateFeatures(request)),
  failed: (_request, { errorCode, errorMessage }) => ({ errorCode, errorMessage, results: [] }),
})
