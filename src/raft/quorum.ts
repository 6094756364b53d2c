// What the metadata log is to everything above it: an ordered list of agreed entries, an epoch, and a leader. driver.ts keeps
// these promises for one voter and for many, so controller and broker do not know which they have.
//
// Offsets count entries from 0; every end offset is exclusive. An entry with an empty payload is the quorum's own (a new leader's first entry):
// it moves offsets and holds nothing. Epochs are never reused: they rise at every election and at every restart of a leader, and are on disk
// before anything depends on them.

/** What one proposal may hold: it is written, sent and read as one. */
export const MAX_PROPOSAL_BYTES = 16 * 1024 * 1024

export interface CommittedEntry {
  readonly offset: number
  /** Of the leader that appended it. */
  readonly epoch: number
  /** Empty: an entry of the quorum itself. The receiver may keep it. */
  readonly payload: Buffer
}

/** The whole applied state up to `endOffset`, instead of the entries before it. */
export interface QuorumSnapshot {
  readonly endOffset: number
  /** Of the entry before `endOffset`. */
  readonly epoch: number
  readonly chunks: readonly Buffer[]
}

export interface Leadership {
  readonly epoch: number
  /** -1: none is known. */
  readonly leaderId: number
  /** This node may propose, in `epoch` only. */
  readonly isLeader: boolean
}

/** All calls come from events, never from inside a call to the quorum, and in this order: what was agreed, then who leads next. */
export interface QuorumListener {
  /** Forget everything applied and take this instead. At start, and when this node was too far behind to be given entries. */
  snapshotLoaded(snapshot: QuorumSnapshot): void
  /** In offset order, without gaps. The entries of one `propose` come in one call, never split (one call may hold several). */
  committed(entries: readonly CommittedEntry[]): void
  /**
   * A leader learns of its own election here before it may propose. It has not applied everything agreed until it sees the first entry of its
   * own epoch in `committed`. Entries proposed in an older epoch that were not committed may never be.
   */
  leaderChanged(leadership: Leadership): void
  /** Called after `committed` when the log grew long: the state as of the last entry given. The chunks are written and belong to the quorum then. */
  takeSnapshot(): readonly Uint8Array[]
}

export interface Quorum extends Leadership {
  readonly nodeId: number
  /** Exclusive; what `committed` has been told, or is about to be. */
  readonly committedOffset: number
  /** Exclusive; with the entries that are proposed and not committed. */
  readonly logEndOffset: number
  /**
   * Hands over what is agreed so far (snapshot, entries), then takes part. Settles when the local log has been handed over.
   * To be called once.
   */
  start(listener: QuorumListener): Promise<void>
  /**
   * Leader only: appends the payloads (none of them empty, at most MAX_PROPOSAL_BYTES together) as one atomic batch, to be committed wholly or not at all.
   * @returns the offset after its last entry
   * @throws KafkaError NOT_CONTROLLER when this node does not lead
   */
  propose(payloads: readonly Uint8Array[]): number
  /** Waits for the writes under way; nothing is delivered afterwards. */
  close(): Promise<void>
}

/** What DescribeQuorum tells. Only the leader knows of the others. */
export interface QuorumDescription {
  /** -1: none is known. */
  readonly leaderId: number
  readonly epoch: number
  readonly highWatermark: number
  /** In the order of their ids. */
  readonly voters: readonly QuorumReplica[]
  readonly observers: readonly QuorumReplica[]
}

export interface QuorumReplica {
  readonly nodeId: number
  readonly directoryId: string
  /** -1: not known. */
  readonly logEndOffset: number
  /** Wall clock; -1: not known. */
  readonly lastFetchMs: number
  readonly lastCaughtUpMs: number
}
