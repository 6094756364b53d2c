// Who of a group gets which partition: range and roundrobin, and the table of all assignors. Pure; the sticky ones are in sticky.ts.
// Facts: RangeAssignor and RoundRobinAssignor of the Java client. We differ from Kafka: racks are not looked at.
import { type GroupAssignment, inOrder, type MemberSubscription, type PartitionCounts, sortedCounts } from './assignment.ts'
import { assignSticky } from './sticky.ts'

export interface Assignor {
  /** cooperative: members keep what they have until it is taken from them; eager: they give up all before each rebalance. */
  readonly mode: 'eager' | 'cooperative'
  assign(members: readonly MemberSubscription[], counts: PartitionCounts): GroupAssignment
}

/** By the names that members agree upon. */
export const ASSIGNORS = {
  range: { mode: 'eager', assign: assignRange },
  roundrobin: { mode: 'eager', assign: assignRoundRobin },
  sticky: { mode: 'eager', assign: (members, counts) => assignSticky(members, counts, { handsOver: false }) },
  'cooperative-sticky': { mode: 'cooperative', assign: (members, counts) => assignSticky(members, counts, { handsOver: true }) },
} as const satisfies Record<string, Assignor>

export type AssignorName = keyof typeof ASSIGNORS

/** Of each topic its subscribers get neighbouring partitions, the first of them one more where it does not come out even. */
function assignRange(members: readonly MemberSubscription[], counts: PartitionCounts): GroupAssignment {
  const assignment: GroupAssignment = new Map(members.map(({ memberId }) => [memberId, []]))
  const ordered = inOrder(members)
  for (const [topic, count] of sortedCounts(counts)) {
    const subscribers = ordered.filter(({ topics }) => topics.has(topic))
    const share = Math.floor(count / subscribers.length)
    const extra = count % subscribers.length
    let partition = 0
    subscribers.forEach(({ memberId }, i) => {
      const end = partition + share + (i < extra ? 1 : 0)
      while (partition < end) assignment.get(memberId)!.push({ topic, partition: partition++ })
    })
  }
  return assignment
}

/** Partitions are dealt like cards; who is not subscribed to a topic is passed over. */
function assignRoundRobin(members: readonly MemberSubscription[], counts: PartitionCounts): GroupAssignment {
  const assignment: GroupAssignment = new Map(members.map(({ memberId }) => [memberId, []]))
  const ordered = inOrder(members)
  let next = 0
  for (const [topic, count] of sortedCounts(counts)) {
    if (!ordered.some(({ topics }) => topics.has(topic))) continue
    for (let partition = 0; partition < count; partition++) {
      while (!ordered[next % ordered.length]!.topics.has(topic)) next++
      assignment.get(ordered[next++ % ordered.length]!.memberId)!.push({ topic, partition })
    }
  }
  return assignment
}
