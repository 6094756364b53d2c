// What clients did and saw, in the order in which it happened: plain data, written down by a workload and judged by `check` (checker.ts). It knows
// nothing of how the cluster works inside, so that the same history can be taken of any Kafka.

/** Where a record lies. A topic that was deleted and made again is another one: `topic` must differ (name and id). */
export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

/** One record as somebody read it. */
export interface SeenRecord {
  readonly offset: number
  /** The unique name the sender put in it; undefined: it does not say who it is. */
  readonly id: string | undefined
  /** Its bytes are those that were sent under this name. */
  readonly intact: boolean
}

export interface Sent extends PartitionName {
  readonly type: 'sent'
  /** Unique in the history. */
  readonly id: string
  /** One producer session: what it sends to a partition, it sends in this order. */
  readonly producer: string
  readonly acks: -1 | 0 | 1
  readonly idempotent: boolean
}

export interface Acked {
  readonly type: 'acked'
  readonly id: string
  /** -1: the broker did not say (acks=0, or a duplicate whose offset it no longer knew). */
  readonly offset: number
}

export interface Refused {
  readonly type: 'refused'
  readonly id: string
  /** It is certainly not in the log (the broker said so before writing it); else nobody knows. */
  readonly certain: boolean
  readonly reason: string
}

export interface Read extends PartitionName {
  readonly type: 'read'
  /** One pass over the partition, in order. A consumer that seeks begins another. */
  readonly reader: string
  readonly records: readonly SeenRecord[]
}

/** The whole partition as it was at the end, from its first record to its end. */
export interface Final extends PartitionName {
  readonly type: 'final'
  readonly logStartOffset: number
  readonly endOffset: number
  readonly records: readonly SeenRecord[]
}

/** A broker's answer about a partition's end for consumers. */
export interface HighWatermarkSeen extends PartitionName {
  readonly type: 'highWatermark'
  readonly leaderEpoch: number
  readonly offset: number
}

/** From here on, partitions that do not flush before they promise may have lost their ends. */
export interface PowerCut {
  readonly type: 'powerCut'
}

/** The only copy of some of the partition's records was damaged, or what lay behind them was set aside with them. */
export interface Damaged extends PartitionName {
  readonly type: 'damaged'
}

/** The broker said that records before this offset are deleted. */
export interface DeletedRecords extends PartitionName {
  readonly type: 'deletedRecords'
  readonly lowWatermark: number
}

/** A broker serves the partition in a new life. */
export interface Led extends PartitionName {
  readonly type: 'led'
  readonly incarnation: number
  readonly leaderEpoch: number
}

export interface ProducerIdGiven {
  readonly type: 'producerId'
  readonly producerId: number
  readonly producerEpoch: number
}

/** Partitions are named `topic-0` in what concerns groups. `since`: how many events the history had when the request was sent. */
interface OfGroup {
  readonly group: string
  readonly since: number
}

/** JoinGroup was answered. */
export interface GroupJoined extends OfGroup {
  readonly type: 'groupJoined'
  /** Its instance id, or else its member id. */
  readonly member: string
  readonly generation: number
  /** The answer names the members of a generation that has just been formed. */
  readonly isFormed: boolean
}

/** A leader sends what it gives to whom. */
export interface GroupPlanned extends OfGroup {
  readonly type: 'groupPlanned'
  readonly generation: number
  readonly shares: ReadonlyMap<string, readonly string[]>
}

/** SyncGroup was answered. */
export interface GroupAssigned extends OfGroup {
  readonly type: 'groupAssigned'
  readonly member: string
  readonly generation: number
  readonly partitions: readonly string[]
}

/** An offset was committed, or (-1) deleted. */
export interface GroupCommit extends OfGroup {
  readonly type: 'groupCommit'
  readonly member: string
  /** -1: by nobody who is a member. */
  readonly generation: number
  readonly partition: string
  readonly offset: number
  /** refused: certainly not done. */
  readonly outcome: 'done' | 'refused' | 'unknown'
}

/** OffsetFetch was answered. */
export interface GroupSaw extends OfGroup {
  readonly type: 'groupSaw'
  readonly partition: string
  /** -1: nothing is committed. */
  readonly offset: number
}

/** A member of the group got these records, or learned that there are none any more. */
export interface GroupGiven extends OfGroup {
  readonly type: 'groupGiven'
  readonly partition: string
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

export type GroupEvent = GroupJoined | GroupPlanned | GroupAssigned | GroupCommit | GroupSaw | GroupGiven

export type HistoryEvent =
  | GroupEvent
  | Sent
  | Acked
  | Refused
  | Read
  | Final
  | HighWatermarkSeen
  | PowerCut
  | Damaged
  | DeletedRecords
  | Led
  | ProducerIdGiven

/** What the checker must know beside the events. */
export interface HistoryFacts {
  /** Acknowledged means flushed (flush.messages 1): then not even a power cut takes it back. By topic; default true. */
  readonly flushesFirst: (topic: string) => boolean
  /** The log is compacted: of records with one key (one that was sent twice) the last stays. By topic; default false. */
  readonly compacts?: (topic: string) => boolean
  /** What the leader alone acknowledged (acks=1) may go with it. Default false. */
  readonly leadersDie?: boolean
}

export class History {
  readonly events: HistoryEvent[] = []

  add(event: HistoryEvent): void {
    this.events.push(event)
  }
}
