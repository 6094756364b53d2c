// UpdateFeatures (57): changes finalized feature levels. KIP-584, KIP-778, KIP-1022.
import { api, arr, bool, i8, i16, i32, str } from '../schema.ts'

export const UpdateFeatures = api('UpdateFeatures', 57, '0-2', {
  flex: 0,
  request: {
    timeoutMs: i32.def(60000),
    featureUpdates: arr({
      feature: str,
      maxVersionLevel: i16,
      allowDowngrade: bool.in('0'),
      upgradeType: i8.in('1+', 1),
    }),
    validateOnly: bool.in('1+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    results: arr({ feature: str, errorCode: i16.def(0), errorMessage: str.null() }).in('-1'),
  },
})
