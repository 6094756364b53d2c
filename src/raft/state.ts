// The core's state: plain data, changed by the rules alone. The driver reads it and never writes.
import type { Random } from '../env/env.ts'
import { assert } from '../util/assert.ts'
import { appendTo, type LogIndex, lastEpochOf } from './log-index.ts'
import type { RaftMessage, SnapshotId } from './messages.ts'
import type { RaftEffect, RaftOptions, ReplicaProgress, Role, Voter } from './types.ts'

export interface RaftState {
  readonly nodeId: number
  readonly directoryId: string
  readonly voters: readonly Voter[]
  readonly isVoter: boolean
  readonly fetchTimeoutMs: number
  readonly electionTimeoutMs: number

  role: Role
  epoch: number
  /** In `epoch`; -1: nobody. */
  votedFor: number
  /** Epoch and vote as they are on disk. */
  savedEpoch: number
  savedVotedFor: number
  /** Of `epoch`; -1: not known, or lost. */
  leaderId: number
  readonly log: LogIndex
  /** Of committed state; undefined: there is none. */
  snapshot: SnapshotId | undefined
  highWatermark: number

  /** A step begins; a long time since the last one means that this process stood still. */
  lastStepAt: number
  /** Voter without a leader: when it starts an election (again), or gives up the one it is in. Infinity: never. */
  electionAt: number
  /** The leader is known to be gone, not just silent: elections are tried again soon. Ends when a leader is followed. */
  isHasty: boolean
  /** When those that did not answer in this round are asked again. */
  resendAt: number
  /** Who granted and who refused in this round. */
  readonly granted: Set<number>
  readonly refused: Set<number>
  /** Answers to candidates that leave when the vote is on disk. */
  heldAnswers: RaftMessage[]
  /** The last one followed in this epoch, also when it is lost; -1: none. */
  lastLeaderId: number
  /** Peers whose address refused a connection and that were not heard since. */
  readonly gone: Set<number>

  /** Follower: when silence counts as the loss of the leader. Observer: when it looks for another. */
  fetchDeadline: number
  /** A question is at the leader. */
  hasAsked: boolean
  /** When it is asked (again). */
  askAt: number
  /** On a hint, before the answer. Not twice: every question takes the place of the one before, and starts its wait for news anew. */
  wasHurried: boolean
  /** The leader answered in this epoch. */
  hasFetched: boolean
  /** The parts of a snapshot that came so far. */
  receiving: { readonly snapshot: SnapshotId; readonly chunks: Uint8Array[] } | undefined
  /** Observer without a leader: whom it asks next, as an index of the voters. */
  nextToAsk: number

  /** Leader: the others, by `id/directory`. */
  readonly replicas: Map<string, ReplicaProgress>
  /** Leader: who did not fetch is told who leads. */
  announceAt: number
  /** Leader: silence before this is not held against anybody. */
  silenceCountsFrom: number

  /** What the driver was told last by `leaderChanged`. */
  told: { readonly epoch: number; readonly leaderId: number; readonly isLeader: boolean }
}

/** What a rule needs beside the state, and where its effects go. */
export interface Step {
  readonly state: RaftState
  readonly now: number
  readonly random: Random
  readonly effects: RaftEffect[]
}

/** @throws AssertionError when what was on disk does not fit together */
export function createRaft(o: RaftOptions): RaftState {
  const { durable } = o
  const isVoter = o.voters.some(voter => voter.nodeId === o.nodeId && voter.directoryId === o.directoryId)
  const log: LogIndex = {
    startOffset: durable.startOffset,
    startEpoch: durable.startEpoch,
    endOffset: durable.startOffset,
    flushedOffset: durable.startOffset,
    generation: 0,
    epochs: [],
  }
  for (const { baseOffset, epoch, payloads } of durable.batches) appendTo(log, { baseOffset, epoch, count: payloads.length })
  log.flushedOffset = log.endOffset
  assert(lastEpochOf(log) <= durable.epoch, `the log holds epoch ${lastEpochOf(log)}, the vote is of ${durable.epoch}`)
  return {
    nodeId: o.nodeId,
    directoryId: o.directoryId,
    voters: o.voters,
    isVoter,
    fetchTimeoutMs: o.fetchTimeoutMs,
    electionTimeoutMs: o.electionTimeoutMs,
    role: isVoter ? 'unattached' : 'observer',
    epoch: durable.epoch,
    votedFor: durable.votedFor,
    savedEpoch: durable.epoch,
    savedVotedFor: durable.votedFor,
    leaderId: -1,
    log,
    snapshot: durable.snapshot,
    highWatermark: durable.snapshot?.endOffset ?? 0,
    lastStepAt: Number.NaN,
    electionAt: Number.POSITIVE_INFINITY,
    isHasty: false,
    resendAt: Number.POSITIVE_INFINITY,
    granted: new Set(),
    refused: new Set(),
    heldAnswers: [],
    lastLeaderId: -1,
    gone: new Set(),
    fetchDeadline: Number.POSITIVE_INFINITY,
    hasAsked: false,
    askAt: Number.POSITIVE_INFINITY,
    wasHurried: false,
    hasFetched: false,
    receiving: undefined,
    nextToAsk: 0,
    replicas: new Map(),
    announceAt: Number.POSITIVE_INFINITY,
    silenceCountsFrom: 0,
    told: { epoch: -1, leaderId: -1, isLeader: false },
  }
}
