// The quorum's core as data: what it knows, what it is told, what it asks for. The rules are in raft.ts and the files beside it; the driver
// performs the effects and brings the events.
//
// The contract with the driver:
// - One event at a time, from one thread; effects are performed in their order. `step` changes the state in place.
// - *Writes reach the disk in the order of their effects* (saveVote, append, truncate, installSnapshot), or together. What is written last may be
//   lost in a crash; something before it may not be lost without it. So entries of an epoch are never on disk without that epoch.
// - Nothing waits for the disk but what depends on it: the core holds back what has to wait (a granted vote, a candidacy, what counts as flushed)
//   and gives `send` when it may leave.
// - After every step the driver looks at `nextDeadline(state)` and brings a `tick` then (a later one does no harm).
// - Times are the clock's monotonic milliseconds.
import type { FetchAnswer, RaftMessage, SnapshotChunk, SnapshotId } from './messages.ts'
import type { EntryBatch } from './store.ts'

/** Voters are known by both: a blank node under an old id is no voter. */
export interface Voter {
  readonly nodeId: number
  readonly directoryId: string
}

export interface RaftOptions extends Voter {
  /** This node is one of them, with its directory, or it is an observer. */
  readonly voters: readonly Voter[]
  /** A follower that hears nothing from its leader for so long takes it for lost; a leader that a majority did not ask for 1.5 times as long resigns. */
  readonly fetchTimeoutMs: number
  /** How long an election may take before it is tried again, plus up to as much at random. */
  readonly electionTimeoutMs: number
  /** As on disk at start. */
  readonly durable: DurableState
}

export interface DurableState {
  readonly epoch: number
  /** -1: nobody in this epoch. */
  readonly votedFor: number
  /** The newest one, if there is any. */
  readonly snapshot: SnapshotId | undefined
  /** Where the log begins (0, or at most the end of the snapshot) and the epoch of the entry before. */
  readonly startOffset: number
  readonly startEpoch: number
  readonly batches: readonly { readonly baseOffset: number; readonly epoch: number; readonly payloads: { readonly length: number } }[]
}

export type Role = 'observer' | 'unattached' | 'follower' | 'prospective' | 'candidate' | 'leader'

export type RaftEvent =
  /** Once, first: what was on disk is in the state; elections and fetching begin. */
  | { readonly type: 'start' }
  /** A message for this node. `from` and `directoryId` are the connection's. */
  | { readonly type: 'received'; readonly message: RaftMessage }
  | { readonly type: 'tick' }
  /** The last saveVote with these values is on disk (votes before it need no event of their own). */
  | { readonly type: 'voteSaved'; readonly epoch: number; readonly votedFor: number }
  /** The log is on disk up to here, and everything before it. `generation` is that of the log when the finished write was given to the disk. */
  | { readonly type: 'flushed'; readonly endOffset: number; readonly generation: number }
  /** Leader only: each proposal is one batch, its payloads not empty. The driver computed their offsets from `log.endOffset`. */
  | { readonly type: 'proposed'; readonly proposals: readonly (readonly Uint8Array[])[] }
  /** This node's own snapshot of committed state is on disk, and the log now begins at `startOffset` (at most the snapshot's end; `startEpoch` is
   *  that of the entry before). */
  | { readonly type: 'snapshotSaved'; readonly snapshot: SnapshotId; readonly startOffset: number; readonly startEpoch: number }
  /** `refused`: nothing listens at its address any more. `restarted`: another incarnation answered there. */
  | { readonly type: 'peerLost'; readonly nodeId: number; readonly why: 'refused' | 'restarted' }
  /** A connection to it was made: what was said before may be lost, and is said again. */
  | { readonly type: 'peerConnected'; readonly nodeId: number }
  /** Said outside the quorum's own messages, by whomever: it may be old, or wrong. `epoch` has this leader, and everything before `committedOffset` is agreed on. */
  | { readonly type: 'hinted'; readonly epoch: number; readonly leaderId: number; readonly committedOffset: number }
  /** Gives leadership away, if there is any to give. */
  | { readonly type: 'resign' }

export type RaftEffect =
  /** Write the vote and tell `voteSaved` when it is on disk (several in a row: the last one's event is enough). */
  | { readonly type: 'saveVote'; readonly epoch: number; readonly votedFor: number }
  /**
   * Add these batches to the log: readable at once, on disk when the next write ends. Each write, whatever it holds, ends in one `flushed` with the
   * end of the log it covered and the generation it was of. Appends made while a write runs go into the next one together.
   */
  | { readonly type: 'append'; readonly batches: readonly EntryBatch[] }
  /** Forget what lies at and after `endOffset` (the end of a batch). A write is due, even if nothing follows. The log is of this generation now. */
  | { readonly type: 'truncate'; readonly endOffset: number; readonly generation: number }
  /**
   * Forget the whole log; the state is this snapshot (tell the listener), and the log goes on at its end. Ends in `flushed` with this generation
   * like any write.
   */
  | { readonly type: 'installSnapshot'; readonly snapshot: SnapshotId; readonly chunks: readonly Uint8Array[]; readonly generation: number }
  /** Now. Nothing comes of it when it cannot be delivered. */
  | { readonly type: 'send'; readonly message: RaftMessage }
  /**
   * Send the answer with the batches from `answer.fetchOffset` on, up to a bound of the driver's, at least one. When they have to be read first,
   * and the log's generation or the node's epoch is another one by then, send nothing.
   */
  | { readonly type: 'sendBatches'; readonly answer: FetchAnswer }
  /** Send the answer with that part of the snapshot and their number; with `chunkCount` 0 when that snapshot is gone. */
  | { readonly type: 'sendChunk'; readonly answer: SnapshotChunk }
  /** Everything before this is agreed (the high watermark; never back). Comes after the append of what it covers. */
  | { readonly type: 'committed'; readonly endOffset: number }
  /** Epoch, leader or role changed. A leader gets it before its first append. */
  | { readonly type: 'leaderChanged'; readonly epoch: number; readonly leaderId: number; readonly isLeader: boolean }

/** What a leader knows of another node. */
export interface ReplicaProgress {
  readonly nodeId: number
  readonly directoryId: string
  readonly isVoter: boolean
  /** Its log agrees with ours up to here, and it has this on disk. */
  flushedOffset: number
  /** Where its log ended at its last fetch; -1: none in this epoch. */
  endOffset: number
  /** -Infinity: not in this epoch. */
  lastFetchAt: number
  lastCaughtUpAt: number
  /** Our end when it fetched last. */
  endOffsetAtLastFetch: number
  /** Its question that waits for news. */
  parked: ParkedFetch | undefined
}

export interface ParkedFetch {
  readonly fetchOffset: number
  readonly lastEpoch: number
  readonly highWatermark: number
  /** Answered then at the latest. */
  readonly until: number
}

/** What `describe` tells: from the leader's view if this node leads, else of itself alone. */
export interface RaftDescription {
  readonly leaderId: number
  readonly epoch: number
  readonly highWatermark: number
  readonly replicas: readonly {
    readonly nodeId: number
    readonly directoryId: string
    readonly isVoter: boolean
    /** -1: not known. */
    readonly logEndOffset: number
    /** The clock's milliseconds; undefined: not known. */
    readonly lastFetchAt: number | undefined
    readonly lastCaughtUpAt: number | undefined
  }[]
}
