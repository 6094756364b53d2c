// Control records. The key of each is an int16 version and the type (0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 snapshot
// footer, 5 kraft.version, 6 voters), the value one of the messages below: EndTxnMarker behind its int16 version, the others with their
// version as first field. KIP-98, KIP-595, KIP-630, KIP-853.
import { arr, i16, i32, i64, schema, str, struct, u16, uuid } from '../schema.ts'

const voter = { voterId: i32, voterDirectoryId: uuid.in('1+') }

export const ControlRecordType = schema('ControlRecordType', '0', {
  fields: { type: i16 },
})

export const EndTxnMarker = schema('EndTxnMarker', '0', {
  fields: { coordinatorEpoch: i32 },
})

export const LeaderChangeMessage = schema('LeaderChangeMessage', '0-1', {
  flex: 0,
  fields: { version: i16, leaderId: i32, voters: arr(voter), grantingVoters: arr(voter) },
})

export const SnapshotHeaderRecord = schema('SnapshotHeaderRecord', '0', {
  flex: 0,
  fields: { version: i16, lastContainedLogTimestamp: i64 },
})

export const SnapshotFooterRecord = schema('SnapshotFooterRecord', '0', {
  flex: 0,
  fields: { version: i16 },
})

export const KRaftVersionRecord = schema('KRaftVersionRecord', '0', {
  flex: 0,
  fields: { version: i16, kRaftVersion: i16 },
})

export const VotersRecord = schema('VotersRecord', '0', {
  flex: 0,
  fields: {
    version: i16,
    voters: arr({
      voterId: i32,
      voterDirectoryId: uuid,
      endpoints: arr({ name: str, host: str, port: u16 }),
      kRaftVersionFeature: struct({ minSupportedVersion: i16, maxSupportedVersion: i16 }),
    }),
  },
})
