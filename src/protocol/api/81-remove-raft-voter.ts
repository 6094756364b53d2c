// RemoveRaftVoter (81): removes a voter from the metadata quorum. KIP-853.
import { api, i16, i32, str, uuid } from '../schema.ts'

export const RemoveRaftVoter = api('RemoveRaftVoter', 81, '0', {
  flex: 0,
  request: { clusterId: str.null(), voterId: i32, voterDirectoryId: uuid },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
