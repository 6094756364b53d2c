// UpdateRaftVoter (82): a voter tells its endpoints and the kraft.version levels it supports. KIP-853.
import { api, arr, i16, i32, str, struct, u16, uuid } from '../schema.ts'

export const UpdateRaftVoter = api('UpdateRaftVoter', 82, '0', {
  flex: 0,
  request: {
    clusterId: str.null(),
    currentLeaderEpoch: i32,
    voterId: i32,
    voterDirectoryId: uuid,
    listeners: arr({ name: str, host: str, port: u16 }),
    kRaftVersionFeature: struct({ minSupportedVersion: i16, maxSupportedVersion: i16 }),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    currentLeader: struct({ leaderId: i32.def(-1), leaderEpoch: i32.def(-1), host: str, port: i32 }).tag(0, '0+'),
  },
})
