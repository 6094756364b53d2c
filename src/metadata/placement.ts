// Where the replicas of new partitions go: leaders in turn over the brokers, followers in turn over the others, on as many racks as there are.
// Facts: org.apache.kafka.metadata.placement.StripedReplicaPlacer: a partition is on as many racks as it can be, leaders take turns, and a fenced
// broker leads nothing. Where we differ: leaders take turns by broker and not by rack, so that a small rack does not lead more than it should; in a
// rack whoever has least gets more; fenced brokers get replicas only when there are not enough others.
import type { Random } from '../env/env.ts'
import type { MetadataImage } from './image.ts'

export interface PlacementBroker {
  readonly brokerId: number
  readonly rack: string | null
  readonly fenced: boolean
}

export interface PlacementRequest {
  readonly brokers: readonly PlacementBroker[]
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly random: Random
}

/** The brokers that new replicas may go to; who shuts down is as good as fenced. */
export function placementBrokers(image: MetadataImage): PlacementBroker[] {
  return [...image.brokers.values()].map(({ brokerId, rack, fenced, shuttingDown }) => ({ brokerId, rack, fenced: fenced || shuttingDown }))
}

/** @returns the replicas of each partition, the first unfenced; or why it cannot be done */
export function placeReplicas({ brokers, partitionCount, replicationFactor, random }: PlacementRequest): number[][] | string {
  const unfenced = brokers.filter(({ fenced }) => !fenced)
  if (unfenced.length === 0) return 'All brokers are currently fenced.'
  if (replicationFactor > brokers.length) {
    return (
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ${replicationFactor} cannot be ` +
      `reached because only ${brokers.length} broker(s) are registered.`
    )
  }
  const leaders = stripe(unfenced, random)
  const others = replicationFactor > unfenced.length ? stripe(brokers, random).filter(({ fenced }) => fenced) : []
  const start = random.integer(leaders.length)
  const shift = random.integer(leaders.length)
  const replicaCounts = new Map<number, number>()
  return Array.from({ length: partitionCount }, (_, partition) => {
    const first = (start + partition) % leaders.length
    // Once around the leaders, the followers take another step.
    const step = shift + Math.floor((start + partition) / leaders.length)
    const order = [leaders[first]!]
    for (let nth = 0; nth < leaders.length - 1; nth++)
      order.push(leaders[(first + 1 + ((step + nth) % (leaders.length - 1))) % leaders.length]!)
    return spread([...order, ...others], replicationFactor, replicaCounts)
  })
}

/** Brokers of different racks one after another: a1 b1 c1 a2 b2 c2. Racks and brokers begin at a random one. */
function stripe(brokers: readonly PlacementBroker[], random: Random): PlacementBroker[] {
  const racks = new Map<string | null, PlacementBroker[]>()
  for (const broker of [...brokers].sort((a, b) => a.brokerId - b.brokerId)) {
    const rack = racks.get(broker.rack)
    if (rack === undefined) racks.set(broker.rack, [broker])
    else rack.push(broker)
  }
  const queues = rotate([...racks.values()], random).map(rack => rotate(rack, random))
  const longest = Math.max(...queues.map(queue => queue.length))
  return Array.from({ length: longest }, (_, row) => queues.flatMap(queue => queue.slice(row, row + 1))).flat()
}

function rotate<T>(list: readonly T[], random: Random): T[] {
  const by = random.integer(list.length)
  return [...list.slice(by), ...list.slice(0, by)]
}

/** Replicas more than another of its rack that keep a broker from having one more: the order itself keeps equal racks even. */
const SLACK = 4

/**
 * The first of the order leads. Then, in order, every rack is taken once before any rack a second time; who has clearly more replicas so far than another
 * of its rack is passed over.
 */
function spread(order: readonly PlacementBroker[], count: number, replicaCounts: Map<number, number>): number[] {
  const uses = new Map<string | null, number>()
  const left = [...order]
  const chosen: number[] = []
  while (chosen.length < count) {
    const { brokerId, rack } = chosen.length === 0 ? left[0]! : next(left, uses, replicaCounts)
    left.splice(
      left.findIndex(broker => broker.brokerId === brokerId),
      1,
    )
    chosen.push(brokerId)
    uses.set(rack, (uses.get(rack) ?? 0) + 1)
    replicaCounts.set(brokerId, (replicaCounts.get(brokerId) ?? 0) + 1)
  }
  return chosen
}

function next(left: readonly PlacementBroker[], uses: ReadonlyMap<string | null, number>, replicaCounts: ReadonlyMap<number, number>) {
  const usesOf = ({ rack }: PlacementBroker) => uses.get(rack) ?? 0
  const countOf = ({ brokerId }: PlacementBroker) => replicaCounts.get(brokerId) ?? 0
  const leastUsed = Math.min(...left.map(usesOf))
  const { rack, fenced } = left.find(broker => usesOf(broker) === leastUsed)!
  const ofRack = left.filter(broker => broker.rack === rack && broker.fenced === fenced)
  const fewest = Math.min(...ofRack.map(countOf))
  return ofRack.find(broker => countOf(broker) <= fewest + SLACK)!
}
