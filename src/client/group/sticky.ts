// The sticky assignors: balanced, and as much as possible stays where it was. Pure.
// Facts: AbstractStickyAssignor and CooperativeStickyAssignor of the Java client, KIP-54, KIP-429, KIP-792. Of two members that claim a partition the one of
// the later generation is believed; of one generation, neither. Balanced: no member could take a partition from another that has two more.
// Handing over (cooperative): what still belongs to another member is given to nobody in this generation; its owner sees that it lost it, gives it up
// and joins again, and then it is free.
// We differ from Kafka: racks are not looked at, and one way to balance serves equal and unequal subscriptions.
import {
  compare,
  type GroupAssignment,
  inOrder,
  type MemberSubscription,
  type PartitionCounts,
  sortedCounts,
  type TopicPartition,
} from './assignment.ts'

interface Seat {
  readonly member: MemberSubscription
  /** Topic → partitions, those held longest first. */
  readonly topics: Map<string, number[]>
  count: number
}

export function assignSticky(
  members: readonly MemberSubscription[],
  counts: PartitionCounts,
  { handsOver }: { readonly handsOver: boolean },
): GroupAssignment {
  const seats = inOrder(members).map((member): Seat => ({ member, topics: new Map(), count: 0 }))
  const owners = seatOwners(seats, counts)
  const subscribed = sortedCounts(counts)
    .map(([topic, count]) => ({ topic, count, subscribers: seats.filter(({ member }) => member.topics.has(topic)) }))
    .filter(({ subscribers }) => subscribers.length > 0)
    // Where there is less choice first.
    .sort((a, b) => a.subscribers.length - b.subscribers.length)
  for (const { topic, count, subscribers } of subscribed) {
    for (let partition = 0; partition < count; partition++) {
      if (!owners.has(keyOf({ topic, partition }))) take(least(subscribers), topic, partition)
    }
  }
  balance(seats, new Map(subscribed.map(({ topic, subscribers }) => [topic, subscribers])))
  return new Map(
    seats.map(({ member, topics }) => {
      const partitions = [...topics].flatMap(([topic, numbers]) => numbers.map(partition => ({ topic, partition })))
      const free = (target: TopicPartition) => {
        const owner = owners.get(keyOf(target))
        return owner === undefined || owner.member === member
      }
      const given = handsOver ? partitions.filter(free) : partitions
      return [member.memberId, given.sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition)]
    }),
  )
}

/** Gives each believed owner what it has, and says whose each partition was. */
function seatOwners(seats: readonly Seat[], counts: PartitionCounts): Map<string, Seat> {
  const claims = new Map<string, { readonly target: TopicPartition; seat: Seat; generationId: number; disputed: boolean }>()
  for (const seat of seats) {
    const { owned, generationId, topics } = seat.member
    for (const target of owned) {
      if (!topics.has(target.topic) || target.partition < 0 || target.partition >= (counts.get(target.topic) ?? 0)) continue
      const key = keyOf(target)
      const other = claims.get(key)
      if (other === undefined || other.generationId < generationId) claims.set(key, { target, seat, generationId, disputed: false })
      else if (other.seat !== seat && other.generationId === generationId) other.disputed = true
    }
  }
  const owners = new Map<string, Seat>()
  for (const [key, { target, seat, disputed }] of claims) {
    if (disputed) continue
    owners.set(key, seat)
    take(seat, target.topic, target.partition)
  }
  return owners
}

/** From the richest, one at a time: each move brings two members closer, so it ends, and nobody gives more than he must. */
function balance(seats: readonly Seat[], subscribersOf: ReadonlyMap<string, readonly Seat[]>): void {
  const richestFirst = [...seats]
  for (;;) {
    richestFirst.sort((a, b) => b.count - a.count)
    const from = richestFirst.find(seat => maybeGive(seat, subscribersOf))
    if (from === undefined) return
  }
}

/** Gives one partition to the poorest who may have it; returns whether it did. */
function maybeGive(from: Seat, subscribersOf: ReadonlyMap<string, readonly Seat[]>): boolean {
  let best: { readonly topic: string; readonly partitions: number[]; readonly to: Seat } | undefined
  for (const [topic, partitions] of from.topics) {
    if (partitions.length === 0) continue
    const to = least(subscribersOf.get(topic)!)
    if (from.count - to.count >= 2 && (best === undefined || to.count < best.to.count)) best = { topic, partitions, to }
  }
  if (best === undefined) return false
  // The one it got last: most likely it is nobody's yet.
  take(best.to, best.topic, best.partitions.pop()!)
  from.count--
  return true
}

function least(seats: readonly Seat[]): Seat {
  return seats.reduce((best, seat) => (seat.count < best.count ? seat : best))
}

function take(seat: Seat, topic: string, partition: number): void {
  const partitions = seat.topics.get(topic)
  if (partitions === undefined) seat.topics.set(topic, [partition])
  else partitions.push(partition)
  seat.count++
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
