// Which partition a record goes to. Pure.
// Facts: a key's partition is (murmur2(key) & 0x7fffffff) mod the number of partitions, in every client that agrees with Java's. Records
// without a key stick to one partition until a batch's worth has gone there, then to another one with a leader, chosen at random (KIP-480, KIP-794).
import { murmur2 } from '../util/murmur2.ts'

export interface PartitionChoice {
  readonly topic: string
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly partitionCount: number
}

/** A partitioner of the user's own. Returns 0 … partitionCount - 1, or undefined to leave the record to the default. */
export type Partitioner = (choice: PartitionChoice) => number | undefined

export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

export interface StickyState {
  partition: number
  bytesLeft: number
}

/**
 * Where the next record without a key goes.
 * @param led       the partitions with a known leader; when there are none all are as good
 * @param integer   uniform in [0, bound)
 */
export function stickyPartition(
  sticky: StickyState,
  record: { readonly sizeBytes: number; readonly batchBytes: number },
  partitionCount: number,
  led: () => readonly number[],
  integer: (bound: number) => number,
): number {
  if (sticky.bytesLeft <= 0 || sticky.partition >= partitionCount) {
    const choices = led()
    const others = choices.length > 1 ? choices.filter(partition => partition !== sticky.partition) : choices
    sticky.partition = others.length > 0 ? others[integer(others.length)]! : integer(partitionCount)
    sticky.bytesLeft = record.batchBytes
  }
  sticky.bytesLeft -= record.sizeBytes
  return sticky.partition
}
