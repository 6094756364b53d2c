// What an assignor is given and gives back.
// Facts: members are taken in the order of their instance ids (those without one behind), then of their ids, as in the Java client.

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface MemberSubscription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: ReadonlySet<string>
  /** What it says it holds, or held in the generation `generationId`. */
  readonly owned: readonly TopicPartition[]
  /** -1: not known. */
  readonly generationId: number
}

/** Topic → number of partitions; topics that do not exist are left out. */
export type PartitionCounts = ReadonlyMap<string, number>
/** Member id → its partitions. Every member has an entry. */
export type GroupAssignment = Map<string, TopicPartition[]>

export function inOrder(members: readonly MemberSubscription[]): MemberSubscription[] {
  return [...members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId)
    if (a.groupInstanceId !== null || b.groupInstanceId !== null) return a.groupInstanceId !== null ? -1 : 1
    return compare(a.memberId, b.memberId)
  })
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function sortedCounts(counts: PartitionCounts): [string, number][] {
  return [...counts].sort(([a], [b]) => compare(a, b))
}
