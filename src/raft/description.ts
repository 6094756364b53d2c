// The core's own description on the wall clock: every voter, known or not, and the observers.
import type { Clock } from '../env/env.ts'
import type { QuorumDescription, QuorumReplica } from './quorum.ts'
import { describe, type RaftState } from './raft.ts'

export function describeQuorum(state: RaftState, clock: Clock): QuorumDescription {
  const { leaderId, epoch, highWatermark, replicas } = describe(state)
  const wallMinusMonotonic = clock.wallTime() - clock.now()
  const wall = (at: number | undefined) => (at === undefined ? -1 : Math.floor(wallMinusMonotonic + at))
  const told = replicas.map(({ nodeId, directoryId, isVoter, logEndOffset, lastFetchAt, lastCaughtUpAt }) => {
    return { isVoter, nodeId, directoryId, logEndOffset, lastFetchMs: wall(lastFetchAt), lastCaughtUpMs: wall(lastCaughtUpAt) }
  })
  const voters = state.voters.map(({ nodeId, directoryId }): QuorumReplica => {
    const known = told.find(replica => replica.isVoter && replica.nodeId === nodeId)
    return without(known ?? { nodeId, directoryId, logEndOffset: -1, lastFetchMs: -1, lastCaughtUpMs: -1 })
  })
  const observers = told.filter(({ isVoter }) => !isVoter).map(without)
  const byId = (a: QuorumReplica, b: QuorumReplica) => a.nodeId - b.nodeId
  return { leaderId, epoch, highWatermark, voters: voters.sort(byId), observers: observers.sort(byId) }
}

function without({ nodeId, directoryId, logEndOffset, lastFetchMs, lastCaughtUpMs }: QuorumReplica): QuorumReplica {
  return { nodeId, directoryId, logEndOffset, lastFetchMs, lastCaughtUpMs }
}
