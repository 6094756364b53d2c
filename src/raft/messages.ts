// What voters and observers say to each other. Every message is one-way data and is harmless when it is lost, late, doubled or out of order: an
// answer repeats what it answers, and whoever waits asks again. KIP-595 (Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch), KIP-630 (FetchSnapshot),
// KIP-996 (pre-vote). We differ from Kafka: a flushed offset travels apart from the written one, because the disk is waited for by nobody.
import type { EntryBatch } from './store.ts'

/** Common to all. The receiver's driver sets `from` and `directoryId` by what the connection proved, not by what the bytes say. */
interface Envelope {
  readonly from: number
  /** The sender's data directory: a voter is a node id with its directory. */
  readonly directoryId: string
  readonly to: number
  /** The sender's epoch when it spoke. */
  readonly epoch: number
}

/** "Would you vote for me in the epoch after this one?" Changes nothing at the receiver but its epoch, if that is older. */
export interface PreVote extends Envelope {
  readonly type: 'preVote'
  readonly lastEpoch: number
  readonly endOffset: number
}

export interface PreVoteAnswer extends Envelope {
  readonly type: 'preVoteAnswer'
  readonly granted: boolean
  /** Of `epoch`; -1: not known. */
  readonly leaderId: number
}

/** "Vote for me in this epoch." Leaves after the candidate's own vote is on disk. */
export interface Vote extends Envelope {
  readonly type: 'vote'
  readonly lastEpoch: number
  readonly endOffset: number
}

/** A granted one leaves after the vote is on disk. */
export interface VoteAnswer extends Envelope {
  readonly type: 'voteAnswer'
  readonly granted: boolean
  readonly leaderId: number
}

/** The sender leads `epoch`. Repeated to voters that do not fetch. */
export interface BeginQuorumEpoch extends Envelope {
  readonly type: 'beginQuorumEpoch'
}

/** The sender led `epoch` and gave it up. The first successor starts an election at once, the others one after another. */
export interface EndQuorumEpoch extends Envelope {
  readonly type: 'endQuorumEpoch'
  readonly successors: readonly number[]
}

/** A follower's or observer's log as it is; the leader keeps the question until it has news, but not long. */
export interface Fetch extends Envelope {
  readonly type: 'fetch'
  /** Where its log ends as written, flushed or not. */
  readonly fetchOffset: number
  /** Of the entry before `fetchOffset`; 0 at the very beginning. */
  readonly lastEpoch: number
  /** At most `fetchOffset`: this much survives a power cut. */
  readonly flushedOffset: number
  readonly highWatermark: number
}

/** "A flush ended", while the fetch is at the leader. Answered by nothing; the next fetch says the same. */
export interface FlushNews extends Envelope {
  readonly type: 'flushNews'
  readonly fetchOffset: number
  readonly lastEpoch: number
  readonly flushedOffset: number
}

/** The question (fetch or fetchSnapshot) was of another epoch, or the sender does not lead: epoch and leader as the sender knows them. */
export interface FetchRefused extends Envelope {
  readonly type: 'fetchRefused'
  readonly leaderId: number
}

/** Only the leader of `epoch` sends it, to who asked in that epoch. */
export interface FetchAnswer extends Envelope {
  readonly type: 'fetchAnswer'
  /** What is answered: it counts only while the follower's log still ends there. */
  readonly fetchOffset: number
  readonly lastEpoch: number
  readonly highWatermark: number
  /** Where the leader's log leaves `epoch`, the largest it has that is not above `lastEpoch`. Null: the logs agree up to `fetchOffset`. */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | null
  /** Not null: what the follower needs is in this snapshot alone. */
  readonly snapshot: SnapshotId | null
  /** From `fetchOffset` on, whole proposals. */
  readonly batches: readonly EntryBatch[]
}

export interface SnapshotId {
  /** Exclusive. */
  readonly endOffset: number
  /** Of the entry before `endOffset`. */
  readonly epoch: number
}

/** "Give me one part of that snapshot." */
export interface FetchSnapshot extends Envelope {
  readonly type: 'fetchSnapshot'
  readonly snapshot: SnapshotId
  readonly index: number
}

export interface SnapshotChunk extends Envelope {
  readonly type: 'snapshotChunk'
  readonly snapshot: SnapshotId
  readonly index: number
  /** Of the whole snapshot; 0: it is not here any more, and the follower is to fetch again. */
  readonly chunkCount: number
  readonly chunk: Uint8Array
}

export type RaftMessage =
  | PreVote
  | PreVoteAnswer
  | Vote
  | VoteAnswer
  | BeginQuorumEpoch
  | EndQuorumEpoch
  | Fetch
  | FlushNews
  | FetchRefused
  | FetchAnswer
  | FetchSnapshot
  | SnapshotChunk
