// AddRaftVoter (80): adds a voter to the metadata quorum. KIP-853, KIP-1186.
import { api, arr, bool, i16, i32, str, u16, uuid } from '../schema.ts'

export const AddRaftVoter = api('AddRaftVoter', 80, '0-1', {
  flex: 0,
  request: {
    clusterId: str.null(),
    timeoutMs: i32,
    voterId: i32,
    voterDirectoryId: uuid,
    listeners: arr({ name: str, host: str, port: u16 }),
    ackWhenCommitted: bool.in('1+', true),
  },
  response: { throttleTimeMs: i32.def(0), errorCode: i16.def(0), errorMessage: str.null() },
})
