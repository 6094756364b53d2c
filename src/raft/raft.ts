// The quorum's core: `step(state, event, now, random)` changes the state and returns what the driver has to do (types.ts). Facts: the Raft paper
// and thesis, KIP-595 (fetch-driven replication), KIP-996 (pre-vote), KIP-630 (snapshots).
import type { Random } from '../env/env.ts'
import type { RaftState } from './state.ts'
import type { RaftEffect, RaftEvent } from './types.ts'

export { createRaft, type RaftState } from './state.ts'

export function step(_state: RaftState, _event: RaftEvent, _now: number, _random: Random): readonly RaftEffect[] {
  throw new Error('not yet')
}

/** When the next `tick` is due; Infinity: nothing is timed. */
export function nextDeadline(_state: RaftState): number {
  throw new Error('not yet')
}
