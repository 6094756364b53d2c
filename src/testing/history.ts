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

export type HistoryEvent =
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
}

export class History {
  readonly events: HistoryEvent[] = []

  add(event: HistoryEvent): void {
    this.events.push(event)
  }
}
