// Small formats outside the log: the index of aborted transactions (KIP-98), the vote of a raft voter (KIP-595, KIP-853), and the
// principal that travels in an Envelope (KIP-590).
import { arr, bool, i32, i64, schema, str, uuid } from '../schema.ts'

export const AbortedTxn = schema('AbortedTxn', '0', {
  fields: { producerId: i64, firstOffset: i64, lastOffset: i64, lastStableOffset: i64 },
})

export const QuorumStateData = schema('QuorumStateData', '0-1', {
  flex: 0,
  fields: {
    clusterId: str.in('0'),
    leaderId: i32.def(-1),
    leaderEpoch: i32.def(-1),
    votedId: i32.def(-1),
    votedDirectoryId: uuid.in('1+'),
    appliedOffset: i64.in('0'),
    currentVoters: arr({ voterId: i32 }).null().in('0', []),
  },
})

export const DefaultPrincipalData = schema('DefaultPrincipalData', '0', {
  flex: 0,
  fields: { type: str, name: str, tokenAuthenticated: bool },
})
